import { catchError, defer, EMPTY, forkJoin, map, type Observable, of, reduce, switchMap } from 'rxjs';
import { type Changeset, nameTextOf, type ObjectName } from '../../model/changeset.js';
import type { Schema, Shapes } from '../../model/schema.js';
import type { Version } from '../../model/version.js';
import { readRecord, readStoragePages, type Storage, type StorageChange } from '../../storage/storage.js';
import { checkNotWriting, type CommitContext } from '../commit/commit-context.js';
import type { ObjectChange } from '../objects/object-change.js';
import { readTouching } from '../rejected/touched-objects.js';
import { detachedKeysTo, detachedPrefix, subscriptionsKey, viewKey } from '../storage-keys.js';
import { applyViewChanges } from './apply-view-page.js';
import { DetachedObjects, readDetached, type DetachedObject } from './detached-objects.js';
import type { WriteExtras } from '../commit/write-extras.js';
import { changesOf } from '../transaction/write.js';
import { decodeCalls } from './edit-calls.js';
import { type EditedSet, editSubscriptions, repeatEdit } from './edit-subscriptions.js';
import { resyncView } from './resync-view.js';
import { decodeSet, emptySet, encodeSet, type SubscriptionSet } from './subscription-set.js';
import { SubscriptionTracker } from './subscription-tracker.js';
import { isOutside } from './is-outside.js';
import { namesOf, unsentObjectsOf } from './unsent-objects.js';
import type { PendingEdit, StoredSubscriptions, ViewParts } from './view-parts.js';
import { noView } from '../../model/view.js';
import { decodeView, toViewPut } from './view-records.js';
import { StoredView, type RealmView } from './realm-view.js';

const toSetPut = (set: SubscriptionSet): StorageChange => ({
  type: 'put',
  key: subscriptionsKey,
  value: encodeSet(set),
});

const createSubscriptions = (context: CommitContext, { tracker }: RealmView): StoredSubscriptions => {
  const commit = (edited: EditedSet, extras?: WriteExtras): PendingEdit => {
    const { set } = edited;
    const isChanged = set !== tracker.latest();
    if (!isChanged && extras === undefined) return { ...edited, stored$: context.waitForCommits() }; // Still pending?
    tracker.setLatest(set);
    const more = changesOf(extras, context.optimistic.written, { time: 0, count: 0 });
    const stored$ = context.commit({
      ...{ changes: [...(isChanged ? [toSetPut(set)] : []), ...more], metadata: {}, durable: true },
      stored: () => {
        tracker.setStored(set);
        extras?.stored();
      },
    });
    tracker.show();
    return { ...edited, stored$ };
  };
  return {
    status$: tracker.status$,
    getStatus: () => tracker.status(),
    edit: (change) => {
      context.checkOpen();
      return commit(editSubscriptions<Schema>(context.shapes, tracker.latest(), context.clock.now(), change));
    },
    perform: (body, extras) => {
      context.checkOpen();
      return commit(repeatEdit(tracker.latest(), context.clock.now(), decodeCalls(body)), extras);
    },
  };
};

const createSynced = (context: CommitContext, view: RealmView): ViewParts['synced'] => ({
  wanted$: view.tracker.wanted$,
  edited$: defer(() =>
    view.tracker.latest() === view.tracker.storedSet() ? EMPTY : context.waitForCommits().pipe(catchError(() => EMPTY)),
  ),
  noteAnswer: (answer) => view.tracker.answered(answer),
  noteDisconnect: (isKept) => view.tracker.disconnected(isKept),
  place: (members) =>
    defer(() =>
      (members.mode === 'resync' ? resyncView : applyViewChanges)(context, view, { ...members, changesets: [] }),
    ),
  integrate: ({ states, ...page }) =>
    defer(() => applyViewChanges(context, view, { ...page, objects: states, placed: null })),
});

