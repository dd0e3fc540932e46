import { isAlive, type ObjectState } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import type { SetAsideObject } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Key } from '../../model/value.js';
import type { StorageChange } from '../../storage/storage.js';
import { objectKeyOf } from '../storage-keys.js';
import { type Blocks, type Placement, toObjectDelete } from './blocks.js';
import { isLiveRow, type LazyObject } from './lazy-object.js';
import type { EncodedObject, ObjectBlock } from './object-block.js';
import type { ObjectChange } from './object-change.js';
import type { SetAside } from './set-aside.js';
import { goneMark } from './stored-object.js';
import type { StagedObjects } from './staged-objects.js';

/** Options of `stage`. */
export interface StageOptions {
  /**
   * Returns the encoded state of a change by its index, if the caller has it.
   *
   * @defaultValue encodes every state
   */
  readonly encodedAt?: ((index: number) => Uint8Array | undefined) | undefined;
  /**
   * Whether the changes replace all objects: then they include a removal of each other object.
   *
   * @defaultValue false
   */
  readonly replacesAll?: boolean;
}

/** Optimistic states, ready to be stored. */
export interface StagedChanges {
  /** The states that do not fit the schema although the states before them did. */
  readonly misfits: readonly SetAsideObject[];
  /** Stores the states. To be committed in the order of the calls of `stage`. */
  readonly changes: readonly StorageChange[];
  /** Called when they are stored. Makes them visible to readers; collects the changes until `takeChanges`. */
  readonly settle: () => void;
}

/** The parts of the objects that `stage` uses. */
export interface StagePorts {
  readonly blocks: Blocks;
  readonly staged: StagedObjects;
  readonly setAside: SetAside;
  readonly entryAt: (type: string, key: Key) => LazyObject | undefined;
  readonly settleOne: (change: ObjectChange, placement: Placement) => void;
}

/** A state that may become a row of a block. */
interface Candidate extends EncodedObject {
  readonly index: number;
  /** Whether the storage may have a record of this object, which would replace the row. */
  readonly hasRecord: boolean;
}

const putOf = ({ type, key, bytes }: EncodedObject): StorageChange => ({
  type: 'put',
  key: objectKeyOf(type, key),
  value: bytes,
});

/** The deletes of everything that a replacement of all objects removes, except single records. */
const listReplaced = (blocks: Blocks) => {
  const dropped = blocks.list();
  const gone = blocks.listGone();
  return {
    dropped,
    gone,
    changes: [
      ...dropped.map(({ key }: ObjectBlock): StorageChange => ({ type: 'del', key })),
      ...gone.map(({ type, key }) => toObjectDelete(type, key)),
    ],
  };
};

/**
 * Adds optimistic states and decides how they are stored. An object becomes a row of a block only if the storage has
 * nothing of it: neither a record nor a row, stored or pending. So each object has at most one row.
 */
export const createStage =
  ({ blocks, staged, setAside, entryAt, settleOne }: StagePorts) =>
  (changed: readonly ObjectChange[], { encodedAt, replacesAll = false }: StageOptions = {}): StagedChanges => {
    const replaced = replacesAll ? listReplaced(blocks) : null;
    const changes: StorageChange[] = replaced?.changes ?? [];
    const misfits: SetAsideObject[] = [];
    const placements: Placement[] = [];
    const candidates: Candidate[] = [];

    /** Whether the state may become a row: it is visible, not large, and new to the storage. */
    const fitsBlock = (state: ObjectState, bytes: Uint8Array, isNew: boolean): boolean =>
      isNew && bytes.byteLength <= limits.blockRowBytesMax && isAlive(state) && setAside.misfitOf(state) === null;

    const remove = (type: string, key: Key, entry: LazyObject | undefined, isStaged: boolean): Placement => {
      // A pending block may have a row of a staged object.
      const mayHaveRow = isStaged || entry?.block?.isDropped === false || blocks.isGone(type, key);
      if (mayHaveRow && !replacesAll) {
        changes.push({ type: 'put', key: objectKeyOf(type, key), value: goneMark });
        return 'marked';
      }
      if (isStaged || !entry || !isLiveRow(entry)) changes.push(toObjectDelete(type, key));
      return null;
    };

    changed.forEach((change, index) => {
      const { type, key, state } = change;
      const isStaged = staged.has(type, key);
      const entry = entryAt(type, key);
      const misfit = staged.stage(change);
      if (misfit) misfits.push(misfit);
      if (state === null) {
        placements.push(remove(type, key, entry, isStaged));
        return;
      }
      placements.push(null);
      const bytes = encodedAt?.(index) ?? encodeState(state);
      const isNew = replacesAll || (!isStaged && !entry && !blocks.isGone(type, key));
      if (!fitsBlock(state, bytes, isNew)) changes.push(putOf({ type, key, bytes }));
      else
        candidates.push({ type, key, bytes, index, hasRecord: isStaged || (entry !== undefined && !isLiveRow(entry)) });
    });

    const isBlock = candidates.length >= limits.blockRowsMin;
    const packed = blocks.create(isBlock ? candidates : []);
    if (!isBlock) for (const one of candidates) changes.push(putOf(one));
    packed.places.forEach((place, at) => {
      const { type, key, index, hasRecord } = candidates[at] as unknown as Candidate;
      placements[index] = place;
      if (hasRecord) changes.push(toObjectDelete(type, key));
    });
    for (const put of packed.puts) changes.push(put);

    return {
      misfits,
      changes,
      settle: () => {
        if (replaced) {
          blocks.drop(replaced.dropped);
          blocks.forgetGone(replaced.gone);
        }
        packed.stored();
        changed.forEach((change, index) => settleOne(change, placements[index] ?? null));
      },
    };
  };
