import { isWrite, type Operation } from '../merge/operation.js';
import type { Stamp } from '../merge/timestamp.js';
import { toTaggedJson } from '../store/transfer/json-values.js';
import type {
  InspectedCounts,
  InspectedItem,
  InspectedChange,
  InspectedObject,
  InspectedRejection,
  InspectedView,
} from './inspect-items.js';

/** Characters of one value in the text output; `--json` prints all of it. */
const charsMax = 500;

/** Formats a value as JSON without characters that control a terminal. */
const valueTextOf = (value: unknown): string => {
  const text = JSON.stringify(toTaggedJson(value)).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > charsMax ? `${text.slice(0, charsMax)}… (${text.length} characters)` : text;
};

const timeTextOf = (time: number): string => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
};

const timestampTextOf = ({ time, count, replica }: Stamp): string => `${timeTextOf(time)} (${count}) by ${replica}`;

const countTextOf = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const realmLinesOf = ({ realm }: Extract<InspectedItem, { realm: unknown }>, folder: string): readonly string[] => [
  `Realm in ${folder}`,
  `  replica         ${realm.replica}`,
  `  history         ${realm.history ?? 'none (never bound to a server)'}`,
  `  downloaded to   ${realm.downloadedTo} of the server (${realm.downloadedBytes} of ${realm.headBytes} bytes)`,
  `  written         ${realm.written}`,
  `  acknowledged    ${realm.acknowledged} (${realm.acknowledgedBytes} bytes)`,
  `  rejected        ${realm.rejectedCount} in all`,
  `  schema version  ${realm.schemaVersion}`,
  `  clock           ${timeTextOf(realm.instant.time)} (${realm.instant.count})`,
  '',
];

const viewLinesOf = ({ set, placed, scope, detached, subscriptions }: InspectedView): readonly string[] => [
  `Subscriptions, set ${set}: ${placed === null ? 'no objects are here yet' : `the objects here are of set ${placed}`}`,
  ...(scope === null ? [] : [`  scope ${valueTextOf(scope)}`]),
  ...subscriptions.map(({ id, name, type, filter, isPlaced }) => {
    const named = name === null ? '' : ` ${valueTextOf(name)}`;
    return `  ${id}${named}: ${type} ${valueTextOf(filter)}${isPlaced ? '' : ', not here'}`;
  }),
  ...(detached === 0 ? [] : [`  ${countTextOf(detached, 'object')} only until uploaded`]),
  '',
];

const objectLinesOf = ({ type, key, isDeleted, values, state }: InspectedObject): readonly string[] => [
  `${type} ${valueTextOf(key)}${isDeleted ? (state.died ? `, deleted ${timestampTextOf(state.died)}` : ', whose create is missing') : ''}`,
  ...Object.entries(values).map(([name, value]) => `  ${name}: ${valueTextOf(value)}`),
];

/** The fields of an operation besides its kind and object. */
const detailsOf = (operation: Operation): object => {
  if (isWrite(operation)) return operation.values;
  const named = ['kind', 'type', 'key', 'property'];
  return Object.fromEntries(Object.entries(operation).filter(([name]) => !named.includes(name)));
};

const operationLineOf = (operation: Operation): string => {
  const { kind, type, key } = operation;
  const property = 'property' in operation ? `.${operation.property}` : '';
  const details = detailsOf(operation);
  const detailsText = Object.keys(details).length > 0 ? ` ${valueTextOf(details)}` : '';
  return `    ${kind} ${type} ${valueTextOf(key)}${property}${detailsText}`;
};

const changeLinesOf = ({ version, time, bytes, operations }: InspectedChange, what: string): readonly string[] => [
  `${what} ${version}, written ${timeTextOf(time)}, ${bytes} bytes`,
  ...operations.map(operationLineOf),
];

const rejectionLinesOf = ({ id, writes, ...change }: InspectedRejection): readonly string[] => [
  ...changeLinesOf(change, `rejected ${id}: change`),
  ...writes.map(({ type, key, reason }) => `    because of ${type} ${valueTextOf(key)}: ${valueTextOf(reason)}`),
];

const countLinesOf = ({ objects, changes, changesBytes, rejected }: InspectedCounts): readonly string[] => [
  '',
  ...Object.entries(objects).map(
    ([type, { living, deleted }]) => `${type}: ${countTextOf(living, 'object')}, ${deleted} deleted`,
  ),
  ...(Object.keys(objects).length > 0 ? [] : ['No objects']),
  `To be uploaded: ${countTextOf(changes, 'change')}, ${changesBytes} bytes`,
  `Rejected: ${countTextOf(rejected, 'change')}`,
];

/** Formats an item as text. */
export const toTextLines = (found: InspectedItem, folder: string): readonly string[] => {
  if ('realm' in found) return realmLinesOf(found, folder);
  if ('view' in found) return viewLinesOf(found.view);
  if ('object' in found) return objectLinesOf(found.object);
  if ('damaged' in found) return [`damaged: ${found.damaged}`];
  if ('change' in found) return changeLinesOf(found.change, 'change');
  return 'rejected' in found ? rejectionLinesOf(found.rejected) : countLinesOf(found.counts);
};

const toChangeJson = <C extends InspectedChange>(change: C) => ({
  ...change,
  operations: change.operations.map(toTaggedJson),
});

/** The realm as JSON, for scripts. `downloadedTo` and `rejectedWrites` are named as in `realm.stats()`. */
const toRealmJson = ({ realm }: Extract<InspectedItem, { realm: unknown }>) => ({
  replica: realm.replica,
  history: realm.history,
  downloadedTo: realm.downloadedTo,
  acknowledged: realm.acknowledged,
  clock: realm.instant,
  downloadedBytes: realm.downloadedBytes,
  headBytes: realm.headBytes,
  acknowledgedBytes: realm.acknowledgedBytes,
  rejectedWrites: realm.rejectedCount,
  schemaVersion: realm.schemaVersion,
  remoteInstant: realm.remoteInstant,
  clockOffset: realm.clockOffset,
  includeOwn: realm.includeOwn,
  forgottenBefore: realm.forgottenBefore,
  hasBeenBound: realm.hasBeenBound,
  runs: realm.runs,
  owner: realm.owner,
  written: realm.written,
});

/** Formats an item as one line of JSON. Bytes are `{"$bytes": base64}`, as in an export. */
export const toJsonLines = (found: InspectedItem): readonly string[] => {
  if ('object' in found) {
    const { type, key, isDeleted, state, values } = found.object;
    const { born, died } = state;
    return [JSON.stringify({ object: { type, key, deleted: isDeleted, born, died, values: toTaggedJson(values) } })];
  }
  if ('realm' in found) return [JSON.stringify({ realm: toRealmJson(found) })];
  if ('view' in found) return [JSON.stringify({ view: toTaggedJson(found.view) })];
  if ('change' in found) return [JSON.stringify({ change: toChangeJson(found.change) })];
  return [JSON.stringify('rejected' in found ? { rejected: toChangeJson(found.rejected) } : found)];
};
