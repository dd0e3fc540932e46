import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeOperations, encodeOperations } from '../../lib/merge/body.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object.js';
import { lastInstant, laterInstant, nextInstant, stampAt } from '../../lib/merge/stamp.js';
import { decodeState, encodeState } from '../../lib/merge/state.js';
import type { Changeset, Instant } from '../../lib/model/changeset.js';
import { checkedSchema, type Schema } from '../../lib/model/schema.js';
import { createObjects, type Objects } from '../../lib/store/objects.js';
import { draft, type Transaction } from '../../lib/store/transaction.js';
import { viewOf } from '../../lib/store/views.js';
import type { Stamped } from './arbitrary.js';
import type { OracleView } from './oracle.js';

export const schema = {
  T: {
    primaryKey: 'id',
    properties: {
      id: 'int',
      x: 'int?',
      list: 'string[]',
      steps: { type: 'string[]', default: () => ['one', 'two', 'three'] },
      notes: 'mixed[]',
      tags: 'string<>',
      marks: 'int{}',
      votes: 'counter',
    },
  },
} as const satisfies Schema;
export const shapes = checkedSchema(schema);
const shape = shapes.get('T')!;

export type Tx = Transaction<Schema>;

/** What one replica wrote in one transaction. */
export interface Posted extends Changeset {
  readonly origin: string;
}

/** A device: it writes by the transactions of the library, on what it has heard of. */
export interface Device {
  readonly replica: string;
  readonly objects: Objects;
  readonly heard: Set<Posted>;
  instant: Instant;
}

/** Everything that was written, in no order that anybody relies on. */
export interface World {
  readonly devices: readonly Device[];
  readonly posted: Posted[];
}

export const replicas = ['b', 'a', 'd', 'c', 'ab'] as const;

export const worldOf = (count: number): World => ({
  devices: replicas.slice(0, count).map((replica) => ({
    replica,
    objects: createObjects(shapes),
    heard: new Set(),
    instant: { time: 0, count: 0 },
  })),
  posted: [],
});

export const frozen = <T>(given: T): T => {
  if (given instanceof Map) given.forEach(frozen);
  else if (typeof given === 'object' && given !== null && !ArrayBuffer.isView(given) && !Object.isFrozen(given)) {
    Object.values(Object.freeze(given)).forEach(frozen);
  }
  return given;
};

/** Runs a transaction on a device whose clock says so; when it changed something, the world knows. What throws, changes nothing. */
export const write = <R>(world: World, device: Device, now: number, change: (tx: Tx) => R): R => {
  const start = nextInstant(device.instant, now);
  const begun = draft(shapes, device.objects, start, device.replica);
  const result = change(begun.tx);
  const { operations, touched } = begun.end();
  if (operations.length === 0) return result;
  device.objects.settle(touched.map((each) => ({ ...each, state: frozen(each.state) })));
  device.instant = lastInstant(start, operations.length);
  const posted = { ...start, version: world.posted.length, origin: device.replica, body: encodeOperations(operations) };
  world.posted.push(posted);
  device.heard.add(posted);
  return result;
};

const read = new WeakMap<Posted, readonly Stamped[]>();

export const operationsIn = (posted: Posted): readonly Stamped[] => {
  const known = read.get(posted);
  if (known) return known;
  const operations = decodeOperations(posted.body);
  if (!('right' in operations)) throw new Error('an honest body is readable');
  const made = operations.right.map((operation, index) =>
    frozen({ operation, stamp: stampAt(posted, posted.origin, index) }),
  );
  read.set(posted, made);
  return made;
};

/** A state as it comes back from a disk. */
export const restored = (state: ObjectState): ObjectState => {
  const read = decodeState(encodeState(state));
  if (!('right' in read)) throw new Error(read.left);
  return frozen(read.right);
};

export const same = (a: unknown, b: unknown): void => {
  if (!isDeepStrictEqual(a, b)) expect(a).toStrictEqual(b);
};

/** Lets a device hear of what was written. Heard again, it changes nothing: the state is the very same object. */
export const hear = (device: Device, posted: Posted): void => {
  const again = device.heard.has(posted);
  for (const { operation, stamp } of operationsIn(posted)) {
    const { type, key } = operation;
    const before = device.objects.latest(type, key);
    const state = frozen(applyOperation(before, operation, stamp));
    if (again && state !== before) throw new Error(`${operation.kind} changed something when it came again`);
    if (applyOperation(state, operation, stamp) !== state) throw new Error(`${operation.kind} is not idempotent`);
    if (state !== before) device.objects.settle([{ type, key, state }]);
  }
  device.instant = laterInstant(device.instant, lastInstant(posted, operationsIn(posted).length));
  device.heard.add(posted);
};

/** Puts a device through a restart: what it had in memory comes back from bytes. */
export const restart = (device: Device): void => {
  for (const { type, key } of device.objects.all()) {
    const state = device.objects.latest(type, key);
    if (!state) continue;
    const back = restored(state);
    same(back, state);
    device.objects.settle([{ type, key, state: back }]);
  }
};

/** Everybody hears everything, each in an order of their own, some of it twice. */
export const meet = (world: World, random: () => number): void => {
  for (const device of world.devices) {
    const missing = world.posted.filter((posted) => !device.heard.has(posted));
    const more = world.posted.filter(() => random() % 4 === 0);
    const all = [...missing, ...more].map((posted) => ({ posted, at: random() }));
    for (const { posted } of all.sort((a, b) => a.at - b.at)) hear(device, posted);
  }
};

export const viewAt = (device: Device, key = 1): Readonly<Record<string, unknown>> | null => {
  const state = device.objects.latest('T', key);
  const alive = device.objects.view('T', key);
  return state && alive ? viewOf(shape, state, key) : null;
};

export const listAt = (device: Device): readonly string[] => (viewAt(device)?.['list'] ?? []) as readonly string[];

/** The oracle's answer as a view of this schema. */
export const viewFrom = (answer: OracleView | null, key: number): unknown => {
  if (!answer) return null;
  const { values, lists, entries, counters } = answer;
  const ordered = Object.entries(entries['marks'] ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    id: key,
    x: values['x'] ?? null,
    list: lists['list'] ?? [],
    steps: lists['steps'] ?? [],
    notes: lists['notes'] ?? [],
    tags: Object.values(entries['tags'] ?? {}).sort(),
    marks: Object.fromEntries(ordered),
    votes: Number(values['votes'] ?? 0) + (counters['votes'] ?? 0),
  };
};

/** Chance that a failure can be repeated with. */
export const chance = fc
  .infiniteStream(fc.nat({ max: 999_983 }))
  .map((stream) => (): number => Number(stream.next().value));
