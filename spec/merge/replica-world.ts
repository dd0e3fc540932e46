import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation, type ObjectState } from '../../lib/merge/object-state.js';
import { lastInstantOf, laterInstantOf, nextInstantOf, operationStampOf } from '../../lib/merge/timestamp.js';
import { decodeState, encodeState } from '../../lib/merge/state-codec.js';
import type { Changeset, Instant } from '../../lib/model/changeset.js';
import { checkSchema, type Schema } from '../../lib/model/schema.js';
import { createObjects, type Objects } from '../../lib/store/objects/objects.js';
import { beginTransaction } from '../../lib/store/transaction/transaction.js';
import type { Transaction } from '../../lib/store/transaction/transaction-api.js';
import { viewOf } from '../../lib/store/objects/object-view.js';
import type { Stamped } from './arbitrary-operations.js';
import type { OracleView } from './merge-oracle.js';

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
export const shapes = checkSchema(schema);
const shape = shapes.get('T')!;

export type Tx = Transaction<Schema>;

/** The changeset that one replica wrote in one transaction. */
export interface PostedChangeset extends Changeset {
  readonly origin: string;
}

/** A device: writes by the transactions of the library, on top of the changesets that it has received. */
export interface Device {
  readonly replica: string;
  readonly objects: Objects;
  readonly received: Set<PostedChangeset>;
  instant: Instant;
}

/** All changesets that were written. Their order has no meaning. */
export interface World {
  readonly devices: readonly Device[];
  readonly posted: PostedChangeset[];
}

export const replicas = ['b', 'a', 'd', 'c', 'ab'] as const;

export const worldOf = (count: number): World => ({
  devices: replicas.slice(0, count).map((replica) => ({
    replica,
    objects: createObjects(shapes),
    received: new Set(),
    instant: { time: 0, count: 0 },
  })),
  posted: [],
});

export const deepFreeze = <T>(given: T): T => {
  if (given instanceof Map) given.forEach(deepFreeze);
  else if (typeof given === 'object' && given !== null && !ArrayBuffer.isView(given) && !Object.isFrozen(given)) {
    Object.values(Object.freeze(given)).forEach(deepFreeze);
  }
  return given;
};

/**
 * Runs a transaction on a device whose clock reads `now`. If it changed something, its changeset is added to the world.
 * A transaction that throws changes nothing.
 */
export const writeOn = <R>(world: World, device: Device, now: number, change: (tx: Tx) => R): R => {
  const start = nextInstantOf(device.instant, now);
  const begun = beginTransaction(shapes, device.objects, start, device.replica);
  const result = change(begun.tx);
  const { operations, touched } = begun.end();
  if (operations.length === 0) return result;
  device.objects.stage(touched.map((each) => ({ ...each, state: deepFreeze(each.state) }))).settle();
  device.instant = lastInstantOf(start, operations.length);
  const posted = { ...start, version: world.posted.length, origin: device.replica, body: encodeOperations(operations) };
  world.posted.push(posted);
  device.received.add(posted);
  return result;
};

const operationsCache = new WeakMap<PostedChangeset, readonly Stamped[]>();

export const operationsOf = (posted: PostedChangeset): readonly Stamped[] => {
  const known = operationsCache.get(posted);
  if (known) return known;
  const operations = decodeOperations(posted.body);
  if (!('right' in operations)) throw new Error('an honest body is readable');
  const made = operations.right.map((operation, index) =>
    deepFreeze({ operation, stamp: operationStampOf(posted, posted.origin, index) }),
  );
  operationsCache.set(posted, made);
  return made;
};

/** Encodes a state and decodes it again, as storing and loading it does. */
export const restoreState = (state: ObjectState): ObjectState => {
  const read = decodeState(encodeState(state));
  if (!('right' in read)) throw new Error(read.left);
  return deepFreeze(read.right);
};

export const expectEqual = (a: unknown, b: unknown): void => {
  if (!isDeepStrictEqual(a, b)) expect(a).toStrictEqual(b);
};

/**
 * Lets a device receive a changeset. If the device has received it before, it changes nothing: each state stays the
 * same object.
 */
export const receive = (device: Device, posted: PostedChangeset): void => {
  const again = device.received.has(posted);
  for (const { operation, stamp } of operationsOf(posted)) {
    const { type, key } = operation;
    const before = device.objects.latestState(type, key);
    const state = deepFreeze(applyOperation(before, operation, stamp));
    if (again && state !== before) throw new Error(`${operation.kind} changed something when it came again`);
    if (applyOperation(state, operation, stamp) !== state) throw new Error(`${operation.kind} is not idempotent`);
    if (state !== before) device.objects.stage([{ type, key, state }]).settle();
  }
  device.instant = laterInstantOf(device.instant, lastInstantOf(posted, operationsOf(posted).length));
  device.received.add(posted);
};

/** Restarts a device: what it had in memory is read back from bytes. */
export const restartDevice = (device: Device): void => {
  for (const { type, key } of device.objects.listAllAsRemoved()) {
    const state = device.objects.latestState(type, key);
    if (!state) continue;
    const back = restoreState(state);
    expectEqual(back, state);
    device.objects.stage([{ type, key, state: back }]).settle();
  }
};

/** Lets all devices receive all changesets, each in an order of its own, and some changesets twice. */
export const exchangeAll = (world: World, random: () => number): void => {
  for (const device of world.devices) {
    const missing = world.posted.filter((posted) => !device.received.has(posted));
    const more = world.posted.filter(() => random() % 4 === 0);
    const all = [...missing, ...more].map((posted) => ({ posted, at: random() }));
    for (const { posted } of all.sort((a, b) => a.at - b.at)) receive(device, posted);
  }
};

export const deviceViewOf = (device: Device, key = 1): Readonly<Record<string, unknown>> | null => {
  const state = device.objects.latestState('T', key);
  const alive = device.objects.view('T', key);
  return state && alive ? viewOf(shape, state, key) : null;
};

export const deviceListOf = (device: Device): readonly string[] =>
  (deviceViewOf(device)?.['list'] ?? []) as readonly string[];

/** Returns the oracle's answer as a view of this schema. */
export const expectedViewOf = (answer: OracleView | null, key: number): unknown => {
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

/** Random numbers from a seed, so that a failure can be repeated. */
export const anySeed = fc
  .infiniteStream(fc.nat({ max: 999_983 }))
  .map((stream) => (): number => Number(stream.next().value));
