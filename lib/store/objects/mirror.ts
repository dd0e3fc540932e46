import type { ObjectState } from '../../merge/object-state.js';
import { decodeState } from '../../merge/state-codec.js';
import { isBytes } from '../../model/built-ins.js';
import type { SetAsideObject } from '../../model/changeset.js';
import type { Shapes } from '../../model/schema.js';
import { requireStored } from '../../model/stored-data.js';
import { isSameValue, type Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { blockPrefix, detachedKeyOf, objectKeysFrom, parseObjectKey, viewKey } from '../storage-keys.js';
import { type Blocks, createBlockAt } from './blocks.js';
import type { ChangeNotes } from './change-notes.js';
import { isLiveRow, type LazyObject, type Packer, placedObjectOf, stateOf } from './lazy-object.js';
import { dumpObjects } from './dump-objects.js';
import { type BlockRow, decodeBlock, type ObjectBlock, parseBlockKey } from './object-block.js';
import type { ObjectChange } from './object-change.js';
import type { View } from './object-view.js';
import type { SetAside } from './set-aside.js';
import { decodeStoredObject, isGoneMark } from './stored-object.js';

/** The parts of the objects that `mirror` changes. */
export interface MirrorPorts {
  readonly shapes: Shapes;
  readonly tables: ReadonlyMap<string, Map<Key, LazyObject>>;
  readonly tableOf: (type: string) => Map<Key, LazyObject>;
  readonly blocks: Blocks;
  readonly pack: Packer;
  readonly setAside: SetAside;
  readonly notes: ChangeNotes;
  /** Notes the next state of an object, and returns its view. */
  readonly noteState: (
    change: ObjectChange,
    before: LazyObject | undefined,
    misfit: SetAsideObject | null,
  ) => View | undefined | null;
}

/** A record of one object: its state (`bytes`), a mark (`isGone`), or neither after it was deleted. */
interface SingleRecord {
  readonly type: string;
  readonly key: Key;
  readonly bytes: Uint8Array | null;
  readonly isGone: boolean;
}

interface AddedBlock {
  readonly id: number;
  readonly block: ObjectBlock;
  readonly rows: readonly BlockRow[];
}

const decodeBlockRecord = (storageKey: string, record: Uint8Array, isChecked: boolean): AddedBlock => {
  const { states, rows } = decodeBlock(storageKey, record);
  for (const { type, key, from, to } of isChecked ? [] : rows)
    requireStored(decodeState(states.subarray(from, to)), type, key);
  const block = createBlockAt(storageKey, { record, states }, rows.length);
  return { id: parseBlockKey(storageKey), block, rows };
};

const decodeSingleRecord = (storageKey: string, value: Uint8Array | null): SingleRecord => {
  const isGone = value !== null && isGoneMark(value);
  const bytes = isGone ? null : value;
  const { type, key } = bytes ? decodeStoredObject([storageKey, bytes]) : parseObjectKey(storageKey);
  return { type, key, bytes, isGone };
};

/**
 * Returns whether an object of which nothing is left has left the view. A batch that places a view removes objects for
 * no other reason; other batches have a delete of the detached object. A client reset removes the view, too.
 */
const createLeftTest = (last: ReadonlyMap<string, StorageChange>): ((type: string, key: Key) => boolean) => {
  const view = last.get(viewKey)?.type;
  return view === undefined ? (type, key) => last.get(detachedKeyOf(type, key))?.type === 'del' : () => view === 'put';
};

/** The last record of each key. Throws a `StorageError` for an invalid one. */
const decodeRecords = (changes: readonly StorageChange[], isChecked: boolean) => {
  const singles: SingleRecord[] = [];
  const added: AddedBlock[] = [];
  const blockKeys = new Set<string>();
  const last = new Map(changes.map((each) => [each.key, each]));
  for (const [storageKey, change] of last) {
    const value = change.type === 'put' ? change.value : null;
    if (storageKey.startsWith(objectKeysFrom)) singles.push(decodeSingleRecord(storageKey, value));
    if (!storageKey.startsWith(blockPrefix)) continue;
    blockKeys.add(storageKey);
    if (value) added.push(decodeBlockRecord(storageKey, value, isChecked));
  }
  return { singles, added, blockKeys, hasLeft: createLeftTest(last) };
};

const bytesOf = ({ stateOrBytes, from, to }: LazyObject): Uint8Array | null =>
  isBytes(stateOrBytes) ? stateOrBytes.subarray(from, to) : null;

/** Whether two entries have the same bytes, so that nothing but their place can differ. */
const isSameEntry = (one: LazyObject, other: LazyObject): boolean => {
  const bytes = bytesOf(one);
  return bytes !== null && isSameValue(bytes, bytesOf(other));
};

/** The entries before the records are applied, of all objects that may then be different. */
const createEntriesBefore = ({ tables }: MirrorPorts) => {
  const all = new Map<string, Map<Key, LazyObject | undefined>>();
  return {
    all,
    has: (type: string, key: Key): boolean => all.get(type)?.has(key) === true,
    add: (type: string, key: Key): void => {
      const table = all.get(type) ?? new Map<Key, LazyObject | undefined>();
      all.set(type, table);
      if (!table.has(key)) table.set(key, tables.get(type)?.get(key));
    },
  };
};

type EntriesBefore = ReturnType<typeof createEntriesBefore>;

/** Adds the rows of a block. Those of new objects need no comparison with the entries before. */
const addBlock = (
  { shapes, tableOf, blocks, notes }: MirrorPorts,
  { id, block, rows }: AddedBlock,
  before: EntriesBefore,
  isChecked: boolean,
): void => {
  blocks.load(block, id);
  for (const { type, key, from, to } of rows) {
    const table = tableOf(type);
    const entry = table.get(key);
    if (entry || !isChecked || !shapes.has(type) || before.has(type, key)) before.add(type, key);
    else notes.note({ type, key }, undefined, false, true);
    const place = { block, from, to };
    blocks.settle(type, key, entry, place);
    table.set(key, placedObjectOf(place, undefined));
  }
};

/** Removes the objects whose rows were in blocks that have been removed. */
const removeDropped = ({ tables }: MirrorPorts, before: EntriesBefore): void => {
  for (const [type, table] of tables) {
    for (const [key, entry] of table) {
      if (entry.block?.isDropped !== true || !isLiveRow(entry)) continue;
      before.add(type, key);
      table.delete(key);
    }
  }
};

/** Notes the difference between the entries before and now. */
const noteDifference = (
  { tables, setAside, noteState }: MirrorPorts,
  before: EntriesBefore,
  hasLeft: (type: string, key: Key) => boolean,
): void => {
  for (const [type, table] of before.all) {
    for (const [key, was] of table) {
      const entry = tables.get(type)?.get(key);
      if (entry && was && isSameEntry(was, entry)) {
        entry.view = was.view;
        continue;
      }
      const state: ObjectState | null = entry ? stateOf(entry) : null;
      const change = { type, key, state, hasLeft: state === null && hasLeft(type, key) };
      const view = noteState(change, was, state && setAside.check(type, key, state));
      if (entry) entry.view = view;
    }
  }
};

/**
 * Applies records that another tab has stored. Only the last record of each key counts: readers are notified of the
 * difference between before and after, as if nothing had been stored in between.
 */
const applyRecords = (ports: MirrorPorts, changes: readonly StorageChange[], isChecked: boolean): void => {
  const { tableOf, blocks, pack } = ports;
  const { singles, added, blockKeys, hasLeft } = decodeRecords(changes, isChecked); // May throw: nothing has changed yet.
  const before = createEntriesBefore(ports);
  for (const { type, key } of singles) before.add(type, key);
  const dropped = blocks.list().filter(({ key }) => blockKeys.has(key));
  blocks.drop(dropped);
  for (const each of added) addBlock(ports, each, before, isChecked);
  for (const { type, key, bytes, isGone } of singles) {
    const table = tableOf(type);
    const entry = table.get(key);
    if (!bytes && !isGone && entry && isLiveRow(entry)) continue; // Its row replaces the deleted record.
    const block = blocks.settle(type, key, entry, isGone ? 'marked' : null);
    if (bytes) table.set(key, pack(bytes, true, block));
    else table.delete(key);
  }
  if (dropped.some(({ live }) => live > 0)) removeDropped(ports, before);
  noteDifference(ports, before, hasLeft);
};

/**
 * Returns the changes from the records `before` to those of a whole storage, without the records that are equal. Most
 * are: a tab that takes the lead has mirrored all but the last batches.
 */
const changesBetween = (
  before: readonly StorageChange[],
  records: readonly StorageChange[],
): readonly StorageChange[] => {
  const now = new Map(records.map((each) => [each.key, each]));
  const deletes = before.flatMap(({ key }): StorageChange[] =>
    now.get(key)?.type === 'put' ? [] : [{ type: 'del', key }],
  );
  // Without the record of an object, the row of an equal block may be valid.
  if (deletes.some(({ key }) => key >= objectKeysFrom)) return [...deletes, ...records];
  for (const put of before) {
    const next = now.get(put.key);
    if (put.type === 'put' && next?.type === 'put' && isSameValue(put.value, next.value)) now.delete(put.key);
  }
  return [...deletes, ...now.values()];
};

/** Creates `mirror` and `mirrorAll` of the objects. */
export const createMirror = (ports: MirrorPorts) => ({
  mirror: (changes: readonly StorageChange[], isChecked = true): void => applyRecords(ports, changes, isChecked),
  mirrorAll: (records: readonly StorageChange[], isChecked: boolean): void =>
    applyRecords(ports, changesBetween(dumpObjects(ports.tables, ports.blocks), records), isChecked),
});