const createDetachedEnd =
  ({ optimistic }: CommitContext, { detached, placed }: RealmView): ViewParts['endDetached'] =>
  (version, later, serverStates = []) => {
    const known = detached.upTo(version);
    const names = namesOf(known);
    const outside = serverStates.filter((each) => isOutside(placed.latest(), each) && !names.has(nameTextOf(each)));
    const ending: readonly ObjectName[] = [...known, ...outside];
    const unsent = unsentObjectsOf(ending.length === 0 ? [] : later, version);
    const staying = ending.flatMap((each) => unsent.get(nameTextOf(each)) ?? []);
    const gone = ending.filter((each) => !unsent.has(nameTextOf(each)));
    if (gone.length > 0) checkNotWriting(optimistic, 'An acknowledgement');
    return {
      ...detached.edit(staying, gone),
      removals: gone.map(({ type, key }): ObjectChange => ({ type, key, state: null, hasLeft: true })),
    };
  };

const readLater = (
  context: CommitContext,
  { detached }: Pick<RealmView, 'detached'>,
  version: Version,
): Observable<readonly Changeset[]> => {
  const ending = detached.upTo(version);
  if (ending.length === 0) return of([]);
  return readTouching(context, [], ending).pipe(
    switchMap((later) =>
      // Again, if another object was detached meanwhile.
      detached.upTo(version).every((each) => ending.includes(each))
        ? of(later)
        : readLater(context, { detached }, version),
    ),
  );
};

const createViewParts = (context: CommitContext, view: RealmView): ViewParts => {
  const { detached, tracker, placed } = view;
  return {
    subscriptions: createSubscriptions(context, view),
    synced: createSynced(context, view),
    placed: () => placed.durable(),
    detachedUpTo: (version) => detached.upTo(version),
    readLater: (version) => readLater(context, view, version),
    endDetached: createDetachedEnd(context, view),
    reset: (isClear) => {
      const edits = [detached.edit([], detached.all()), placed.edit(noView)];
      if (isClear) tracker.setLatest(emptySet);
      return {
        changes: [
          ...edits.flatMap(({ changes }) => changes),
          ...(isClear ? [{ type: 'del', key: subscriptionsKey } as const] : []),
        ],
        stored: () => {
          for (const { stored } of edits) stored();
          if (isClear) tracker.setStored(emptySet);
        },
      };
    },
    dump: () => {
      const [set, stored] = [tracker.storedSet(), placed.durable()];
      return [
        ...(set === emptySet ? [] : [toSetPut(set)]),
        ...(stored === noView ? [] : [toViewPut(stored)]),
        ...detached.dump(),
      ];
    },
    flushed: () => tracker.show(),
    failed: () => {
      detached.rollBack();
      placed.rollBack();
      tracker.rollBack();
    },
    close: () => tracker.close(),
  };
};

/**
 * Reads the records of subscriptions. Cold; emits once and completes; errors with a `StorageError` for unreadable
 * records.
 */
export type OpenViews = (parts: {
  readonly storage: Storage;
  readonly shapes: Shapes;
}) => Observable<(context: CommitContext) => ViewParts>;

/** Opens the subscriptions of a realm: the option `views` of `openStore`. */
export const openViews: OpenViews = ({ storage, shapes }) =>
  forkJoin({
    set: readRecord(storage, subscriptionsKey, decodeSet, emptySet),
    stored: readRecord(storage, viewKey, decodeView, noView),
    detached: readStoragePages(storage, {
      ...{ from: detachedPrefix, to: detachedKeysTo, limit: 5_000, bytesMax: 4 * 1024 * 1024 },
    }).pipe(reduce((all: DetachedObject[], entries) => [...all, ...entries.map(readDetached)], [])),
  }).pipe(
    map(({ set, stored, detached }) => (context) => {
      const tracker = new SubscriptionTracker(shapes, set, stored);
      return createViewParts(context, {
        ...{ tracker, placed: new StoredView(tracker, stored), detached: new DetachedObjects(detached) },
      });
    }),
  );
