import { defer, of, timer, map, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { serverWire } from '../lib/protocol/message-wire.js';
import { createServerCore } from '../lib/server/server-core.js';
import { AccessRefusedError } from '../lib/server/index.js';
import { checkServerOptions, type ServerOptions } from '../lib/server/server-options.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { limits as patience } from '../lib/model/limits.js';
import { backUpAndRestore } from './backup-restore.js';
import { createMomentRandom, mixNumbers } from './moment-random.js';
import { createDisk } from './simulated-disk.js';
import { idOf } from './random-edits.js';
import { InvariantError, entryNameOf, type Ledger } from './invariants.js';
import { createKillableClock, type KillableClock } from './killable-clock.js';
import type { Network } from './simulated-network.js';
import { userOf } from './device-process.js';
import type { UserAccess } from './user-access.js';
import type { Settings } from './themes.js';
import { parseToken } from './token-source.js';

/** The one server of a world, which may be killed and come back. */
export interface SimulatedServer {
  readonly start: () => void;
  readonly kill: (how: 'killed' | 'power') => void;
  /** It says goodbye, and is gone when that is done. */
  readonly restart: () => void;
  readonly backup: () => void;
  /** It is gone, and comes back as it was when it was backed up. */
  readonly restore: () => void;
  /** Puts its clock forward or back, by what is drawn; `null`: right again. */
  readonly jump: (seed: number | null) => void;
  /** From now on it answers at once. */
  readonly calm: () => void;
  /** Changesets of its history that are on its disk. */
  readonly historyLength: () => number;
}

export interface SimulatedServerOptions {
  readonly scheduler: SchedulerLike;
  readonly seed: number;
  readonly epoch: number;
  readonly settings: Settings;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly rights: UserAccess;
  readonly log: (event: string) => void;
  /** Told of each write that is surely on its disk. */
  readonly stored: (id: string) => void;
  readonly broken: (broken: InvariantError) => void;
  /** Has time stand still until something is done that takes promises. */
  readonly waitFor: (work: () => Promise<void>) => void;
}

const idPattern = /e:\d+:\d+;/g;
const logKey = /^realm\/[^/]+\/log\//;

const limits = {
  projectionLagBytesMax: 4_096,
  upkeepMs: 20_000,
  restartMs: 500,
  restartSpreadMs: 2_000,
  snapshotLeaseMs: 5_000,
};

/** Who may come in, and what may be written: answered at once, or after a while. */
const accessOf = (
  mortal: KillableClock,
  random: () => number,
  answerMs: () => number,
  rights: UserAccess,
  sentBy: (user: string, key: string) => void,
): Pick<ServerOptions, 'authenticate' | 'authorize' | 'permit'> => {
  const later = <A>(answer: () => A): Observable<A> => {
    const most = answerMs();
    if (most === 0) return defer(() => of(answer()));
    return timer(Math.floor(random() ** 2 * most), mortal.clock.scheduler).pipe(map(answer));
  };
  return {
    authenticate: (token) => {
      const { user: id, expiresAt } = parseToken(token);
      return later(() => {
        if (expiresAt <= mortal.clock.now()) throw new AccessRefusedError('token-expired', 'too old');
        return { id, expiresAt };
      });
    },
    authorize: ({ id }) => later(() => rights.accessOf(id)),
    permit: ({ id }, __, { type, key, after }) => {
      if (type === 'Entry') sentBy(id, String(key));
      return later(() => (type === 'Entry' && after?.['bad'] === true ? 'bad' : true) as true | string);
    },
  };
};

export const createSimulatedServer = ({
  scheduler,
  seed,
  epoch,
  settings,
  network,
  ledger,
  rights,
  log,
  stored,
  broken,
  waitFor,
}: SimulatedServerOptions): SimulatedServer => {
  const random = createMomentRandom(seed, () => scheduler.now());
  const disk = createDisk({
    scheduler,
    random: createMomentRandom(mixNumbers(seed, 1), () => scheduler.now()),
    slowest: settings.diskMs,
    onDurable: (changes) => {
      for (const change of changes) {
        if (change.type !== 'put' || !logKey.test(change.key)) continue;
        const text = Buffer.from(change.value).toString('latin1');
        for (const [id] of text.matchAll(idPattern)) {
          ledger.recordDurable(id);
          stored(id);
        }
        if (text.includes('Tally')) ledger.recordTallyLoss();
      }
    },
  });
  let mortal: KillableClock | null = null;
  let core: ReturnType<typeof createServerCore> | null = null;
  let closing: Subscription | null = null;
  let saved: ReadonlyMap<string, Uint8Array> | null = null;
  let { answerMs } = settings;
  let isWanted = false;
  let wrong = 0; // Milliseconds that its clock has jumped.

  /** Writes are sent by the user whose device made them, whoever else has logged in on it. */
  const sentBy = (user: string, key: string): void => {
    const id = idOf(key);
    const writer = userOf(Number(id.split(':')[1]), settings);
    if (user === writer) return;
    broken(
      new InvariantError('nobody sends what others wrote', `${id} of ${writer} came as ${user}'s`, [entryNameOf(id)]),
    );
  };

  const up = (): void => {
    if (core !== null) {
      isWanted = closing !== null; // As soon as it has ended.
      return;
    }
    isWanted = false;
    const process = createKillableClock({
      scheduler,
      random: createSeededRandom(mixNumbers(seed, scheduler.now())),
      epoch: epoch + wrong,
      drift: 0.02,
    });
    mortal = process;
    core = createServerCore(
      checkServerOptions({
        ...{
          storage: disk.open,
          clock: process.clock,
          limits: {
            ...limits,
            retentionMs: settings.retentionMs,
            refusalsPendingMax: settings.refusalsPendingMax,
          },
        },
        ...accessOf(process, random, () => answerMs, rights, sentBy),
        log: (event) => {
          if (event.event !== 'failed' || process.isDead()) return;
          const { error } = event;
          broken(
            new InvariantError(
              'nothing fails in the server',
              error instanceof Error ? (error.stack ?? '') : String(error),
            ),
          );
        },
      }),
    );
    network.serve(serverWire(core.wire));
    log('up');
  };
  const gone = (): void => {
    mortal?.kill();
    mortal = null;
    core = null;
    closing?.unsubscribe();
    closing = null;
    network.serve(null);
  };
  const ended = (): void => {
    gone();
    if (isWanted) up();
  };
  return {
    start: up,
    kill: (how) => {
      if (core === null) return;
      log(how);
      gone();
      disk.crash(how);
    },
    restart: () => {
      if (core === null || closing !== null) return;
      log('restarting');
      const { closing$, closed$ } = core;
      closing$.subscribe();
      const asked = core;
      // Whoever asked it to end waits so long, and kills it then.
      scheduler.schedule(() => {
        if (core !== asked) return;
        log('killed');
        disk.crash('killed');
        ended();
      }, patience.drainMsMax);
      closing = closed$.subscribe({
        complete: () => {
          log('ended');
          ended();
        },
      });
    },
    backup: () => {
      saved = new Map(disk.synced());
      ledger.recordBackup();
      log('backup');
    },
    restore: () => {
      const entries = saved;
      if (entries === null) return;
      log('restore');
      gone();
      waitFor(async () => {
        disk.put(await backUpAndRestore(entries, createSeededRandom(mixNumbers(seed, scheduler.now(), 2))));
        ledger.recordRestore();
        up();
      });
    },
    jump: (drawn) => {
      const by = (drawn === null ? 0 : Math.floor((createSeededRandom(drawn)() - 0.5) * 2 * settings.jumpMs)) - wrong;
      wrong += by;
      mortal?.jump(by);
      log(`clock ${by}`);
    },
    calm: () => {
      disk.calm();
      answerMs = 0;
    },
    historyLength: () => disk.keys().filter((key) => logKey.test(key)).length,
  };
};
