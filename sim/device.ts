import { from, type SchedulerLike, Subscription } from 'rxjs';
import { createSyncClient, isSome, openRealm$, type SyncClient, type SyncSession } from '../lib/index.js';
import { objectsFrom } from '../lib/store/keys.js';
import { outboxEntries } from '../lib/store/outbox.js';
import { seeded } from '../lib/model/chance.js';
import { createChance, mixed } from './chance.js';
import { createDisk } from './disk.js';
import { checkTally, edit, entriesOf, schema, type WorldRealm } from './edits.js';
import { Broken, entryNamed, type Ledger } from './judge.js';
import { createMortal, type Mortal } from './mortal.js';
import type { Network } from './network.js';
import { type WatchOptions, watchSession, watchWrite } from './watch.js';

/** One device with its user. What makes no sense at the moment (writing while closed) does nothing. */
export interface Device {
  readonly open: () => void;
  readonly close: () => void;
  readonly crash: (how: 'killed' | 'power') => void;
  readonly write: (bad: boolean, seed: number) => void;
  readonly jump: (seed: number) => void;
  readonly session: () => SyncSession | null;
  readonly client: () => SyncClient | null;
  readonly realm: () => WorldRealm | null;
  /** Asks for `uploadComplete$` and sees to it that it tells the truth; tells when it does. */
  readonly uploaded: (done: () => void) => void;
  readonly downloaded: (done: () => void) => void;
  /** What is on its disk, counted: changesets that wait to be uploaded, objects, and all keys. */
  readonly kept: () => { readonly waiting: number; readonly objects: number; readonly all: number };
  /** Everything is let go of. */
  readonly end: () => void;
}

export interface DeviceOptions {
  readonly number: number;
  readonly scheduler: SchedulerLike;
  readonly seed: number;
  readonly epoch: number;
  readonly network: Network;
  readonly ledger: Ledger;
  /** Whether there is a reason for a client reset: the server is another, or has forgotten. */
  readonly mayStartOver: () => boolean;
  readonly told: (stream: string, value: string, about?: readonly string[]) => void;
  readonly broken: (broken: Broken) => void;
}

const timeouts = { connect: 10_000, read: 60_000, linger: 5_000, backoffMost: 60_000 };

/** A process of the app: all that is gone with it. */
interface Process {
  readonly mortal: Mortal;
  readonly client: SyncClient;
  readonly held: Subscription;
  realm: WorldRealm | null;
  session: SyncSession | null;
}

