import { Subscription, type Observable } from 'rxjs';
import type { Progress, ProgressDirection, SyncSession } from '../lib/index.js';
import { idOf, type WorldRealm } from './random-edits.js';
import { InvariantError, createStateWatch, entryNameOf, type Ledger } from './invariants.js';

export interface WatchOptions {
  /** Name of the device, and of its tab if it has several. */
  readonly deviceName: string;
  /** Whether the session is shown by several tabs. Those that follow skip states that last for a moment. */
  readonly isShared: boolean;
  readonly session: SyncSession;
  readonly realm: WorldRealm;
  readonly ledger: Ledger;
  /** Whether there is a reason for a client reset: the server was restored, or its retention period is short. */
  readonly mayReset: () => boolean;
  /** Whether an error with this code may end the session: another user than the replica's owner is logged in. */
  readonly mayEnd: (code: string) => boolean;
  /** Whether a good write may be rejected: the user may only read, or once could. */
  readonly mayBeDenied: () => boolean;
  /** Writes that were listed as rejected, in all processes of the device. */
  readonly rejected: Set<string>;
  readonly log: (stream: string, value: string, about?: readonly string[]) => void;
  /**
   * Runs a check on a value of a stream while the process lives. An error that the check throws is a broken invariant.
   */
  readonly whileAlive: <A>(check: (value: A) => void) => (value: A) => void;
}

/** Checks the progress of one direction: it never decreases, exceeds its total or emits the same value twice. */
const createProgressWatch = (deviceName: string, mayReset: () => boolean) => {
  let before: Progress | null = null;
  return (now: Progress): void => {
    const { transferredBytes: bytes, transferableBytes: of, estimate } = now;
    const fail = (reason: string): never => {
      throw new InvariantError(
        'progress is correct',
        `${deviceName}: ${reason}: ${JSON.stringify(now)} after ${JSON.stringify(before)}`,
      );
    };
    if (bytes > of || !(estimate >= 0 && estimate <= 1) || (bytes === of) !== (estimate === 1)) fail('invalid values');
    if (before !== null && JSON.stringify(before) === JSON.stringify(now)) fail('the same value twice');
    if (before !== null && bytes < before.transferredBytes && !mayReset()) fail('it decreases');
    before = now;
  };
};

/** Checks that each rejected write is reported once in the life of a session. */
const createRejectionWatch = (deviceName: string, mayReset: () => boolean) => {
  const shown = new Set<number>();
  return (version: number): void => {
    // After a client reset client versions start again at 1.
    if (shown.has(version) && !mayReset())
      throw new InvariantError('a rejected write is reported once', `${deviceName}: ${version} was reported twice`);
    shown.add(version);
  };
};

/** Checks and records everything that a session emits. */
export const watchSession = (options: WatchOptions): Subscription => {
  const { deviceName, isShared, session, realm, ledger, mayReset, mayEnd, mayBeDenied, rejected, log, whileAlive } =
    options;
  const states = createStateWatch(deviceName, session, mayReset, isShared);
  const rejections = createRejectionWatch(deviceName, mayReset);
  const subscription = new Subscription();
  const check = <A>(stream$: Observable<A>, at: (value: A) => void): void =>
    subscription.add(stream$.subscribe(whileAlive(at)));

  check(session.syncState$, (state) => {
    log('sync', state);
    states.sync(state);
  });
  check(session.connectionState$, (state) => {
    log('connection', state);
    states.connection(state);
  });
  check(session.connectionChanges$, states.changed);
  check(session.status$, ({ downloaded }) => states.downloaded(downloaded.version));
  for (const direction of ['upload', 'download'] satisfies ProgressDirection[])
    check(
      session.progress$({ direction, mode: 'reportIndefinitely' }),
      createProgressWatch(`${direction} of ${deviceName}`, mayReset),
    );
  check(session.errors$, (error) => {
    log('error', error.code);
    if (error.fatal && !mayEnd(error.code))
      throw new InvariantError('no session is ended by a bad network', `${deviceName}: ${error.message}`);
    if (error.code === 'write-refused') rejections(error.version);
  });
  check(realm.rejectedWrites$, (all) => {
    const shown = new Set<string>();
    for (const { reasonCode, objects, operations } of all) {
      const entries = objects.filter(({ type }) => type === 'Entry');
      // A rejection lists the objects that are the reason. A hidden card is one, and its write has an entry besides.
      for (const { key } of entries.length > 0 ? entries : operations.filter(({ type }) => type === 'Entry')) {
        const id = idOf(String(key));
        shown.add(id);
        const isDenied = reasonCode === 'permission-denied' && mayBeDenied();
        if (!id.endsWith('bad') && !isDenied && !ledger.wasHidden(id))
          throw new InvariantError('only bad writes are rejected', id, [entryNameOf(id)]);
        ledger.recordRejected(id);
      }
    }
    const gone = [...rejected].find((id) => !shown.has(id));
    if (gone !== undefined && !mayReset())
      throw new InvariantError('a rejected write is listed until the app decides', `${deviceName}: ${gone}`, [
        entryNameOf(gone),
      ]);
    shown.forEach((id) => rejected.add(id));
  });
  return subscription;
};

/** Checks the stages of one write: `accepted` only when the server has it. */
export const watchWrite = (
  {
    session,
    ledger,
    mayBeDenied,
    log,
    whileAlive,
  }: Pick<WatchOptions, 'session' | 'ledger' | 'mayBeDenied' | 'log' | 'whileAlive'>,
  id: string,
  version: number,
): Subscription => {
  const restores = ledger.restoreCount();
  return session.written$(version).subscribe({
    next: whileAlive(({ state }) => {
      log('written', `${state} ${version}`, ledger.editOf(id).about);
      if (ledger.restoreCount() > restores) return; // The server that accepted the write was restored.
      if (state === 'accepted' && !ledger.wasDurable(id))
        throw new InvariantError('written$ is correct', `the server does not have ${id}, which is ${state}`, [
          entryNameOf(id),
        ]);
      if (state === 'rejected' && !id.endsWith('bad') && !mayBeDenied() && !ledger.wasHidden(id))
        throw new InvariantError('written$ is correct', `${id} is ${state}`, [entryNameOf(id)]);
    }),
    error: () => undefined, // The session has ended, and the stream reports that.
  });
};
