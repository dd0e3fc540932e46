import { isWellFormed, key } from './field-codecs.js';
import { pack, unpack, type Value } from './msgpack.js';
import { countMax, type ElementName, type Stamp } from './timestamps.js';

/*
 * Implements the tables of docs/PROTOCOL.md, "What is in a changeset".
 */

export type Key = string | number;
export type Values = Readonly<Record<string, Value>>;
export interface Instant {
  readonly time: number;
  readonly count: number;
}

interface Target {
  readonly type: string;
  readonly key: Key;
}
interface Part extends Target {
  readonly property: string;
}

export interface Insert extends Part {
  readonly does: 'insert';
  readonly run: readonly string[];
  readonly keys: readonly string[];
  readonly values: readonly Value[];
  readonly indexes: readonly number[] | null;
  readonly default: number;
}

export type Operation = ObjectOperation | PartOperation;

type ObjectOperation =
  (Target & { readonly does: 'create' | 'update'; readonly values: Values }) | (Target & { readonly does: 'delete' });

export type PartOperation =
  | Insert
  | (Part & {
      readonly does: 'move';
      readonly element: ElementName;
      readonly run: readonly string[];
      readonly position: string;
    })
  | (Part & { readonly does: 'replace'; readonly element: ElementName; readonly value: Value })
  | (Part & { readonly does: 'remove'; readonly elements: readonly ElementName[] })
  | (Part & { readonly does: 'put'; readonly entries: readonly (readonly [string, Value])[] })
  | (Part & { readonly does: 'drop'; readonly keys: readonly string[] })
  | (Part & { readonly does: 'empty' })
  | (Part & { readonly does: 'add'; readonly born: Stamp; readonly after: Instant | null; readonly by: number });

function fail(what: string): never {
  throw new Error(`not an operation: ${what}`);
}

export function readArray(raw: Value | undefined): readonly Value[] {
  return Array.isArray(raw) ? (raw as readonly Value[]) : fail('an array is missing');
}

function readText(raw: Value | undefined, longest: number, shortest = 0): string {
  if (typeof raw !== 'string' || raw.length < shortest || raw.length > longest || !isWellFormed(raw))
    return fail('a text');
  return raw;
}

function readName(raw: Value | undefined): string {
  return typeof raw === 'string' && /^[A-Za-z][A-Za-z0-9_]{0,63}$/.test(raw) ? raw : fail('a name');
}

function readWhole(raw: Value | undefined, least: number, most: number): number {
  if (!Number.isSafeInteger(raw)) return fail('a whole number');
  const number = raw as number;
  return number >= least && number <= most ? number : fail('a whole number in its bounds');
}

function readValue(raw: Value | undefined, depth = 0): Value {
  if (raw === undefined || depth > 32) return fail('a value');
  if (typeof raw === 'number' && !Number.isFinite(raw)) return fail('a finite number');
  if (Array.isArray(raw)) (raw as readonly Value[]).forEach((each) => readValue(each, depth + 1));
  else if (raw !== null && typeof raw === 'object' && !(raw instanceof Uint8Array))
    Object.values(raw).forEach((each) => readValue(each, depth + 1));
  return raw;
}

function readValues(raw: Value | undefined): Values {
  if (raw === null || typeof raw !== 'object' || Array.isArray(raw) || raw instanceof Uint8Array)
    return fail('values are a map');
  for (const [property, value] of Object.entries(raw)) {
    readName(property);
    readValue(value);
  }
  return raw as Values;
}

export function readInstant(raw: Value | undefined): Instant {
  const [time, count, ...rest] = readArray(raw);
  if (!Number.isFinite(time) || rest.length > 0) return fail('an instant');
  return { time: time as number, count: readWhole(count, 0, countMax) };
}

export function readStamp(raw: Value | undefined): Stamp {
  const [time, count, replica, ...rest] = readArray(raw);
  if (rest.length > 0) return fail('a stamp');
  return { ...readInstant([time!, count!]), replica: readText(replica, 256, 1) };
}

export function readElement(raw: Value | undefined): ElementName {
  const [time, count, replica, index, ...rest] = readArray(raw);
  if (rest.length > 0) return fail('an element');
  return { ...readStamp([time!, count!, replica!]), index: readWhole(index, 0, Number.MAX_SAFE_INTEGER) };
}

export const writeInstant = ({ time, count }: Instant): Value => [time, count];
export const writeStamp = ({ time, count, replica }: Stamp): Value => [time, count, replica];
export const writeElement = ({ time, count, replica, index }: ElementName): Value => [time, count, replica, index];

function readPositionKey(raw: Value | undefined): string {
  const position = readText(raw, 4_096, 1);
  return /^[0-9A-Za-z]+$/.test(position) ? position : fail('a place key');
}

