import { propertiesOf } from '../../filter/filter-properties.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import type { Shapes } from '../../model/schema.js';
import type { SubscriptionRejection } from './subscription-state.js';
import type { SubscriptionSet } from './subscription-set.js';

const findProblem = (shapes: Shapes, type: string, filter: StoredFilter): SubscriptionRejection | null => {
  const shape = shapes.get(type);
  if (!shape) return { code: 'unknown-type', text: `The schema of this app has no type "${type}".` };
  const missing = propertiesOf(filter).find((name) => shape.properties.get(name)?.container !== 'value');
  if (missing === undefined) return null;
  return { code: 'unknown-property', text: `${type} has no single value "${missing}" in the schema of this app.` };
};

/**
 * The subscriptions that do not fit the schema, because a later version of the app has another one. They are not sent:
 * this app cannot show what they select, or would select other objects.
 */
export const localRejectionsOf = (
  shapes: Shapes,
  { subscriptions }: SubscriptionSet,
): ReadonlyMap<number, SubscriptionRejection> => {
  const found = new Map<number, SubscriptionRejection>();
  for (const { id, type, filter } of subscriptions) {
    const problem = findProblem(shapes, type, filter);
    if (problem) found.set(id, problem);
  }
  return found;
};
