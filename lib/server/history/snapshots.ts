import { concat, defer, EMPTY, ignoreElements, map, of, reduce, switchMap, type Observable } from 'rxjs';
import { bytesOf, type ObjectName, type StoredObject } from '../../model/changeset.js';
import { StorageError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import { SessionFailure } from '../server-errors.js';
import type { History } from './history.js';
import type { SnapshotLeases } from './snapshot-leases.js';
import { objectOf, objectTextOf } from './object-keys.js';
import type { Row } from './projection.js';
import type { Projector } from './projector.js';
import { rowBytesOf } from './stored-objects.js';

export interface SnapshotPage {
  readonly objects: readonly StoredObject[];
  /** How many follow. */
  readonly remaining: number;
  /** How much of the history the objects so far stand for, in its bytes. */
  readonly bytes: number;
}

/** The objects of a realm for those who do not go through its whole past. */
export interface Snapshots {
  /**
   * The version whose objects a replica starts from, and keeps it for it for a while; `null`: it is sent the changes
   * after what it has seen. Emits once and completes.
   */
  readonly offer: (replica: string, seen: Version) => Observable<Version | null>;
  /**
   * The objects of a version for one session: the page after an object, or the first. Errors with `snapshot-gone` when
   * they are those of another version now.
   */
  readonly createFetch: (replica: string, version: Version) => (after: ObjectName | null) => Observable<SnapshotPage>;
}

export interface SnapshotsPorts {
  readonly history: Pick<History, 'log' | 'bytes' | 'projection'>;
  readonly leases: Pick<SnapshotLeases, 'renew' | 'end'>;
  readonly projector: Pick<Projector, 'settled$'>;
}

/**
 * Times that the changes have to be larger than the objects: these replace all that a replica has, which costs it more.
 */
const snapshotGainTimes = 2;

/** Bytes of the history up to a version that has not been trimmed. */
const readBytesUpTo = ({ log, bytes }: SnapshotsPorts['history'], version: Version): Observable<number> => {
  if (version === 0) return of(0);
  if (version >= log.head) return of(bytes);
  return log.page(version).pipe(
    map(({ entries: [next] }) => {
      if (next === undefined) throw new StorageError(`entry ${version + 1} of a history is missing`);
      return next.total - bytesOf(next);
    }),
  );
};

const createSnapshotGoneError = (version: Version): SessionFailure =>
  new SessionFailure('snapshot-gone', `the objects are not those of version ${version} any more`, { after: 0 });

const storedObjectOf = ([text, state]: Row): StoredObject => {
  const target = objectOf(text);
  if (target === null) throw new StorageError(`an object has a key that is none: ${text.slice(0, 80)}`);
  return { ...target, state };
};

/** How far one session is. */
interface SnapshotPosition {
  readonly after: string | null;
  readonly objects: number;
  readonly bytes: number;
}

const startPosition: SnapshotPosition = { after: null, objects: 0, bytes: 0 };

const advancePosition = (place: SnapshotPosition, rows: readonly Row[]): SnapshotPosition => ({
  after: rows.at(-1)?.[0] ?? place.after,
  objects: place.objects + rows.length,
  bytes: place.bytes + rows.reduce((sum, [, state]) => sum + rowBytesOf(state), 0),
});

const checkVersion = ({ projection }: SnapshotsPorts['history'], version: Version): Observable<never> =>
  defer(() => {
    if (projection.cursor.version !== version || projection.isMoving) throw createSnapshotGoneError(version);
    return EMPTY;
  });

const readPageAfter = (
  history: SnapshotsPorts['history'],
  version: Version,
  place: SnapshotPosition,
): Observable<readonly [SnapshotPosition, SnapshotPage]> =>
  concat(checkVersion(history, version), history.projection.readRows(place.after)).pipe(
    switchMap((rows) => concat(checkVersion(history, version), of(rows))), // What was read meanwhile may be of two versions.
    map((rows) => {
      const next = advancePosition(place, rows);
      const { cursor } = history.projection;
      const remaining = rows.length === 0 ? 0 : Math.max(0, cursor.objects - next.objects);
      const share = remaining === 0 ? 1 : Math.min(1, next.bytes / Math.max(1, cursor.bytes));
      return [next, { objects: rows.map(storedObjectOf), remaining, bytes: Math.floor(cursor.total * share) }];
    }),
  );

export const createSnapshots = ({ history, leases, projector }: SnapshotsPorts): Snapshots => {
  const { log, projection } = history;

  /** Whether the objects cost less than the changes. */
  const isWorth = (seen: Version): Observable<boolean> => {
    if (log.head - seen <= limits.pageChangesetsMax) return of(false);
    return readBytesUpTo(history, seen).pipe(
      map((had) => {
        const { bytes, total } = projection.cursor;
        return snapshotGainTimes * (bytes + history.bytes - total) < history.bytes - had;
      }),
    );
  };

  const held = (replica: string): Observable<Version> =>
    defer(() => {
      leases.renew(replica); // First: from now on no other version is begun.
      return concat(
        projector.settled$.pipe(ignoreElements()),
        defer(() => of(projection.cursor.version)),
      );
    });

  const offer: Snapshots['offer'] = (replica, seen) =>
    defer(() => {
      if (seen < log.floor) return held(replica);
      return isWorth(seen).pipe(
        switchMap((isIt) => (isIt ? held(replica) : of(null))),
        map((version) => {
          if (version === null || version > seen) return version;
          leases.end(replica);
          return null;
        }),
      );
    });

  return {
    offer,
    createFetch: (replica, version) => {
      let place = startPosition;
      /** Where a page begins: after the last one, or wherever the replica was on an earlier line. */
      const placeAt = (after: string | null): Observable<SnapshotPosition> => {
        if (after === null) return of(startPosition);
        if (after === place.after) return of(place);
        return projection.readAllRows(after).pipe(
          reduce(advancePosition, startPosition),
          map((counted) => ({ ...counted, after })),
        );
      };
      return (after) =>
        defer(() => {
          leases.renew(replica);
          return placeAt(after === null ? null : objectTextOf(after.type, after.key)).pipe(
            switchMap((from) => readPageAfter(history, version, from)),
            map(([next, page]) => {
              place = next;
              return page;
            }),
          );
        });
    },
  };
};
