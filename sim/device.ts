import { from, Subscription } from 'rxjs';
import { isSome, openRealm$, SyncError, type SyncClient, type SyncSession } from '../lib/index.js';
import { seeded } from '../lib/model/chance.js';
import { checkTally, edit, entriesOf, schema, type WorldRealm } from './edits.js';
import { Broken, entryNamed } from './judge.js';
import { isOwned, keptOn } from './kept.js';
import { createParts, type DeviceOptions, type Process, started, userOf, watchRenewal } from './process.js';
import { watchQueries } from './queries.js';
import type { TokenSource } from './tokens.js';
import { type WatchOptions, watchSession, watchWrite } from './watch.js';

/** One device with its user. What makes no sense at the moment (writing while closed) does nothing. */
export interface Device {
  readonly open: () => void;
  readonly close: () => void;
  /** `lost`: its disk is gone, too, and it comes back with an empty one. */
  readonly crash: (how: 'killed' | 'power' | 'lost') => void;
  /** Copies its folder, as a backup of a phone does; and puts the copy in the place of what is there, with the process gone. */
  readonly copy: () => void;
  readonly putBack: () => void;
  readonly write: (bad: boolean, seed: number) => void;
  readonly jump: (seed: number) => void;
  /** Logs the user out and throws away what is not on the server. */
  readonly discard: () => void;
  /** Somebody else logs in on it, or its own user again. */
  readonly changeUser: (isOther: boolean) => void;
  /** Its user may write, or may only read from the next bind on. */
  readonly mayWrite: (may: boolean) => void;
  /** Its disk is as quick as any from now on. */
  readonly calm: () => void;
  /** What is on its disk. */
  readonly folder: () => ReadonlyMap<string, Uint8Array>;
  /** Becomes a copy of another device: its folder is put in the place of what is there, with the process gone. */
  readonly become: (other: Pick<Device, 'folder'>) => void;
  readonly tokens: TokenSource;
  readonly session: () => SyncSession | null;
  readonly client: () => SyncClient | null;
  readonly realm: () => WorldRealm | null;
  /** Asks for `uploadComplete$` and sees to it that it tells the truth; tells when it does. */
  readonly uploaded: (done: () => void) => void;
  readonly downloaded: (done: () => void) => void;
  /** Looks at what its live queries show. */
  readonly check: () => void;
  /** What is on its disk, counted. */
  readonly kept: () => ReturnType<typeof keptOn>;
  /** Everything is let go of. */
  readonly end: () => void;
}

/** Milliseconds in which a token of before, and what the server says of it, has surely arrived. */
const tokensLateMs = 60_000;

