import fc from 'fast-check';
import { defaultIfEmpty, firstValueFrom, lastValueFrom, type Observable, throwError } from 'rxjs';
import { isAlive, type ObjectState, propertyValueOf } from '../../../lib/merge/object-state.js';
import { encodeOperations } from '../../../lib/merge/operation-codec.js';
import type { Operation } from '../../../lib/merge/operation.js';
import { decodeState } from '../../../lib/merge/state-codec.js';
import type { Stamp } from '../../../lib/merge/timestamp.js';
import { bytesOf } from '../../../lib/model/changeset.js';
import { StorageError } from '../../../lib/model/errors.js';
import { parseObjectText } from '../../../lib/model/object-key.js';
import { isRight } from '../../../lib/model/result.js';
import type { Key, Value } from '../../../lib/model/value.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import type { History } from '../../../lib/server/history/history.js';
import { noTouches } from '../../../lib/server/history/touches.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import type { Storage, StorageEntry } from '../../../lib/storage/storage.js';

export const run = (work$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(work$.pipe(defaultIfEmpty(undefined)));

export const types = ['A', 'B', 'AB'] as const;
export const properties = ['p', 'q', 'r'] as const;
/** More than one slice of objects has, with keys that look like others in storage keys. */
export const keys: readonly Key[] = [1, 10, -1, 2 ** 53 - 1, 'k', 'k1', '1', 'é/x', '%2f', 'x ', '~', 'あ'.repeat(200)];

const long = 'https://example.org/all/lists/';
/** Values of all kinds, of which many are equal or near. */
export const anyIndexedValue: fc.Arbitrary<Value> = fc.oneof(
  fc.constantFrom<Value>(null, null, true, false, 0, 1, 1.5, -1, 2 ** 53, 'a', 'b', '', '1', `${long}1`, `${long}2`),
  fc.constantFrom<Value>('/', '0', '~', '}', 'a/', 'é', '\u0000', '\uffff', 'x'.repeat(90), 'x'.repeat(91), [1], {}),
  fc.uint8Array({ maxLength: 2 }),
  fc.uint8Array({ minLength: 20, maxLength: 21 }),
);

export interface Change {
  readonly kind: 'create' | 'update' | 'delete';
  readonly type: (typeof types)[number];
  readonly key: Key;
  readonly values: Readonly<Record<string, Value>>;
  readonly time: number;
  readonly origin: string;
}

export const anyChange: fc.Arbitrary<Change> = fc.record({
  kind: fc.constantFrom('create', 'create', 'create', 'update', 'update', 'delete'),
  type: fc.constantFrom('A', 'A', 'A', 'A', 'B', 'AB'),
  key: fc.constantFrom(...keys),
  values: fc.dictionary(fc.constantFrom(...properties, 'other'), anyIndexedValue, { maxKeys: 4 }),
  time: fc.integer({ min: 1, max: 100 }),
  origin: fc.constantFrom('a', 'b', 'c'),
});

export const operationOf = ({ kind, type, key, values }: Change): Operation =>
  kind === 'delete' ? { kind, type, key } : { kind, type, key, values };

/** Returns the stamp of a change that becomes this version. */
export const stampOf = ({ time, origin }: Change, version: number): Stamp => ({
  time,
  count: version,
  replica: origin,
});

/** Appends each change as a changeset of its own, with a stamp in any order. Returns them. */
export const append = async (history: History, changes: readonly Change[]): Promise<readonly HistoryRecord[]> => {
  let total = history.bytes;
  const { head } = history.log;
  const changesets = changes.map((change, at): HistoryRecord => {
    const body = encodeOperations([operationOf(change)]);
    total += bytesOf({ body });
    const version = head + at + 1;
    const record = { version, origin: change.origin, time: change.time, count: version, body, total };
    // Without touches, an earlier version of the server would have appended it, and the index would be built again.
    return history.watchedProperties.types.size === 0 ? record : { ...record, touches: noTouches };
  });
  await run(history.append({ after: head, changesets, replicas: new Map(), rejected: [], runs: [] }));
  return changesets;
};

/** Advances the projection by at most this many changesets. */
export const advance = async ({ log, projection }: History, most = Infinity): Promise<void> => {
  const page = await firstValueFrom(log.page(projection.cursor.version));
  const entries = page.entries.slice(0, most);
  await run(projection.advance({ entries, upTo: entries.at(-1)?.version ?? page.upTo }));
};

/** Watches properties of a type, from the head of the history on. */
export const watch = ({ log, watchedProperties }: History, type: string, names: readonly string[]): Promise<unknown> =>
  run(watchedProperties.watch(type, names, log.head));

/** Builds the indexes of all watched properties. */
export const buildAll = async ({ projection: { index } }: History): Promise<void> => {
  for (let pass = index.createPass(); pass !== null; pass = index.createPass())
    for (let rest: typeof pass | null = pass; rest !== null;) rest = await firstValueFrom(index.build(rest));
};

/** A storage that a server process is writing to. After a crash its later batches are lost. */
export interface CrashingStorage {
  readonly storage: Storage;
  /** Lets this many more batches through. */
  readonly crashAfter: (batches: number) => void;
}

export const createCrashingStorage = (inner: Storage): CrashingStorage => {
  let left = Infinity;
  const batch: Storage['batch'] = (...all) =>
    (left -= 1) < 0 ? throwError(() => new StorageError('crashed')) : inner.batch(...all);
  return { storage: { ...inner, batch }, crashAfter: (batches) => (left = batches) };
};

export const openTeam = (storage: Storage): Promise<History> =>
  firstValueFrom(openHistory(storage, 'team', { random: () => 0 }));

const entriesUnder = (storage: Storage, prefix: string): Promise<readonly StorageEntry[]> =>
  firstValueFrom(
    storage.range({ from: `realm/team/${prefix}`, to: `realm/team/${prefix}~`, limit: 1e6, bytesMax: Infinity }),
  );

export interface StoredThing {
  readonly text: string;
  readonly type: string;
  readonly key: Key;
  readonly state: ObjectState;
}

/** Returns the stored objects that exist, read without the library's index. */
export const livingOf = async (storage: Storage): Promise<readonly StoredThing[]> =>
  (await entriesUnder(storage, 'object/')).flatMap(([key, bytes]) => {
    const text = key.slice('realm/team/object/'.length);
    const state = decodeState(bytes);
    if (!isRight(state)) throw new Error(state.left);
    return isAlive(state.right) ? [{ text, ...parseObjectText(text), state: state.right }] : [];
  });

export const valueOf = ({ state }: StoredThing, property: string): Value => propertyValueOf(state, property) ?? null;

/** Returns the keys of all rows of the index. */
export const indexKeysOf = async (storage: Storage): Promise<readonly string[]> =>
  (await entriesUnder(storage, 'index/')).map(([key]) => key.slice('realm/team/index/'.length));