export function readRun(raw: Value | undefined): readonly string[] {
  const run = readArray(raw);
  if (run.length < 2 || run.length > 128 || run.length % 2 === 1) return fail('a run');
  return run.map((each, n) => (n % 2 === 0 ? readPositionKey(each) : readText(each, 256, 1)));
}

function readInsert(part: Part, fields: readonly Value[]): Operation {
  const [run, rawKeys, rawValues, rawIndexes = null, byDefault = 0] = fields;
  const keys = readArray(rawKeys).map(readPositionKey);
  const values = readArray(rawValues).map((each) => readValue(each));
  const indexes =
    rawIndexes === null ? null : readArray(rawIndexes).map((each) => readWhole(each, 0, Number.MAX_SAFE_INTEGER));
  if (keys.length === 0 || keys.length !== values.length) return fail('keys and values of an insert');
  if (indexes && (indexes.length !== keys.length || indexes.some((each, n) => n > 0 && each <= indexes[n - 1]!)))
    return fail('indexes of an insert');
  return {
    does: 'insert',
    ...part,
    run: readRun(run),
    keys,
    values,
    indexes,
    default: readWhole(byDefault, 0, countMax),
  };
}

/** Lengths that an operation of each kind may have. */
const lengths: Readonly<Record<number, readonly number[]>> = {
  1: [4],
  2: [4],
  3: [3],
  4: [7, 9],
  5: [7],
  6: [6],
  7: [5],
  8: [5],
  9: [5],
  10: [4],
  11: [7],
};

function readOperation(raw: Value): Operation {
  const array = readArray(raw);
  const [kind, type, rawKey, fourth, ...fields] = array;
  if (!lengths[kind as number]?.includes(array.length)) return fail('its kind or length');
  const target: Target = { type: readName(type), key: key.read(rawKey) };
  if (kind === 1 || kind === 2)
    return { does: kind === 1 ? 'create' : 'update', ...target, values: readValues(fourth) };
  if (kind === 3) return { does: 'delete', ...target };
  const part: Part = { ...target, property: readName(fourth) };
  const [first, second, third] = fields;
  switch (kind) {
    case 4:
      return readInsert(part, fields);
    case 5:
      return {
        does: 'move',
        ...part,
        element: readElement(first),
        run: readRun(second),
        position: readPositionKey(third),
      };
    case 6:
      return { does: 'replace', ...part, element: readElement(first), value: readValue(second) };
    case 7:
      return { does: 'remove', ...part, elements: readArray(first).map(readElement) };
    case 8:
      return { does: 'put', ...part, entries: readArray(first).map(readEntry) };
    case 9:
      return { does: 'drop', ...part, keys: readArray(first).map((each) => readText(each, 4_096)) };
    case 10:
      return { does: 'empty', ...part };
    default: {
      const by = readWhole(third, -Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      return { does: 'add', ...part, born: readStamp(first), after: second === null ? null : readInstant(second), by };
    }
  }
}

function readEntry(raw: Value): readonly [string, Value] {
  const [name, value, ...rest] = readArray(raw);
  return rest.length > 0 ? fail('an entry') : [readText(name, 4_096), readValue(value)];
}

function writeOperation(operation: Operation): Value {
  const head = [operation.type, operation.key];
  switch (operation.does) {
    case 'create':
      return [1, ...head, operation.values];
    case 'update':
      return [2, ...head, operation.values];
    case 'delete':
      return [3, ...head];
    case 'insert': {
      const { property, run, keys, values, indexes, default: byDefault } = operation;
      const short = [4, ...head, property, run, keys, values];
      return indexes || byDefault ? [...short, indexes, byDefault] : short;
    }
    case 'move':
      return [5, ...head, operation.property, writeElement(operation.element), operation.run, operation.position];
    case 'replace':
      return [6, ...head, operation.property, writeElement(operation.element), operation.value];
    case 'remove':
      return [7, ...head, operation.property, operation.elements.map(writeElement)];
    case 'put':
      return [8, ...head, operation.property, operation.entries];
    case 'drop':
      return [9, ...head, operation.property, operation.keys];
    case 'empty':
      return [10, ...head, operation.property];
    case 'add': {
      const { property, born, after, by } = operation;
      return [11, ...head, property, writeStamp(born), after && writeInstant(after), by];
    }
  }
}

export function readBody(body: Uint8Array): readonly Operation[] {
  const operations = readArray(unpack(body)).map(readOperation);
  return operations.length === 0 ? fail('a body holds at least one') : operations;
}

export function writeBody(operations: readonly Operation[]): Uint8Array {
  return pack(operations.map(writeOperation));
}
