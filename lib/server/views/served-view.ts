import { propertiesOf } from '../../filter/filter-properties.js';
import { createFilterTest, createReader, type FilterTest } from '../../filter/filter-test.js';
import { readFilter } from '../../filter/read-filter.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { isName } from '../../merge/decoders.js';
import { isAlive, propertyValueOf, type ObjectState } from '../../merge/object-state.js';
import type { ObjectName } from '../../model/changeset.js';
import { isLeft, left, right, type Either } from '../../model/result.js';
import { textOf, type Value } from '../../model/value.js';
import type { ViewFilter, ViewRejection } from '../../model/view.js';
import type { WatchedValues } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { ServedScope } from '../scope/served-scope.js';

/** A filter of a view that the server can evaluate. */
export interface ServedFilter {
  /** Number of the subscription. */
  readonly id: number;
  readonly type: string;
  /** In canonical form, and limited to the objects that the user may see. */
  readonly filter: StoredFilter;
  /** The same for filters that mean the same. */
  readonly text: string;
  /** The names of the properties that the filter reads, without the primary key. */
  readonly properties: readonly string[];
}

/** The start of the reasons of `readFilter` for a filter that is over a limit. */
const limitPattern = /^a filter must have (?:filters in filters )?at most \d/;

/**
 * Reads one filter of a view, for a user with a scope. Returns why the subscription is rejected if the server cannot
 * evaluate it.
 */
export const readServedFilter = (
  { id, type, filter: given }: ViewFilter,
  scope: ServedScope | null,
): Either<ViewRejection, ServedFilter> => {
  if (!isName(type)) return left({ id, code: 'bad-filter', text: 'The type of a subscription must be a name.' });
  const read = readFilter(given);
  if (isLeft(read)) {
    const code = limitPattern.test(read.left) ? 'filter-too-large' : 'bad-filter';
    return left({ id, code, text: `The filter of a subscription is invalid: ${read.left}.` });
  }
  const filter = scope === null ? read.right : scope.limit(type, read.right);
  return right({ id, type, filter, text: textOf(filter as Value), properties: propertiesOf(filter) });
};

/** The filters of one type in a view. */
interface ServedType {
  readonly filters: readonly ServedFilter[];
  readonly tests: readonly FilterTest[];
}

/** A view whose filters the server evaluates. An object is in the view if one filter of its type matches. */
export class ServedView {
  readonly types: ReadonlyMap<string, ServedType>;

  /** @param scope - The id of the scope to which the filters are limited; `null`: they are not. */
  constructor(
    readonly filters: readonly ServedFilter[],
    readonly scope: string | null = null,
  ) {
    const types = new Map<string, { filters: ServedFilter[]; tests: FilterTest[] }>();
    for (const served of filters) {
      const known = types.get(served.type) ?? { filters: [], tests: [] };
      types.set(served.type, known);
      if (known.filters.some(({ text }) => text === served.text)) continue;
      known.filters.push(served);
      known.tests.push(createFilterTest(served.filter));
    }
    this.types = types;
  }

  /** Whether an object with these watched values is in the view. `null`: the object does not exist. */
  hasValues(name: ObjectName, values: WatchedValues | null, { properties }: WatchedType): boolean {
    const tests = this.types.get(name.type)?.tests;
    if (tests === undefined || values === null) return false;
    const read = createReader(name.key, (property) => values[properties.findIndex((each) => each.name === property)]);
    return tests.some((test) => test(read));
  }

  /** Whether an object with this state is in the view. */
  hasState(name: ObjectName, state: ObjectState): boolean {
    const tests = this.types.get(name.type)?.tests;
    if (tests === undefined || !isAlive(state)) return false;
    const read = createReader(name.key, (property) => propertyValueOf(state, property));
    return tests.some((test) => test(read));
  }

  /** A text that two views share if they have the same filters in the same order. */
  get text(): string {
    return this.filters.map(({ id, type, text }) => `${id} ${type} ${text}`).join('\n');
  }
}
