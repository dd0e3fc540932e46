import { defer, type Observable, switchMap } from 'rxjs';
import type { ObjectState } from '../merge/object.js';
import { laterInstant } from '../merge/stamp.js';
import type { Changeset, StoredObject } from '../model/changeset.js';
import { InvalidArgumentError } from '../model/errors.js';
import type { SetAsideReport } from '../model/set-aside-report.js';
import type { Version } from '../model/version.js';
import type { StorageChange } from '../storage/storage.js';
import type { Desk, Task } from './desk.js';
import { objectKey } from './keys.js';
import { clockAfter, stateIn } from './refuse.js';
import { isRestarting } from './reset.js';
import { reportOf } from './set-aside.js';
import { changedIn, isOnTop, put, replay, type Sheet, unsent } from './unsent.js';
import { objectChange } from './write.js';

/** All objects of the history at one server version. */
export interface WholeRealm {
  readonly version: Version;
  readonly objects: readonly StoredObject[];
  /** Bytes of the history up to there, and of what follows. */
  readonly bytes: number;
  readonly remainingBytes: number;
}

/** Builds on what is there in this turn, so that what is written from now on builds on it. */
const begun = (
  desk: Desk,
  { version, objects: given, bytes, remainingBytes }: WholeRealm,
  later: readonly Changeset[],
): Observable<SetAsideReport> => {
  const { ahead, objects } = desk;
  if (ahead.writing) throw new InvalidArgumentError('replace', 'no call inside of a write', version);
  const sheet: Sheet = new Map();
  for (const gone of objects.all()) put(sheet, gone);
  let { witnessed } = ahead;
  const bytesOf = new Map<ObjectState | null, Uint8Array>(); // What stays as it came is stored as it came.
  for (const one of given) {
    const changed = stateIn(version, one);
    witnessed = clockAfter(witnessed, changed);
    bytesOf.set(changed.state, one.state);
    put(sheet, changed);
  }
  replay(sheet, later.filter(isOnTop(desk)), ahead.replica, () => true);
  const changed = changedIn(sheet);
  const instant = laterInstant(ahead.instant, witnessed);
  ahead.instant = instant;
  ahead.witnessed = witnessed;
  ahead.seen = version;
  const misfits = objects.stage(changed);
  const task: Task = {
    changes: changed.map((one): StorageChange => {
      const value = bytesOf.get(one.state);
      return value ? { type: 'put', key: objectKey(one.type, one.key), value } : objectChange(one);
    }),
    meta: {
      ...{ clock: instant, witnessed, seen: version, own: true, forgotten: 0 },
      ...{ seenBytes: bytes, headBytes: bytes + remainingBytes },
    },
    durable: false, // Lost in a power cut, it is fetched again: the cursor is in the same batch.
    stored: () => objects.settle(changed),
  };
  return desk.added(
    task,
    reportOf(objects, misfits, () => version),
  );
};

/** Puts a snapshot in the place of all objects. What comes too late changes nothing. */
export const replace = (desk: Desk, snapshot: WholeRealm): Observable<SetAsideReport> => {
  const { ahead } = desk;
  const { replica } = ahead;
  const isLate = (): boolean => isRestarting(desk) || replica !== ahead.replica || snapshot.version <= ahead.seen;
  if (isLate()) return desk.caughtUp();
  return unsent(desk, ahead.acknowledged).pipe(
    switchMap((found) =>
      defer(() =>
        isLate()
          ? desk.caughtUp()
          : begun(
              desk,
              snapshot,
              found.filter(({ version }) => version > ahead.acknowledged),
            ),
      ),
    ),
  );
};
