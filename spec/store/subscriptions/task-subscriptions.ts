import { checkSchema, type Schema } from '../../../lib/model/schema.js';
import { editSubscriptions, type SubscriptionEdit } from '../../../lib/store/subscriptions/edit-subscriptions.js';
import type { SubscriptionSet } from '../../../lib/store/subscriptions/subscription-set.js';

/** A schema to subscribe to. */
export const schema = {
  Task: { primaryKey: 'id', properties: { id: 'string', list: 'string', done: 'bool', votes: 'int' } },
  Note: { primaryKey: 'id', properties: { id: 'int', text: 'string?' } },
} as const satisfies Schema;
export type Edit = SubscriptionEdit<typeof schema>;
export const shapes = checkSchema(schema);

/** Returns the set after a change of an app. */
export const edit = (before: SubscriptionSet, change: (subs: Edit) => void, now = 5): SubscriptionSet =>
  editSubscriptions<typeof schema>(shapes, before, now, change).set;
