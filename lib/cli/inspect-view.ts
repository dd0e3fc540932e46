import { count, EMPTY, forkJoin, type Observable, of, switchMap } from 'rxjs';
import { readRecord, type Storage } from '../storage/storage.js';
import { detachedKeysTo, detachedPrefix, subscriptionsKey, viewKey } from '../store/storage-keys.js';
import { decodeSet, type SubscriptionSet } from '../store/subscriptions/subscription-set.js';
import { decodeView } from '../store/subscriptions/view-records.js';
import type { PlacedView } from '../model/view.js';
import { type InspectedItem, type InspectedView, readRecords } from './inspect-items.js';

const toInspectedView = (
  { version, subscriptions }: SubscriptionSet,
  placed: PlacedView | null,
  detached: number,
): InspectedView => {
  const ids = new Set(placed?.filters.map(({ id }) => id));
  return {
    ...{ set: version, placed: placed?.number ?? null, scope: placed?.scope ?? null, detached },
    subscriptions: subscriptions.map(({ id, name, type, filter }) => {
      return { id, name, type, filter, isPlaced: ids.has(id) };
    }),
  };
};

/** Reads the subscriptions of a realm as an item. Emits nothing for a realm without. */
export const readView = (storage: Storage): Observable<InspectedItem> => {
  const set$ = readRecord(storage, subscriptionsKey, decodeSet, null);
  const view$ = readRecord(storage, viewKey, decodeView, null);
  const detached$ = readRecords(storage, detachedPrefix, detachedKeysTo).pipe(count());
  return forkJoin([set$, view$, detached$]).pipe(
    switchMap(([set, placed, detached]) =>
      set === null ? EMPTY : of({ view: toInspectedView(set, placed, detached) }),
    ),
  );
};
