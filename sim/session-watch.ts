import { Subscription, type Observable } from 'rxjs';
import type { Progress, ProgressDirection, SyncSession } from '../lib/index.js';
import { idOf, type WorldRealm } from './random-edits.js';
import { InvariantError, createStateWatch, entryNameOf, type Ledger } from './invariants.js';

export interface WatchOptions {
  readonly number: number;
  readonly session: SyncSession;
  readonly realm: WorldRealm;
  readonly ledger: Ledger;
  /** Whether there is a reason for a client reset: the server is another, or has forgotten. */
  readonly mayStartOver: () => boolean;
  /** Whether an error of this code may end the session: somebody else is logged in than whose copy it is. */
  readonly mayEnd: (code: string) => boolean;
  /** Whether what is not bad may be rejected: the user may only read, or could. */
  readonly mayBeDenied: () => boolean;
  /** What was shown as rejected, over all processes of the device. */
  readonly rejected: Set<string>;
  readonly log: (stream: string, value: string, about?: readonly string[]) => void;
  /** Has a look at what a stream said, unless the process is gone; what that throws is a promise that was broken. */
  readonly whileAlive: <A>(look: (said: A) => void) => (said: A) => void;
}

/** Progress of one direction: it does not go back, is not more than all, and is not said twice. */
const createProgressWatch = (who: string, mayStartOver: () => boolean) => {
  let before: Progress | null = null;
  return (now: Progress): void => {
    const { transferredBytes: bytes, transferableBytes: of, estimate } = now;
    const say = (what: string): never => {
      throw new InvariantError(
        'progress is true',
        `${who}: ${what}: ${JSON.stringify(now)} after ${JSON.stringify(before)}`,
      );
    };
    if (bytes > of || !(estimate >= 0 && estimate <= 1) || (bytes === of) !== (estimate === 1)) say('makes no sense');
    if (before !== null && JSON.stringify(before) === JSON.stringify(now)) say('the same once more');
    if (before !== null && bytes < before.transferredBytes && !mayStartOver()) say('it goes back');
    before = now;
  };
};

/** Refused writes: each is shown once in the life of a session. */
const createRejectionWatch = (who: string, mayStartOver: () => boolean) => {
  const shown = new Set<number>();
  return (version: number): void => {
    // After a client reset writes are numbered from 1 again.
    if (shown.has(version) && !mayStartOver())
      throw new InvariantError('a refused write is shown once', `${who}: ${version} came twice`);
    shown.add(version);
  };
};

/** Looks at all that a session shows, and tells of it. */
export const watchSession = (options: WatchOptions): Subscription => {
  const { number, session, realm, ledger, mayStartOver, mayEnd, mayBeDenied, rejected, log, whileAlive } = options;
  const who = `device ${number}`;
  const states = createStateWatch(who, session, mayStartOver);
  const refusals = createRejectionWatch(who, mayStartOver);
  const held = new Subscription();
  const look = <A>(stream$: Observable<A>, at: (said: A) => void): void => held.add(stream$.subscribe(whileAlive(at)));

  look(session.syncState$, (state) => {
    log('sync', state);
    states.sync(state);
  });
  look(session.connectionState$, (state) => {
    log('connection', state);
    states.connection(state);
  });
  look(session.connectionChanges$, states.changed);
  look(session.status$, ({ downloaded }) => states.downloaded(downloaded.version));
  for (const direction of ['upload', 'download'] satisfies ProgressDirection[])
    look(
      session.progress$({ direction, mode: 'reportIndefinitely' }),
      createProgressWatch(`${direction} of ${who}`, mayStartOver),
    );
  look(session.errors$, (error) => {
    log('error', error.code);
    if (error.fatal && !mayEnd(error.code))
      throw new InvariantError('no session is ended by a bad network', `${who}: ${error.message}`);
    if (error.code === 'write-refused') refusals(error.version);
  });
  look(realm.rejectedWrites$, (all) => {
    const shown = new Set<string>();
    for (const { reasonCode, objects } of all) {
      for (const { type, key } of objects) {
        if (type !== 'Entry') continue;
        const id = idOf(String(key));
        shown.add(id);
        const isDenied = reasonCode === 'permission-denied' && mayBeDenied();
        if (!id.endsWith('bad') && !isDenied)
          throw new InvariantError('only what is bad is refused', id, [entryNameOf(id)]);
        ledger.recordRejected(id);
      }
    }
    const gone = [...rejected].find((id) => !shown.has(id));
    if (gone !== undefined && !mayStartOver())
      throw new InvariantError('a rejected write is shown until somebody decides', `${who}: ${gone}`, [
        entryNameOf(gone),
      ]);
    shown.forEach((id) => rejected.add(id));
  });
  return held;
};

/** One write on its way up: stage by stage, and `accepted` only when the server has it. */
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
      if (ledger.restoreCount() > restores) return; // The server that took it is another.
      if (state === 'accepted' && !ledger.wasDurable(id))
        throw new InvariantError('written$ is true', `the server does not have ${id}, which is ${state}`, [
          entryNameOf(id),
        ]);
      if (state === 'refused' && !id.endsWith('bad') && !mayBeDenied())
        throw new InvariantError('written$ is true', `${id} is ${state}`, [entryNameOf(id)]);
    }),
    error: () => undefined, // The session has ended: that is told to those who wait.
  });
};
