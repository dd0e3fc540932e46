import { defer, type Observable, switchMap } from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import { laterInstantOf } from '../../merge/timestamp.js';
import type { Changeset } from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { RealmSnapshot } from '../../model/sync-port.js';
import { checkNotWriting, type CommitContext, type CommitRequest } from '../commit/commit-context.js';
import { advanceInstant, decodeServerState } from '../rejected/rollback.js';
import { isResetting } from './reset-store.js';
import { reportOf } from '../objects/set-aside-errors.js';
import { objectChangesOf, isOnTop, setState, replay, type ObjectStates, readUnsent } from './rebase-pending.js';

/** Builds on the state in this event-loop turn, synchronously, so that later writes build on the result. */
const commitSnapshot = (
  context: CommitContext,
  { version, objects: given, bytes, remainingBytes }: RealmSnapshot,
  later: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  checkNotWriting(optimistic, 'A snapshot');
  const states: ObjectStates = new Map();
  for (const removal of objects.listAllAsRemoved()) setState(states, removal);
  let { remoteInstant } = optimistic;
  // Objects without unsent changes are stored in the bytes that were received.
  const bytesOf = new Map<ObjectState | null, Uint8Array>();
  for (const one of given) {
    const changed = decodeServerState(version, one);
    remoteInstant = advanceInstant(remoteInstant, changed);
    bytesOf.set(changed.state, one.state);
    setState(states, changed);
  }
  replay(states, later.filter(isOnTop(context)), optimistic.replica, () => true);
  const changed = objectChangesOf(states);
  const instant = laterInstantOf(optimistic.instant, remoteInstant);
  optimistic.instant = instant;
  optimistic.remoteInstant = remoteInstant;
  optimistic.downloadedTo = version;
  optimistic.includeOwn = true;
  const encodedAt = (index: number): Uint8Array | undefined => bytesOf.get(changed[index]?.state ?? null);
  const staged = objects.stage(changed, { encodedAt, replacesAll: true });
  const task: CommitRequest = {
    changes: staged.changes,
    metadata: {
      ...{ instant, remoteInstant, downloadedTo: version, includeOwn: true, forgottenBefore: 0 },
      ...{ downloadedBytes: bytes, headBytes: bytes + remainingBytes },
    },
    durable: false, // After a power cut the snapshot is downloaded again: the cursor is in the same batch.
    stored: staged.settle,
  };
  return context.commit(
    task,
    reportOf(objects, staged.misfits, () => version),
  );
};

/** Replaces all objects by a snapshot. A snapshot that arrives too late changes nothing. */
export const applySnapshot = (context: CommitContext, snapshot: RealmSnapshot): Observable<SetAsideReport> => {
  const { optimistic } = context;
  const { replica } = optimistic;
  const isLate = (): boolean =>
    isResetting(context) || replica !== optimistic.replica || snapshot.version <= optimistic.downloadedTo;
  if (isLate()) return context.waitForCommits();
  return readUnsent(context, optimistic.acknowledged).pipe(
    switchMap((found) =>
      defer(() =>
        isLate()
          ? context.waitForCommits()
          : commitSnapshot(
              context,
              snapshot,
              found.filter(({ version }) => version > optimistic.acknowledged),
            ),
      ),
    ),
  );
};
