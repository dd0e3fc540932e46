import { map, type Observable, reduce } from 'rxjs';
import { applyOperation, type ObjectState } from '../merge/object.js';
import { stampAt } from '../merge/stamp.js';
import { createWorking } from '../merge/working.js';
import type { Changeset } from '../model/changeset.js';
import type { Key } from '../model/value.js';
import type { Version } from '../model/version.js';
import type { Desk } from './desk.js';
import type { Changed } from './objects.js';
import { operationsIn } from './outbox.js';
import { pagesAfter } from './pages.js';

/**
 * The changesets after a version, those on their way included. Emits once and completes; what follows it in the same turn
 * may build on them, because nothing has been written in between.
 */
export const unsent = ({ outbox, underway }: Desk, after: Version): Observable<readonly Changeset[]> =>
  pagesAfter(outbox, after).pipe(
    reduce((all: Changeset[], { entries }) => {
      for (const entry of entries) all.push(entry);
      return all;
    }, []),
    map((stored) => {
      const late = new Map(underway().map((changeset) => [changeset.version, changeset])); // The latest of each version.
      const last = Math.max(after, outbox.head);
      return [
        ...stored.map((changeset) => late.get(changeset.version) ?? changeset),
        ...[...late.values()].filter(({ version }) => version > last),
      ];
    }),
  );

/**
 * Whether a changeset that waits belongs on top of what the server gives. The server has dealt with some of them long ago; those that are older than its
 * horizon are in there, or gave way to a delete that is in there no more.
 */
export const isOnTop =
  ({ ahead: { replica, decided } }: Desk) =>
  ({ version, time }: Changeset): boolean =>
    replica !== decided.replica || version > decided.version || time >= decided.horizon;

/** Some objects of a realm, by type and key. */
export type Sheet = Map<string, Map<Key, ObjectState | null>>;

export const put = (sheet: Sheet, { type, key, state }: Changed): void => {
  const table = sheet.get(type);
  if (table) table.set(key, state);
  else sheet.set(type, new Map([[key, state]]));
};

/** Applies what changesets do to objects on top of what a sheet says of them; `wanted` says which of it. Throws a `StorageError` for what cannot be read. */
export const replay = (
  sheet: Sheet,
  changesets: readonly Changeset[],
  replica: string,
  wanted: (type: string, key: Key, version: Version) => boolean,
): void => {
  const work = createWorking();
  for (const changeset of changesets) {
    operationsIn(changeset).forEach((operation, index) => {
      const { type, key } = operation;
      if (!wanted(type, key, changeset.version)) return;
      const before = sheet.get(type)?.get(key) ?? undefined;
      put(sheet, { type, key, state: applyOperation(before, operation, stampAt(changeset, replica, index), work) });
    });
  }
};

export const changedIn = (sheet: Sheet): readonly Changed[] =>
  [...sheet].flatMap(([type, table]) => [...table].map(([key, state]): Changed => ({ type, key, state })));
