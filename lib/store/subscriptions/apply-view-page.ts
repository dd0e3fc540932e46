import { defer, type Observable, of, switchMap } from 'rxjs';
import { joinStates } from '../../merge/join-states.js';
import { createBatchOwnership } from '../../merge/batch-ownership.js';
import { applyOperation, type ObjectState } from '../../merge/object-state.js';
import { lastInstantOf, laterInstantOf, operationStampOf } from '../../merge/timestamp.js';
import {
  type Changeset,
  type Instant,
  nameTextOf,
  type ObjectName,
  type ServerChangeset,
  type StoredObject,
} from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { Version } from '../../model/version.js';
import type { PlacedView } from '../../model/view.js';
import { checkNotWriting, type CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/object-change.js';
import { reportOf } from '../objects/set-aside-errors.js';
import { advanceInstant, decodeServerState } from '../rejected/rollback.js';
import { readTouching } from '../rejected/touched-objects.js';
import { decodeDownloaded } from '../sync/integrate.js';
import { isResetting } from '../sync/reset-store.js';
import type { DetachedObject } from './detached-objects.js';
import { unsentObjectsOf } from './unsent-objects.js';
import { isSameView } from './view-records.js';
import type { RealmView } from './realm-view.js';

/** Changes of a view from one server version to another, and perhaps to another view. */
export interface ViewChanges {
  /** Pieces of changesets, of other objects. */
  readonly changesets: readonly ServerChangeset[];
  readonly objects: readonly StoredObject[];
  readonly leaves: readonly ObjectName[];
  readonly upTo: Version;
  readonly bytes: number;
  readonly remainingBytes: number;
  /** The view that is placed by them; `null`: the same one. */
  readonly placed: PlacedView | null;
}

/** Objects as they were received. */
export interface ReceivedObjects {
  readonly changes: readonly ObjectChange[];
  /** The realm's clock, past all of them. */
  readonly remoteInstant: Instant;
  readonly bytesOf: ReadonlyMap<ObjectState | null, Uint8Array>;
}

/** Decodes objects. Throws an `UnreadableChangeError` for bytes that are not an object. */
export const receiveObjects = (
  { optimistic }: CommitContext,
  upTo: Version,
  objects: readonly StoredObject[],
): ReceivedObjects => {
  const bytesOf = new Map<ObjectState | null, Uint8Array>();
  const changes = objects.map((each) => {
    const received = decodeServerState(upTo, each);
    bytesOf.set(received.state, each.state);
    return received;
  });
  return { changes, bytesOf, remoteInstant: changes.reduce(advanceInstant, optimistic.remoteInstant) };
};

/** The version up to which states of rejections are known, in a realm that lacks objects of its view. */
const missingObjects = Number.MAX_SAFE_INTEGER;

/** Whether these changes were applied before, or belong to an earlier replica or view. */
export const isLateView = (
  context: CommitContext,
  { placed }: RealmView,
  { upTo, placed: next }: Pick<ViewChanges, 'upTo' | 'placed'>,
  replica: string,
): boolean => {
  const { optimistic } = context;
  if (isResetting(context) || replica !== optimistic.replica) return true;
  const before = placed.latest();
  if (next === null && before.number === null) return true;
  // Objects were missing: the whole view was asked for, also if nothing has changed in it.
  if (next !== null && context.durable().rejectedUpTo === missingObjects) return false;
  return upTo <= optimistic.downloadedTo && (next === null || isSameView(next, before));
};

/** Stores changes of the objects with the cursor of the view. */
export const commitView = (
  context: CommitContext,
  view: RealmView,
  { upTo, bytes, remainingBytes, placed }: Omit<ViewChanges, 'changesets' | 'objects' | 'leaves'>,
  { remoteInstant, staged, detached, removed, isComplete, isMissing }: PreparedChanges,
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  const edits = [view.detached.edit(detached, removed), ...(placed ? [view.placed.edit(placed)] : [])];
  const instant = laterInstantOf(optimistic.instant, remoteInstant);
  optimistic.instant = instant;
  optimistic.remoteInstant = remoteInstant;
  optimistic.downloadedTo = upTo;
  // Its own changes are included: the server names every object that they have touched.
  if (placed) optimistic.includeOwn = false;
  return context.commit(
    {
      changes: [...staged.changes, ...edits.flatMap(({ changes }) => changes)],
      metadata: {
        ...{ instant, remoteInstant, downloadedTo: upTo, downloadedBytes: bytes, headBytes: bytes + remainingBytes },
        ...(placed && { hasView: true, includeOwn: false }),
        ...(isComplete && { forgottenBefore: 0, rejectedUpTo: 0 }),
        ...(isMissing === true && { rejectedUpTo: missingObjects }),
      },
      durable: false, // After a power cut the objects are sent again: the cursor is in the same batch.
      stored: () => {
        staged.settle();
        for (const { stored } of edits) stored();
      },
    },
    reportOf(objects, staged.misfits, () => upTo),
  );
};

/** Changes that are ready to be stored. */
export interface PreparedChanges {
  readonly remoteInstant: Instant;
  readonly staged: ReturnType<CommitContext['objects']['stage']>;
  /** Objects that have left while changes of them are unsent. */
  readonly detached: readonly DetachedObject[];
  /** Objects that have left or are in the view again. */
  readonly removed: readonly ObjectName[];
  /** Whether the objects are the whole view. */
  readonly isComplete: boolean;
  /** Whether the server believes that there are objects here which are not, so that the next bind asks for the view. */
  readonly isMissing?: boolean;
}

/** The result of applying operations. */
interface AppliedChangesets {
  /** The changed objects by `nameTextOf`. */
  readonly changed: ReadonlyMap<string, ObjectChange>;
  /** The realm's clock, past all of them. */
  readonly remoteInstant: Instant;
  /** Whether an object of theirs is not stored, so that operations before them are missing. */
  readonly isMissing: boolean;
}

/** Applies pieces of changesets to the present objects. Throws an `UnreadableChangeError`. */
const applyChangesets = (
  { objects, optimistic }: CommitContext,
  changesets: readonly ServerChangeset[],
): AppliedChangesets => {
  const changed = new Map<string, ObjectChange>();
  const work = createBatchOwnership();
  let { remoteInstant } = optimistic;
  let isMissing = false;
  for (const changeset of changesets) {
    const operations = decodeDownloaded(changeset);
    remoteInstant = laterInstantOf(remoteInstant, lastInstantOf(changeset, operations.length));
    for (const [index, operation] of operations.entries()) {
      const { type, key } = operation;
      const name = nameTextOf(operation);
      const before = changed.get(name)?.state ?? objects.latestState(type, key);
      if (!before) {
        isMissing = true;
        continue;
      }
      const state = applyOperation(before, operation, operationStampOf(changeset, changeset.origin, index), work);
      if (state !== before) changed.set(name, { type, key, state });
    }
  }
  return { changed, remoteInstant, isMissing };
};

/** Joins received objects with the present ones. Those that were received before are not changed. */
const joinReceived = (
  { objects }: CommitContext,
  { changed }: AppliedChangesets,
  { changes, bytesOf }: ReceivedObjects,
) => {
  const joined = new Map(changed);
  const encoded = new Map<ObjectState | null, Uint8Array>();
  for (const { type, key, state: received } of changes) {
    const name = nameTextOf({ type, key });
    const before = joined.get(name)?.state ?? objects.latestState(type, key);
    if (received === null || (before && joinStates(before, received) === before)) continue;
    const state = before ? joinStates(received, before) : received;
    joined.set(name, { type, key, state });
    const bytes = state === received ? bytesOf.get(received) : undefined;
    if (bytes) encoded.set(state, bytes);
  }
  return { joined, encoded };
};

/** Builds on the state in this event-loop turn, synchronously, so that later writes build on the result. */
const commitChanges = (
  context: CommitContext,
  view: RealmView,
  given: ViewChanges,
  touching: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  checkNotWriting(optimistic, 'A download');
  const applied = applyChangesets(context, given.changesets);
  const received = receiveObjects(context, given.upTo, given.objects);
  const unsent = unsentObjectsOf(touching, optimistic.acknowledged);
  const detached: DetachedObject[] = [];
  const gone: ObjectName[] = [];
  for (const { type, key } of given.leaves.filter((each) => isStored(context, each))) {
    const waiting = unsent.get(nameTextOf({ type, key }));
    if (waiting) detached.push(waiting);
    else gone.push({ type, key });
  }
  const { joined, encoded } = joinReceived(context, applied, received);
  const changed = [...gone.map((name): ObjectChange => ({ ...name, state: null, hasLeft: true })), ...joined.values()];
  const staged = objects.stage(changed, { encodedAt: (index) => encoded.get(changed[index]?.state ?? null) });
  // Tabs that mirror the batch see by the view that is placed, or by these deletes, that an object has left.
  const left = given.placed ? gone.filter((each) => view.detached.has(each)) : gone;
  const removed = [...left, ...given.objects.filter((each) => view.detached.has(each))];
  return commitView(context, view, given, {
    ...{ staged, detached, removed, isComplete: false, isMissing: applied.isMissing },
    remoteInstant: laterInstantOf(applied.remoteInstant, received.remoteInstant),
  });
};

/** Whether the device may have something of an object. */
const isStored = ({ objects }: CommitContext, { type, key }: ObjectName): boolean =>
  objects.tables().get(type)?.has(key) === true || objects.pageParts.staged.has(type, key);

/**
 * Applies changes to the objects of a view, in one batch with the cursor. An object that leaves is removed; with
 * unsent changes it stays, detached. What was applied before changes nothing.
 */
export const applyViewChanges = (
  context: CommitContext,
  view: RealmView,
  given: ViewChanges,
): Observable<SetAsideReport> => {
  const { replica } = context.optimistic;
  const isLate = (): boolean => isLateView(context, view, given, replica);
  if (isLate()) return context.waitForCommits();
  const known = given.leaves.filter((each) => isStored(context, each));
  const touching$ = known.length === 0 ? of([]) : readTouching(context, [], known);
  return touching$.pipe(
    switchMap((touching) =>
      defer(() => (isLate() ? context.waitForCommits() : commitChanges(context, view, given, touching))),
    ),
  );
};
