import { concat, defer, ignoreElements, map, of, reduce, switchMap, type Observable } from 'rxjs';
import { runAction } from '../../model/operators.js';
import { bytesOf, type ObjectName, type StoredObject } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { createDamageError } from '../../model/stored-data.js';
import type { Version } from '../../model/version.js';
import { SessionFailure } from '../server-errors.js';
import type { History } from './history.js';
import type { SnapshotLeases } from './snapshot-leases.js';
import { objectTextOf, parseObjectText } from '../../model/object-key.js';
import type { Projector } from './projector.js';
import { type Row, rowBytesOf } from './stored-objects.js';

export interface SnapshotPage {
  readonly objects: readonly StoredObject[];
  /** Number of objects after this page. */
  readonly remaining: number;
  /** Bytes of the history that the objects so far correspond to. */
  readonly bytes: number;
}

/** Snapshots of a realm's objects for replicas that do not download the whole history. */
export interface Snapshots {
  /**
   * Emits the version of a snapshot for a replica, and holds it for a while. Emits `null` if the replica should
   * continue from `downloadedTo` instead. Emits once and completes.
   */
  readonly offer: (replica: string, downloadedTo: Version) => Observable<Version | null>;
  /**
   * Creates a function that reads the objects of a version, page by page: the page after an object, or the first.
   * Errors with `snapshot-gone` if the objects have another version now.
   */
  readonly createFetch: (replica: string, version: Version) => (after: ObjectName | null) => Observable<SnapshotPage>;
}

export interface SnapshotsPorts {
  readonly history: Pick<History, 'log' | 'bytes' | 'projection'>;
  readonly leases: Pick<SnapshotLeases, 'renew' | 'end'>;
  readonly projector: Pick<Projector, 'settled$'>;
}

/** Factor by which the changes must be larger than the objects. Replacing all objects costs a replica more. */
const snapshotGainTimes = 2;

/** Whether a replica may be sent a snapshot. Otherwise the changes after `downloadedTo` are a few pages at most. */
export const maySendSnapshot = (
  { head, floor }: Pick<History['log'], 'head' | 'floor'>,
  downloadedTo: Version,
): boolean => downloadedTo < floor || head - downloadedTo > limits.pageChangesetsMax;

/** Emits the bytes of the history up to a version that is not trimmed. */
const readBytesUpTo = ({ log, bytes }: SnapshotsPorts['history'], version: Version): Observable<number> => {
  if (version === 0) return of(0);
  if (version >= log.head) return of(bytes);
  return log.page(version).pipe(
    map(({ entries: [next] }) => {
      if (next === undefined) throw createDamageError('changeset', version + 1, 'it is missing');
      return next.total - bytesOf(next);
    }),
  );
};

const createSnapshotGoneError = (version: Version): SessionFailure =>
  new SessionFailure('snapshot-gone', `The objects of version ${version} are no longer available.`, { after: 0 });

const storedObjectOf = ([text, state]: Row): StoredObject => ({ ...parseObjectText(text), state });

/** The progress of one session. */
interface SnapshotPosition {
  readonly after: string | null;
  readonly objects: number;
  readonly bytes: number;
}

const startPosition: SnapshotPosition = { after: null, objects: 0, bytes: 0 };

const advancePosition = (position: SnapshotPosition, rows: readonly Row[]): SnapshotPosition => ({
  after: rows.at(-1)?.[0] ?? position.after,
  objects: position.objects + rows.length,
  bytes: position.bytes + rows.reduce((sum, [, state]) => sum + rowBytesOf(state), 0),
});

const checkVersion = ({ projection }: SnapshotsPorts['history'], version: Version): Observable<never> =>
  runAction(() => {
    if (projection.cursor.version !== version || projection.isMoving) throw createSnapshotGoneError(version);
  });

const readPageAfter = (
  history: SnapshotsPorts['history'],
  version: Version,
  position: SnapshotPosition,
): Observable<readonly [SnapshotPosition, SnapshotPage]> =>
  concat(checkVersion(history, version), history.projection.readRows(position.after)).pipe(
    // Checked again, because the objects may have changed while they were read.
    switchMap((rows) => concat(checkVersion(history, version), of(rows))),
    map((rows) => {
      const next = advancePosition(position, rows);
      const { cursor } = history.projection;
      const remaining = rows.length === 0 ? 0 : Math.max(0, cursor.objects - next.objects);
      const share = remaining === 0 ? 1 : Math.min(1, next.bytes / Math.max(1, cursor.bytes));
      return [next, { objects: rows.map(storedObjectOf), remaining, bytes: Math.floor(cursor.total * share) }];
    }),
  );

export const createSnapshots = ({ history, leases, projector }: SnapshotsPorts): Snapshots => {
  const { log, projection } = history;

  /** Whether sending the objects is cheaper than sending the changes. */
  const isSnapshotCheaper = (downloadedTo: Version): Observable<boolean> => {
    if (!maySendSnapshot(log, downloadedTo)) return of(false);
    return readBytesUpTo(history, downloadedTo).pipe(
      map((bytesRead) => {
        const { bytes, total } = projection.cursor;
        return snapshotGainTimes * (bytes + history.bytes - total) < history.bytes - bytesRead;
      }),
    );
  };

  const holdVersion = (replica: string): Observable<Version> =>
    defer(() => {
      leases.renew(replica); // First: from now on no other version is started.
      return concat(
        projector.settled$.pipe(ignoreElements()),
        defer(() => of(projection.cursor.version)),
      );
    });

  const offer: Snapshots['offer'] = (replica, downloadedTo) =>
    defer(() => {
      if (downloadedTo < log.floor) return holdVersion(replica);
      return isSnapshotCheaper(downloadedTo).pipe(
        switchMap((isCheaper) => (isCheaper ? holdVersion(replica) : of(null))),
        map((version) => {
          if (version === null || version > downloadedTo) return version;
          leases.end(replica);
          return null;
        }),
      );
    });

  return {
    offer,
    createFetch: (replica, version) => {
      let position = startPosition;
      /**
       * Emits the start of a page: the end of the last page, or any object that the replica reached on an earlier
       * connection.
       */
      const positionAt = (after: string | null): Observable<SnapshotPosition> => {
        if (after === null) return of(startPosition);
        if (after === position.after) return of(position);
        return projection.readAllRows(after).pipe(
          reduce(advancePosition, startPosition),
          map((counted) => ({ ...counted, after })),
        );
      };
      return (after) =>
        defer(() => {
          leases.renew(replica);
          return positionAt(after === null ? null : objectTextOf(after.type, after.key)).pipe(
            switchMap((from) => readPageAfter(history, version, from)),
            map(([next, page]) => {
              position = next;
              return page;
            }),
          );
        });
    },
  };
};
