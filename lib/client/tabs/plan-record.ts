import { InvalidArgumentError, messageOf } from '../../model/errors.js';
import type { Schema } from '../../model/schema.js';
import { isRecord } from '../../model/value.js';
import type { OpenPlan } from '../open-plan.js';
import type { SubscriptionSupport } from '../subscription-registry.js';
import { planDifferenceOf } from '../plan-difference.js';
import type { PlanRecord } from './tab-messages.js';

/** Changes whenever a tab of an earlier version would not understand the messages. */
const messagesVersion = 1;

/** Functions are not compared: the app is responsible for using the same ones. */
const toPlain = (schema: Schema): Schema =>
  JSON.parse(
    JSON.stringify(schema, (_, value: unknown) => (typeof value === 'function' ? 'a function' : value)),
  ) as Schema;

export const toPlanRecord = ({ schema, migration, sync, subscriptions }: OpenPlan): PlanRecord => ({
  version: messagesVersion,
  schema: toPlain(schema),
  schemaVersion: migration?.version ?? 0,
  ...(subscriptions && { hasSubscriptions: true }),
  sync: sync && {
    realmName: sync.realmName,
    stopImmediately: sync.stopImmediately,
    clientReset: sync.clientReset,
    anyUser: sync.anyUser,
  },
});

const advice = 'Another tab has opened the realm differently: reload the tab that has the older version of the app.';

/** Those of another tab: only whether there are any is compared. */
const unknownSubscriptions = {} as SubscriptionSupport;

/** Returns the error for a tab whose plan differs from that of the leader; `null` if they are equal. */
export const tabDifferenceOf = (
  { version, schema, schemaVersion, hasSubscriptions = false, sync }: PlanRecord,
  own: OpenPlan,
): Error | null => {
  const { sync: plan, migration } = own;
  if (version !== messagesVersion || (sync === null) !== (plan === null)) {
    const [expected, received] = [sync, plan].map((each) => (each === null ? 'a local realm' : 'a realm that syncs'));
    const problem = 'The realm is open already in another tab, in a way that this tab cannot share.';
    return new InvalidArgumentError('sync', String(expected), received, { problem, advice });
  }
  const found: OpenPlan = {
    ...own,
    schema: schema as Schema,
    migration: migration && { ...migration, version: schemaVersion },
    sync: plan && isRecord(sync) ? { ...plan, ...sync } : null,
    subscriptions: hasSubscriptions ? (own.subscriptions ?? unknownSubscriptions) : null,
  };
  const difference = planDifferenceOf(found, { ...own, schema: toPlain(own.schema) });
  if (!(difference instanceof InvalidArgumentError)) return difference;
  const { argument, expected, received } = difference;
  const problem = messageOf(difference).replace(/ Close that handle.*$/, '');
  return new InvalidArgumentError(argument, expected, received, { problem, advice });
};
