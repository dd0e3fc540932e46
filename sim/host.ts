import { defer, of, timer, map, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { serverWire } from '../lib/protocol/wires.js';
import { createCore } from '../lib/server/core.js';
import { AccessRefusedError } from '../lib/server/index.js';
import { checkedServerOptions, type ServerOptions } from '../lib/server/options.js';
import { seeded } from '../lib/model/chance.js';
import { limits as patience } from '../lib/model/limits.js';
import { backedUpAndRestored } from './backups.js';
import { createChance, mixed } from './chance.js';
import { createDisk } from './disk.js';
import { idIn } from './edits.js';
import { Broken, entryNamed, type Ledger } from './judge.js';
import { createMortal, type Mortal } from './mortal.js';
import type { Network } from './network.js';
import { userOf } from './process.js';
import type { Rights } from './rights.js';
import type { Settings } from './themes.js';
import { readToken } from './tokens.js';

/** The one server of a world, which may be killed and come back. */
export interface Host {
  readonly up: () => void;
  readonly killed: (how: 'killed' | 'power') => void;
  /** It says goodbye, and is gone when that is done. */
  readonly restarted: () => void;
  readonly backup: () => void;
  /** It is gone, and comes back as it was when it was backed up. */
  readonly restore: () => void;
  /** Puts its clock forward or back, by what is drawn; `null`: right again. */
  readonly jump: (seed: number | null) => void;
  /** From now on it answers at once. */
  readonly calm: () => void;
  /** Changesets of its history that are on its disk. */
  readonly kept: () => number;
}

export interface HostOptions {
  readonly scheduler: SchedulerLike;
  readonly seed: number;
  readonly epoch: number;
  readonly settings: Settings;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly rights: Rights;
  readonly told: (event: string) => void;
  /** Told of each write that is surely on its disk. */
  readonly stored: (id: string) => void;
  readonly broken: (broken: Broken) => void;
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
  mortal: Mortal,
  random: () => number,
  answerMs: () => number,
  rights: Rights,
  sentBy: (user: string, key: string) => void,
): Pick<ServerOptions, 'authenticate' | 'authorize' | 'permit'> => {
  const later = <A>(answer: () => A): Observable<A> => {
    const most = answerMs();
    if (most === 0) return defer(() => of(answer()));
    return timer(Math.floor(random() ** 2 * most), mortal.clock.scheduler).pipe(map(answer));
  };
  return {
    authenticate: (token) => {
      const { user: id, ends } = readToken(token);
      return later(() => {
        if (ends <= mortal.clock.now()) throw new AccessRefusedError('token-expired', 'too old');
        return { id, expiresAt: ends };
      });
    },
    authorize: ({ id }) => later(() => rights.of(id)),
    permit: ({ id }, __, { type, key, after }) => {
      if (type === 'Entry') sentBy(id, String(key));
      return later(() => (type === 'Entry' && after?.['bad'] === true ? 'bad' : true) as true | string);
    },
  };
};

export const createHost = ({
  scheduler,
  seed,
  epoch,
  settings,
  network,
  ledger,
  rights,
  told,
  stored,
  broken,
  waitFor,
}: HostOptions): Host => {
  const random = createChance(seed, () => scheduler.now());
  const disk = createDisk({
    scheduler,
    random: createChance(mixed(seed, 1), () => scheduler.now()),
    slowest: settings.diskMs,
    told: (changes) => {
      for (const change of changes) {
        if (change.type !== 'put' || !logKey.test(change.key)) continue;
        const text = Buffer.from(change.value).toString('latin1');
        for (const [id] of text.matchAll(idPattern)) {
          ledger.durable(id);
          stored(id);
        }
        if (text.includes('Tally')) ledger.tallied();
      }
    },
  });
  let mortal: Mortal | null = null;
  let core: ReturnType<typeof createCore> | null = null;
  let closing: Subscription | null = null;
  let saved: ReadonlyMap<string, Uint8Array> | null = null;
  let { answerMs } = settings;
  let isWanted = false;
  let wrong = 0; // Milliseconds that its clock has jumped.

  /** Writes are sent by the user whose device made them, whoever else has logged in on it. */
  const sentBy = (user: string, key: string): void => {
    const id = idIn(key);
    const writer = userOf(Number(id.split(':')[1]), settings);
    if (user === writer) return;
    broken(new Broken('nobody sends what others wrote', `${id} of ${writer} came as ${user}'s`, [entryNamed(id)]));
  };

  const up = (): void => {
    if (core !== null) {
      isWanted = closing !== null; // As soon as it has ended.
      return;
    }
    isWanted = false;
    const process = createMortal({
      scheduler,
      random: seeded(mixed(seed, scheduler.now())),
      epoch: epoch + wrong,
      drift: 0.02,
    });
    mortal = process;
    core = createCore(
      checkedServerOptions({
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
            new Broken('nothing fails in the server', error instanceof Error ? (error.stack ?? '') : String(error)),
          );
        },
      }),
    );
    network.serve(serverWire(core.wire));
    told('up');
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
    up,
    killed: (how) => {
      if (core === null) return;
      told(how);
      gone();
      disk.crash(how);
    },
    restarted: () => {
      if (core === null || closing !== null) return;
      told('restarting');
      const { closing$, closed$ } = core;
      closing$.subscribe();
      const asked = core;
      // Whoever asked it to end waits so long, and kills it then.
      scheduler.schedule(() => {
        if (core !== asked) return;
        told('killed');
        disk.crash('killed');
        ended();
      }, patience.drainMsMax);
      closing = closed$.subscribe({
        complete: () => {
          told('ended');
          ended();
        },
      });
    },
    backup: () => {
      saved = new Map(disk.synced());
      ledger.saved();
      told('backup');
    },
    restore: () => {
      const entries = saved;
      if (entries === null) return;
      told('restore');
      gone();
      waitFor(async () => {
        disk.put(await backedUpAndRestored(entries, seeded(mixed(seed, scheduler.now(), 2))));
        ledger.restored();
        up();
      });
    },
    jump: (drawn) => {
      const by = (drawn === null ? 0 : Math.floor((seeded(drawn)() - 0.5) * 2 * settings.jumpMs)) - wrong;
      wrong += by;
      mortal?.jump(by);
      told(`clock ${by}`);
    },
    calm: () => {
      disk.calm();
      answerMs = 0;
    },
    kept: () => disk.keys().filter((key) => logKey.test(key)).length,
  };
};
