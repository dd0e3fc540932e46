import { defer, type Observable, switchMap } from 'rxjs';
import { type Changeset, nameTextOf } from '../../model/changeset.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { checkNotWriting, type CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/object-change.js';
import { isOnTop, objectChangesOf, type ObjectStates, readUnsent, replay, setState } from '../sync/rebase-pending.js';
import { commitView, isLateView, receiveObjects, type ViewChanges } from './apply-view-page.js';
import type { DetachedObject } from './detached-objects.js';
import { namesOf, unsentObjectsOf } from './unsent-objects.js';
import type { RealmView } from './realm-view.js';

/** Builds on the state in this event-loop turn, synchronously, so that later writes build on the result. */
const commitResync = (
  context: CommitContext,
  view: RealmView,
  given: ViewChanges,
  unsent: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { optimistic, objects } = context;
  checkNotWriting(optimistic, 'A download');
  const received = receiveObjects(context, given.upTo, given.objects);
  const states: ObjectStates = new Map();
  for (const removal of objects.listAllAsRemoved()) setState(states, removal);
  for (const each of received.changes) setState(states, each);
  const named = namesOf(given.objects);
  const isNamed = (type: string, key: ObjectChange['key']): boolean => named.has(nameTextOf({ type, key }));
  replay(states, unsent.filter(isOnTop(context)), optimistic.replica, isNamed);
  const detached: DetachedObject[] = [];
  for (const each of unsentObjectsOf(unsent, optimistic.acknowledged).values()) {
    const state = objects.latestState(each.type, each.key);
    if (!state || isNamed(each.type, each.key)) continue;
    setState(states, { ...each, state });
    detached.push(each);
  }
  const changed = objectChangesOf(states).map((each) => (each.state === null ? { ...each, hasLeft: true } : each));
  const staged = objects.stage(changed, {
    encodedAt: (index) => received.bytesOf.get(changed[index]?.state ?? null),
    replacesAll: true,
  });
  const stay = namesOf(detached);
  return commitView(context, view, given, {
    ...{ staged, detached, remoteInstant: received.remoteInstant, isComplete: true },
    removed: view.detached.all().filter((each) => !stay.has(nameTextOf(each))),
  });
};

/**
 * Replaces the objects by those of a view, with the unsent changes on top, in one batch with the cursor. An object
 * that is not named is removed; with unsent changes it stays as it is, detached.
 */
export const resyncView = (context: CommitContext, view: RealmView, given: ViewChanges): Observable<SetAsideReport> => {
  const { optimistic } = context;
  const { replica } = optimistic;
  const isLate = (): boolean => isLateView(context, view, given, replica);
  if (isLate()) return context.waitForCommits();
  return readUnsent(context, optimistic.acknowledged).pipe(
    switchMap((found) =>
      defer(() => {
        const unsent = found.filter(({ version }) => version > optimistic.acknowledged);
        return isLate() ? context.waitForCommits() : commitResync(context, view, given, unsent);
      }),
    ),
  );
};