export const createDevice = (options: DeviceOptions): Device => {
  const { number, scheduler, settings, network, ledger, rights, mayStartOver, told, broken } = options;
  const parts = createParts(options);
  const { random, disk, tokens, writes } = parts;
  const own = tokens.user();
  let running: Process | null = null;

  /** Somebody else's token may still be on its way when its own user is back. */
  const mayBeOthers = (code: string): boolean => code === 'other-user' && scheduler.now() < parts.strangeUntil;

  const guarded =
    <A>(act: (given: A) => void) =>
    (given: A): void => {
      try {
        act(given);
      } catch (thrown) {
        broken(thrown instanceof Broken ? thrown : new Broken('nothing throws', String((thrown as Error).stack)));
      }
    };
  const watching = ({ mortal, held, session, realm }: Process): WatchOptions | null => {
    if (session === null || realm === null) return null;
    const alive: WatchOptions['alive'] = (look) => (said) => {
      if (!mortal.isDead() && !held.closed) guarded(look)(said);
    };
    return {
      number,
      session,
      realm,
      ledger,
      mayStartOver: () => parts.startsOver || parts.wasPutBack || mayStartOver(),
      mayEnd: mayBeOthers,
      mayBeDenied: () => rights.wereLowered(own),
      rejected: parts.rejected,
      told,
      alive,
    };
  };
  const opened = (process: Process, realm: WorldRealm): void => {
    if (process.mortal.isDead()) return;
    parts.startsOver = false;
    process.realm = realm;
    if (isSome(realm.syncSession)) process.session = realm.syncSession.value;
    told('realm', 'open');
    // On every third device: they take as long as all the rest.
    if (options.seed % 3 === 0) {
      process.queries = watchQueries(`device ${number}`, realm);
      process.held.add(process.queries.held);
    }
    const watch = watching(process);
    if (!watch) return;
    process.held.add(watchSession(watch));
    process.held.add(watchRenewal(options, parts, watch.session, watch.alive));
  };
  const open = (): void => {
    const process = (running ??= started(options, parts));
    if (process.realm !== null) return;
    const sync = { client: process.client, realm: settings.realm };
    const opening = openRealm$({ schema, storage: disk.open, sync }).subscribe({
      next: guarded((realm: WorldRealm) => opened(process, realm)),
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
  const isThere = (ids: readonly string[]): readonly string[] => {
    const realm = running?.realm;
    const here = realm ? entriesOf(realm) : new Set<string>();
    return ids.filter((id) => here.has(id));
  };

  const crash: Device['crash'] = (how) => {
    // A blank copy would be the other user's from then on.
    if (!running || (how === 'lost' && tokens.user() !== own)) return;
    told('realm', how);
    const { mortal, held } = running;
    mortal.kill();
    held.unsubscribe();
    network.cut(number, random() < 0.5 ? 'cut' : 'half-open');
    disk.crash(how === 'killed' ? 'killed' : 'power');
    running = null;
    if (how !== 'lost') return;
    disk.put(new Map());
    parts.rejected.clear();
    ledger.forgiven(writes);
  };

  const close = (): void => {
    if (!running?.realm) return;
    told('realm', 'closed');
    const { held } = running;
    running = { ...running, held: new Subscription(), realm: null, session: null, queries: null };
    held.unsubscribe();
  };

  const replaced = (folder: ReadonlyMap<string, Uint8Array>, how: string): void => {
    crash('power');
    told('realm', how);
    disk.put(folder);
    parts.wasPutBack = true;
    parts.rejected.clear();
    ledger.forgiven(writes);
  };

  return {
    open,
    close,
    crash,
    copy: () => {
      if (!running?.realm) return;
      told('realm', 'copied');
      parts.copy = new Map(disk.synced());
    },
    putBack: () => {
      if (running && tokens.user() === own && parts.copy !== null) replaced(parts.copy, 'put back');
    },
    write: (bad, drawn) => {
      const process = running;
      if (!process?.realm) return;
      const id = `e:${number}:${writes.length + 1};${bad ? 'bad' : ''}`;
      writes.push(id);
      ledger.tried(id);
      const chance = seeded(drawn);
      const edited = (tx: Parameters<typeof edit>[0]): void => {
        const { what, about } = edit(tx, { id, bad, random: chance, strange: settings.strangeKeys });
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
        error: (thrown: unknown) => {
          const isOthers = thrown instanceof SyncError && mayBeOthers(String(thrown.code));
          if (isOthers) ledger.forgiven([id]);
          else broken(new Broken('a write is stored', String((thrown as Error).stack)));
        },
      });
    },
    jump: (drawn) => {
      // Within bounds of what is right, wherever it was before.
      const by = Math.floor((seeded(drawn)() - 0.5) * 2 * settings.jumpMs) - parts.wrong;
      parts.wrong += by;
      running?.mortal.jump(by);
      told('clock', String(by));
    },
    discard: () => {
      if (!running?.realm || tokens.user() !== own) return; // It would be the other's from then on.
      told('user', 'discards');
      parts.startsOver = true;
      parts.rejected.clear();
      ledger.forgiven(writes);
      from(running.client.logOut({ unsynced: 'discard' })).subscribe({
        error: (thrown: unknown) => broken(new Broken('what is unsent is thrown away', String(thrown))),
      });
    },
    changeUser: (isOther) => {
      const other = userOf(number + 2, settings);
      // A copy that the server does not know is whoever's logs in first: apps say who it is when they open it.
      if (tokens.user() === (isOther ? other : own) || (isOther && (!isOwned(disk) || mayStartOver()))) return;
      tokens.change(isOther ? other : own);
      told('user', tokens.user());
      parts.strangeUntil = isOther ? Infinity : scheduler.now() + tokensLateMs;
      void running?.client.logOut();
      running?.client.logIn();
      if (isOther || !running?.realm) return;
      close(); // Its session may have ended, as the copy was another user's.
      open();
    },
    mayWrite: (may) => {
      rights.become(own, may ? 'write' : 'read');
      told('user', may ? 'may write' : 'may read');
      ledger.forgiven([]);
    },
    calm: disk.calm,
    folder: () => {
      parts.wasPutBack = true; // Which of the two goes on as who it was is decided by who is first.
      return disk.synced();
    },
    become: (other) => {
      if (running && tokens.user() === own) replaced(new Map(other.folder()), 'cloned');
    },
    tokens,
    session: () => running?.session ?? null,
    client: () => running?.client ?? null,
    realm: () => running?.realm ?? null,
    check: () => running?.queries?.check(),
    kept: () => keptOn(disk),
    uploaded: (done) => {
      const sent = isThere(writes);
      wait(
        'uploadComplete$',
        () => {
          const missing = sent.find((id) => !id.endsWith('bad') && !rights.wereLowered(own) && !ledger.wasDurable(id));
          if (missing === undefined) return;
          const detail = `the server does not have ${missing}`;
          throw new Broken('uploadComplete$ is true', detail, [entryNamed(missing)]);
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
          if (missing === undefined) return;
          const detail = `device ${number} does not have ${missing}`;
          throw new Broken('downloadComplete$ is true', detail, [entryNamed(missing)]);
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
