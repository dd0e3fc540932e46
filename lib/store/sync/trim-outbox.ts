import { concat, defer, EMPTY, type Observable, switchMap } from 'rxjs';
import { lastInstantOf, laterInstantOf } from '../../merge/timestamp.js';
import type { Changeset } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { CommitContext } from '../commit/commit-context.js';
import { isResetting } from './reset-store.js';

/** Removes the entries of the outbox up to one of them. `later`: those after it that touch detached objects. */
const trimOutbox = (
  context: CommitContext,
  { version, time, count, body }: Changeset,
  replica: string,
  later: readonly Changeset[] = [],
): Observable<never> => {
  const { optimistic, outbox, outboxSize, views } = context;
  if (isResetting(context) || replica !== optimistic.replica || version <= optimistic.acknowledged)
    return context.waitForCommits();
  // Each operation has at least one byte, so this is not before the last stamp of the changeset.
  const remoteInstant = laterInstantOf(optimistic.remoteInstant, lastInstantOf({ time, count }, body.byteLength));
  const ended = views?.endDetached(version, later);
  const staged = ended && context.objects.stage(ended.removals);
  optimistic.acknowledged = version;
  optimistic.remoteInstant = remoteInstant;
  return context.commit({
    changes: [...outbox.toTrimChanges(version), ...(staged?.changes ?? []), ...(ended?.changes ?? [])],
    metadata: {
      acknowledged: version,
      acknowledgedBytes: outboxSize.countBytesUpTo(version),
      remoteInstant,
    },
    durable: false, // After a power cut the next bind reports it again.
    stored: () => {
      outbox.confirmTrim(version);
      outboxSize.acknowledge(version);
      staged?.settle();
      ended?.stored();
    },
  });
};

/** Like `trimOutbox`. Reads first which objects stay detached, because a later changeset touches them. */
const trimAfterReading = (context: CommitContext, last: Changeset, replica: string): Observable<never> =>
  context.views
    ? context.views.readLater(last.version).pipe(switchMap((later) => trimOutbox(context, last, replica, later)))
    : trimOutbox(context, last, replica);

/**
 * Removes acknowledged entries from the outbox, in batches of limited size. A version that is already acknowledged
 * changes nothing.
 */
export const acknowledge = (context: CommitContext, version: Version, replica: string): Observable<never> => {
  const { optimistic, outbox } = context;
  // The versions of another replica are invalid now.
  if (isResetting(context) || replica !== optimistic.replica) return context.waitForCommits();
  const goal = Math.min(version, outbox.head);
  if (goal <= outbox.floor) return EMPTY;
  if (goal <= optimistic.acknowledged) return context.waitForCommits();
  const upTo = Math.min(goal, optimistic.acknowledged + limits.trimEntriesMax);
  const taken = outbox
    .page(upTo - 1)
    .pipe(
      switchMap(({ entries: [last] }) => (last ? trimAfterReading(context, last, replica) : context.waitForCommits())),
    );
  return concat(
    taken,
    defer(() => acknowledge(context, version, replica)),
  );
};
