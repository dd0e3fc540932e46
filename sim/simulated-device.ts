import { from, Subscription } from 'rxjs';
import { isSome, openRealm$, SyncError } from '../lib/index.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { checkCounter, applyEdit, entriesOf, schema, type WorldRealm } from './random-edits.js';
import { InvariantError, entryNameOf } from './invariants.js';
import type { Device } from './device.js';
import { isOwned, countRecords } from './disk-counts.js';
import {
  createDeviceParts,
  type DeviceOptions,
  type DeviceProcess,
  startProcess,
  userOf,
  watchTokenRenewal,
} from './device-process.js';
import { watchQueries } from './query-watch.js';
import { type WatchOptions, watchSession, watchWrite } from './session-watch.js';

/** Milliseconds after which an earlier token, and the server's answer to it, has certainly arrived. */
const tokensLateMs = 60_000;

export const createDevice = (options: DeviceOptions): Device => {
  const { number, scheduler, settings, network, ledger, userAccess, mayReset, log, broken } = options;
  const parts = createDeviceParts(options);
  const { random, disk, tokens, writes } = parts;
  const own = tokens.currentUser();
  let running: DeviceProcess | null = null;

  /** Another user's token may still be in flight after the device's own user is back. */
  const mayBeOtherUsers = (code: string): boolean => code === 'other-user' && scheduler.now() < parts.otherUserUntil;

  const guard =
    <A>(act: (given: A) => void) =>
    (given: A): void => {
      try {
        act(given);
      } catch (thrown) {
        broken(
          thrown instanceof InvariantError
            ? thrown
            : new InvariantError('nothing throws', String((thrown as Error).stack)),
        );
      }
    };
  const watching = ({ killableClock, subscription, session, realm }: DeviceProcess): WatchOptions | null => {
    if (session === null || realm === null) return null;
    const alive: WatchOptions['whileAlive'] = (look) => (value) => {
      if (!killableClock.isDead() && !subscription.closed) guard(look)(value);
    };
    return {
      number,
      session,
      realm,
      ledger,
      mayReset: () => parts.isDiscarded || parts.wasPutBack || mayReset(),
      mayEnd: mayBeOtherUsers,
      mayBeDenied: () => userAccess.wasEverLowered(own),
      rejected: parts.rejected,
      log,
      whileAlive: alive,
    };
  };
  const onOpened = (process: DeviceProcess, realm: WorldRealm): void => {
    if (process.killableClock.isDead()) return;
    parts.isDiscarded = false;
    process.realm = realm;
    if (isSome(realm.syncSession)) process.session = realm.syncSession.value;
    log('realm', 'open');
    // Only on every third device: live queries take as long as everything else together.
    if (options.seed % 3 === 0) {
      process.queries = watchQueries(`device ${number}`, realm);
      process.subscription.add(process.queries.subscription);
    }
    const watch = watching(process);
    if (!watch) return;
    process.subscription.add(watchSession(watch));
    process.subscription.add(watchTokenRenewal(options, parts, watch.session, watch.whileAlive));
  };
  const open = (): void => {
    const process = (running ??= startProcess(options, parts));
    if (process.realm !== null) return;
    const sync = { client: process.client, realm: settings.realm };
    const opening = openRealm$({ schema, storage: disk.open, sync }).subscribe({
      next: guard((realm: WorldRealm) => onOpened(process, realm)),
      error: (thrown: unknown) => broken(new InvariantError('a realm opens', String((thrown as Error).stack))),
    });
    process.subscription.add(opening);
  };
  const wait = (stream: 'uploadComplete$' | 'downloadComplete$', check: () => void, done: () => void): void => {
    const process = running;
    if (!process?.session) return;
    const restores = ledger.restoreCount();
    process.subscription.add(
      process.session[stream].subscribe({
        next: guard(() => {
          if (process.killableClock.isDead()) return;
          log(stream, 'done');
          if (ledger.restoreCount() === restores) check();
          done();
        }),
        error: () => undefined, // The session has ended, and the stream reports that.
      }),
    );
  };
  const findExisting = (ids: readonly string[]): readonly string[] => {
    const realm = running?.realm;
    const entries = realm ? entriesOf(realm) : new Set<string>();
    return ids.filter((id) => entries.has(id));
  };

  const crash: Device['crash'] = (how) => {
    // A new, empty replica would belong to the other user from then on.
    if (!running || (how === 'lost' && tokens.currentUser() !== own)) return;
    log('realm', how);
    const { killableClock: clock, subscription } = running;
    clock.kill();
    subscription.unsubscribe();
    network.cut(number, random() < 0.5 ? 'cut' : 'half-open');
    disk.crash(how === 'killed' ? 'killed' : 'power');
    running = null;
    if (how !== 'lost') return;
    disk.put(new Map());
    parts.rejected.clear();
    ledger.excuse(writes);
  };

  const close = (): void => {
    if (!running?.realm) return;
    log('realm', 'closed');
    const { subscription } = running;
    running = { ...running, subscription: new Subscription(), realm: null, session: null, queries: null };
    subscription.unsubscribe();
  };

  const replaceFolder = (folder: ReadonlyMap<string, Uint8Array>, how: string): void => {
    crash('power');
    log('realm', how);
    disk.put(folder);
    parts.wasPutBack = true;
    parts.rejected.clear();
    ledger.excuse(writes);
  };

  return {
    open,
    close,
    crash,
    copy: () => {
      if (!running?.realm) return;
      log('realm', 'copied');
      parts.copy = new Map(disk.synced());
    },
    putBack: () => {
      if (running && tokens.currentUser() === own && parts.copy !== null) replaceFolder(parts.copy, 'put back');
    },
    write: (bad, drawn) => {
      const process = running;
      if (!process?.realm) return;
      const id = `e:${number}:${writes.length + 1};${bad ? 'bad' : ''}`;
      writes.push(id);
      ledger.recordAttempt(id);
      const editRandom = createSeededRandom(drawn);
      const edit = (tx: Parameters<typeof applyEdit>[0]): void => {
        const { what, about } = applyEdit(tx, { id, bad, random: editRandom, strange: settings.strangeKeys });
        ledger.recordEdit(id, { what, about });
        log('writes', what, about);
      };
      from(process.realm.write(edit)).subscribe({
        next: ({ version }) => {
          if (process.killableClock.isDead()) return;
          ledger.recordResolved(id);
          const watch = bad || drawn % 8 === 0 ? watching(process) : null;
          if (watch) process.subscription.add(watchWrite(watch, id, version));
        },
        error: (thrown: unknown) => {
          const isOthers = thrown instanceof SyncError && mayBeOtherUsers(String(thrown.code));
          if (isOthers) ledger.excuse([id]);
          else broken(new InvariantError('a write is stored', String((thrown as Error).stack)));
        },
      });
    },
    jump: (drawn) => {
      // Stays within bounds of the true time, whatever the clock shows.
      const by = Math.floor((createSeededRandom(drawn)() - 0.5) * 2 * settings.jumpMs) - parts.wrong;
      parts.wrong += by;
      running?.killableClock.jump(by);
      log('clock', String(by));
    },
    discard: () => {
      if (!running?.realm || tokens.currentUser() !== own) return; // The new replica would belong to the other user.
      log('user', 'discards');
      parts.isDiscarded = true;
      parts.rejected.clear();
      ledger.excuse(writes);
      from(running.client.logOut({ unsynced: 'discard' })).subscribe({
        error: (thrown: unknown) => broken(new InvariantError('unsent changes are discarded', String(thrown))),
      });
    },
    changeUser: (isOther) => {
      const other = userOf(number + 2, settings);
      // A replica that the server does not know belongs to the first user who logs in: apps name the user when they
      // open it.
      if (tokens.currentUser() === (isOther ? other : own)) return;
      // While a replica is discarded, the disk still names its owner; what is written meanwhile is the next user's.
      if (isOther && (!isOwned(disk) || parts.isDiscarded || mayReset())) return;
      tokens.setUser(isOther ? other : own);
      log('user', tokens.currentUser());
      parts.otherUserUntil = isOther ? Infinity : scheduler.now() + tokensLateMs;
      void running?.client.logOut();
      running?.client.logIn();
      if (isOther || !running?.realm) return;
      close(); // The session may have ended, because the replica was another user's.
      open();
    },
    mayWrite: (may) => {
      userAccess.setAccess(own, may ? 'write' : 'read');
      log('user', may ? 'may write' : 'may read');
      ledger.excuse([]);
    },
    calm: disk.calm,
    folder: () => {
      parts.wasPutBack = true; // The first of the two devices to bind keeps the replica id.
      return disk.synced();
    },
    become: (other) => {
      if (running && tokens.currentUser() === own) replaceFolder(new Map(other.folder()), 'cloned');
    },
    tokens,
    session: () => running?.session ?? null,
    client: () => running?.client ?? null,
    realm: () => running?.realm ?? null,
    check: () => running?.queries?.check(),
    kept: () => countRecords(disk),
    uploaded: (done) => {
      const sent = findExisting(writes);
      wait(
        'uploadComplete$',
        () => {
          const missing = sent.find(
            (id) => !id.endsWith('bad') && !userAccess.wasEverLowered(own) && !ledger.wasDurable(id),
          );
          if (missing === undefined) return;
          const detail = `the server does not have ${missing}`;
          throw new InvariantError('uploadComplete$ is correct', detail, [entryNameOf(missing)]);
        },
        done,
      );
    },
    downloaded: (done) => {
      const count = ledger.durableCount();
      const realm = running?.realm;
      wait(
        'downloadComplete$',
        () => {
          if (!realm) return;
          const entries = entriesOf(realm);
          if (!ledger.isCounterLost()) checkCounter(`device ${number}`, realm);
          const missing = ledger.idsInOrder(count).find((id) => !entries.has(id));
          if (missing === undefined) return;
          const detail = `device ${number} does not have ${missing}`;
          throw new InvariantError('downloadComplete$ is correct', detail, [entryNameOf(missing)]);
        },
        done,
      );
    },
    end: () => {
      if (!running) return;
      const { subscription, client } = running;
      subscription.unsubscribe();
      void client.close();
      running = null;
    },
  };
};
