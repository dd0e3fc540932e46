import { isWrite, type Operation } from '../merge/operation.js';
import type { Stamp } from '../merge/stamp.js';
import { tagged } from '../store/portable.js';
import type { Counts, Found, FoundChange, FoundObject, FoundRefused } from './inspect.js';

/** Characters of one value that people are shown: `--json` has all of it. */
const charsMax = 500;

/** As JSON, which has no character in it that a terminal obeys. */
const shownValue = (value: unknown): string => {
  const text = JSON.stringify(tagged(value)).replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return text.length > charsMax ? `${text.slice(0, charsMax)}… (${text.length} characters)` : text;
};

const shownTime = (time: number): string => {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? String(time) : date.toISOString();
};

const shownStamp = ({ time, count, replica }: Stamp): string => `${shownTime(time)} (${count}) by ${replica}`;

const some = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`;

const realmLines = ({ realm }: Extract<Found, { realm: unknown }>, place: string): readonly string[] => [
  `Realm in ${place}`,
  `  replica         ${realm.replica}`,
  `  history         ${realm.history ?? 'none: it was never bound to a server'}`,
  `  seen            ${realm.seen} of the server (${realm.seenBytes} of ${realm.headBytes} bytes)`,
  `  written         ${realm.written}`,
  `  acknowledged    ${realm.acknowledged} (${realm.acknowledgedBytes} bytes)`,
  `  refused         ${realm.refused} ever`,
  `  schema version  ${realm.schemaVersion}`,
  `  clock           ${shownTime(realm.clock.time)} (${realm.clock.count})`,
  '',
];

const objectLines = ({ type, key, isDeleted, values, state }: FoundObject): readonly string[] => [
  `${type} ${shownValue(key)}${isDeleted ? (state.died ? `, deleted ${shownStamp(state.died)}` : ', of which no create is here') : ''}`,
  ...Object.entries(values).map(([name, value]) => `  ${name}: ${shownValue(value)}`),
];

/** What an operation says besides what it does to what. */
const detailsOf = (operation: Operation): object => {
  if (isWrite(operation)) return operation.values;
  const named = ['kind', 'type', 'key', 'property'];
  return Object.fromEntries(Object.entries(operation).filter(([name]) => !named.includes(name)));
};

const operationLine = (operation: Operation): string => {
  const { kind, type, key } = operation;
  const property = 'property' in operation ? `.${operation.property}` : '';
  const details = detailsOf(operation);
  const said = Object.keys(details).length > 0 ? ` ${shownValue(details)}` : '';
  return `    ${kind} ${type} ${shownValue(key)}${property}${said}`;
};

const changeLines = ({ version, time, bytes, operations }: FoundChange, what: string): readonly string[] => [
  `${what} ${version}, written ${shownTime(time)}, ${bytes} bytes`,
  ...operations.map(operationLine),
];

const refusedLines = ({ id, writes, ...change }: FoundRefused): readonly string[] => [
  ...changeLines(change, `refused ${id}: change`),
  ...writes.map(({ type, key, reason }) => `    because of ${type} ${shownValue(key)}: ${shownValue(reason)}`),
];

const countLines = ({ objects, changes, changesBytes, refused }: Counts): readonly string[] => [
  '',
  ...Object.entries(objects).map(
    ([type, { living, deleted }]) => `${type}: ${some(living, 'object')}, ${deleted} deleted`,
  ),
  ...(Object.keys(objects).length > 0 ? [] : ['No objects']),
  `To be uploaded: ${some(changes, 'change')}, ${changesBytes} bytes`,
  `Refused: ${some(refused, 'change')}`,
];

/** For people. */
export const asText = (found: Found, place: string): readonly string[] => {
  if ('realm' in found) return realmLines(found, place);
  if ('object' in found) return objectLines(found.object);
  if ('change' in found) return changeLines(found.change, 'change');
  return 'refused' in found ? refusedLines(found.refused) : countLines(found.counts);
};

const changeJson = <C extends FoundChange>(change: C) => ({
  ...change,
  operations: change.operations.map(tagged),
});

/** For programs: one line each. Bytes are `{"$bytes": base64}`, as in an export. */
export const asJson = (found: Found): readonly string[] => {
  if ('object' in found) {
    const { type, key, isDeleted, state, values } = found.object;
    const { born, died } = state;
    return [JSON.stringify({ object: { type, key, deleted: isDeleted, born, died, values: tagged(values) } })];
  }
  if ('change' in found) return [JSON.stringify({ change: changeJson(found.change) })];
  return [JSON.stringify('refused' in found ? { refused: changeJson(found.refused) } : found)];
};