export const createDevice = (options: DeviceOptions): Device => {
  const { number, scheduler, seed, epoch, network, ledger, mayStartOver, told, broken } = options;
  const chanceOf = (what: number): (() => number) => createChance(mixed(seed, what), () => scheduler.now());
  const random = chanceOf(1);
  const disk = createDisk({ scheduler, random: chanceOf(2) });
  let running: Process | null = null;
  let writes = 0;
  let wrong = 0; // Milliseconds that its clock has jumped.
  const drift = (random() - 0.5) / 5;
  const tokens = chanceOf(3);

  const guarded =
    <A>(act: (given: A) => void) =>
    (given: A): void => {
      try {
        act(given);
      } catch (thrown) {
        broken(thrown instanceof Broken ? thrown : new Broken('nothing throws', String((thrown as Error).stack)));
      }
    };

  const started = (): Process => {
    const mortal = createMortal({
      scheduler,
      random: seeded(mixed(seed, scheduler.now(), 4)),
      epoch: epoch + wrong,
      drift,
    });
    const accessToken = () => [`user${number}:${epoch + scheduler.now() + 30_000 + Math.floor(tokens() * 120_000)}`];
    const { clock } = mortal;
    const client = createSyncClient({
      dial: network.dial(number, mortal.isDead),
      clock,
      accessToken,
      timeouts,
      nudge$: from([]),
    });
    return { mortal, client, held: new Subscription(), realm: null, session: null };
  };
  const watching = ({ mortal, held, session, realm }: Process): WatchOptions | null => {
    if (session === null || realm === null) return null;
    const alive: WatchOptions['alive'] = (look) => (said) => {
      if (!mortal.isDead() && !held.closed) guarded(look)(said);
    };
    return { number, session, realm, ledger, mayStartOver, told, alive };
  };

  const open = (): void => {
    const process = (running ??= started());
    if (process.realm !== null) return;
    const realm$ = openRealm$({ schema, storage: disk.open, sync: { client: process.client, realm: 'team' } });
    const opening = realm$.subscribe({
      next: (realm) => {
        if (process.mortal.isDead()) return;
        process.realm = realm;
        if (isSome(realm.syncSession)) process.session = realm.syncSession.value;
        told('realm', 'open');
        const watch = watching(process);
        if (watch) process.held.add(watchSession(watch));
      },
      error: (thrown: unknown) => broken(new Broken('a realm opens', String((thrown as Error).stack))),
    });
    process.held.add(opening);
  };

  const wait = (stream: 'uploadComplete$' | 'downloadComplete$', check: () => void, done: () => void): void => {
    const process = running;
    if (!process?.session) return;
    const restores = ledger.restores();
    process.held.add(
      process.session[stream].subscribe({
        next: guarded(() => {
          if (process.mortal.isDead()) return;
          told(stream, 'done');
          if (ledger.restores() === restores) check();
          done();
        }),
        error: () => undefined, // The session has ended: that is told to those who wait.
      }),
    );
  };

  return {
    open,
    close: () => {
      if (!running?.realm) return;
      told('realm', 'closed');
      const { held } = running;
      running = { ...running, held: new Subscription(), realm: null, session: null };
      held.unsubscribe();
    },
    crash: (how) => {
      if (!running) return;
      told('realm', how);
      const { mortal, held } = running;
      mortal.kill();
      held.unsubscribe();
      network.cut(number, random() < 0.5 ? 'cut' : 'half-open');
      disk.crash(how);
      running = null;
    },
    write: (bad, drawn) => {
      const process = running;
      if (!process?.realm) return;
      writes += 1;
      const id = `e:${number}:${writes};${bad ? 'bad' : ''}`;
      ledger.tried(id);
      const chance = seeded(drawn);
      const edited = (tx: Parameters<typeof edit>[0]): void => {
        const { what, about } = edit(tx, id, bad, chance);
        ledger.note(id, { what, about });
        told('writes', what, about);
      };
      from(process.realm.write(edited)).subscribe({
        next: ({ version }) => {
          if (process.mortal.isDead()) return;
          ledger.resolved(id);
          const watch = bad || drawn % 8 === 0 ? watching(process) : null;
          if (watch) process.held.add(watchWrite(watch, id, version));
        },
        error: (thrown: unknown) => broken(new Broken('a write is stored', String((thrown as Error).stack))),
      });
    },
    jump: (drawn) => {
      const by = Math.floor((seeded(drawn)() - 0.5) * 7_200_000);
      wrong += by;
      running?.mortal.jump(by);
      told('clock', String(by));
    },
    session: () => running?.session ?? null,
    client: () => running?.client ?? null,
    realm: () => running?.realm ?? null,
    kept: () => {
      const keys = disk.keys();
      const under = (prefix: string): number => keys.filter((key) => key.startsWith(prefix)).length;
      return { waiting: under(outboxEntries), objects: under(objectsFrom), all: keys.length };
    },
    uploaded: (done) => {
      const mine = Array.from({ length: writes }, (_, at) => `e:${number}:${at + 1};`);
      const realm = running?.realm;
      const here = realm ? entriesOf(realm) : new Set<string>();
      const sent = mine.filter((id) => here.has(id));
      wait(
        'uploadComplete$',
        () => {
          const missing = sent.find((id) => !ledger.wasDurable(id));
          if (missing !== undefined)
            throw new Broken('uploadComplete$ is true', `the server does not have ${missing}`, [entryNamed(missing)]);
        },
        done,
      );
    },
    downloaded: (done) => {
      const count = ledger.durables();
      const realm = running?.realm;
      wait(
        'downloadComplete$',
        () => {
          if (!realm) return;
          const here = entriesOf(realm);
          if (!ledger.isTallyLost()) checkTally(`device ${number}`, realm);
          const missing = ledger.inOrder(count).find((id) => !here.has(id));
          if (missing !== undefined)
            throw new Broken('downloadComplete$ is true', `device ${number} does not have ${missing}`, [
              entryNamed(missing),
            ]);
        },
        done,
      );
    },
    end: () => {
      if (!running) return;
      const { held, client } = running;
      held.unsubscribe();
      void client.close();
      running = null;
    },
  };
};
