import { from, Subscription } from 'rxjs';
import { InvalidStateError, isSome, openRealm$, SchemaError, SyncError } from '../lib/index.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { StorageTakenOverError } from '../lib/model/taken-over-error.js';
import type { DeviceOptions, DeviceParts, DeviceProcess } from './device-process.js';
import { watchTokenRenewal } from './device-process.js';
import { entryNameOf, InvariantError } from './invariants.js';
import { watchQueries } from './query-watch.js';
import { checkCounter, entriesOf, type applyEdit, type WorldRealm } from './random-edits.js';
import { watchSession, watchWrite, type WatchOptions } from './session-watch.js';
import {
  applyWorldEdit,
  createMarkCheck,
  isPartial,
  noteUnsentCard,
  realmOptionsOf,
  watchLeaves,
} from './subscription-acts.js';

/** Runs the app in a process of a device, or in one of its tabs. */
export interface AppRunner {
  readonly open: (process: DeviceProcess) => void;
  readonly close: (process: DeviceProcess) => void;
  readonly write: (process: DeviceProcess, bad: boolean, drawn: number) => void;
  /** Subscribes to `uploadComplete$`, checks its claim, and calls `done` after it emits. */
  readonly uploaded: (process: DeviceProcess, done: () => void) => void;
  readonly downloaded: (process: DeviceProcess, done: () => void) => void;
}

/** Whether nothing of a write is stored that failed with this error: another tab was faster, or has taken the lead. */
const isRefusal = (thrown: unknown): boolean =>
  thrown instanceof SchemaError || thrown instanceof InvalidStateError || thrown instanceof StorageTakenOverError;

export const createAppRunner = (
  options: DeviceOptions,
  parts: DeviceParts,
  /** Whether an error with this code is about another user of the device. */
  mayBeOtherUsers: (code: string) => boolean,
): AppRunner => {
  const { number, settings, ledger, userAccess, mayReset, broken } = options;
  const { tokens, writes } = parts;
  const own = tokens.currentUser();
  const nameOf = ({ tab }: DeviceProcess): string => `device ${number}${tab > 0 ? `, tab ${tab}` : ''}`;
  const logOf =
    ({ tab }: DeviceProcess): WatchOptions['log'] =>
    (stream, value, about) =>
      options.log(stream, value, about, tab);

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
  const watching = (process: DeviceProcess): WatchOptions | null => {
    const { subscription, session, realm, rejected, isDead } = process;
    if (session === null || realm === null) return null;
    return {
      ...{ deviceName: nameOf(process), session, realm, ledger, rejected, isShared: process.page !== null },
      mayReset: () => parts.isDiscarded || parts.wasPutBack || options.scheduler.now() < parts.staleUntil || mayReset(),
      mayEnd: mayBeOtherUsers,
      mayBeDenied: () => userAccess.wasEverLowered(own),
      log: logOf(process),
      whileAlive: (look) => (value) => {
        if (!isDead() && !subscription.closed) guard(look)(value);
      },
    };
  };
  const onOpened = (process: DeviceProcess, realm: WorldRealm): void => {
    if (process.isDead()) return;
    if (process.page === null) parts.isDiscarded = false; // Other tabs may still show what was discarded.
    process.realm = realm;
    if (isSome(realm.syncSession)) process.session = realm.syncSession.value;
    logOf(process)('realm', 'open');
    // Only on every third device: live queries take as long as everything else together.
    if (options.seed % 3 === 0) {
      process.queries = watchQueries(nameOf(process), realm);
      process.subscription.add(process.queries.subscription);
    }
    const watch = watching(process);
    if (!watch) return;
    if (isPartial(number, settings)) process.subscription.add(watchLeaves(options, parts, watch));
    process.subscription.add(watchSession(watch));
    process.subscription.add(watchTokenRenewal(options, parts, watch.session, watch.whileAlive));
  };
  const wait = (
    process: DeviceProcess,
    stream: 'uploadComplete$' | 'downloadComplete$',
    check: () => void,
    done: () => void,
  ): void => {
    if (!process.session) return;
    const restores = ledger.restoreCount();
    process.subscription.add(
      process.session[stream].subscribe({
        next: guard(() => {
          if (process.isDead()) return;
          logOf(process)(stream, 'done');
          if (ledger.restoreCount() === restores) check();
          done();
        }),
        error: () => undefined, // The session has ended, and the stream reports that.
      }),
    );
  };
  const onFailed = (process: DeviceProcess, id: string, isClosed: boolean, thrown: unknown): void => {
    const isOthers = thrown instanceof SyncError && mayBeOtherUsers(String(thrown.code));
    const isOfTab = process.page !== null;
    // A write of a tab that closes its realm is settled at once, and may be stored.
    if (isOthers || (isOfTab && isClosed)) ledger.excuse([id]);
    else if (isOfTab && isRefusal(thrown)) {
      logOf(process)('writes', `${id} failed`, [entryNameOf(id)]);
      ledger.recordFailed(id, String(thrown));
    } else broken(new InvariantError('a write is stored', `${id}: ${String((thrown as Error).stack)}`));
  };

  return {
    open: (process) => {
      const sync = { client: process.client, realm: settings.realm };
      const opening = openRealm$({ ...realmOptionsOf(options), storage: process.storage, sync }).subscribe({
        next: guard((realm: WorldRealm) => onOpened(process, realm)),
        error: (thrown: unknown) => broken(new InvariantError('a realm opens', String((thrown as Error).stack))),
      });
      process.subscription.add(opening);
    },
    close: (process) => {
      if (!process.realm) return;
      logOf(process)('realm', 'closed');
      const { subscription } = process;
      Object.assign(process, { subscription: new Subscription(), realm: null, session: null, queries: null });
      subscription.unsubscribe();
    },
    write: (process, bad, drawn) => {
      const { realm, subscription, unsettled } = process;
      if (!realm) return;
      const id = `e:${number}:${writes.length + 1};${bad ? 'bad' : ''}`;
      writes.push(id);
      ledger.recordAttempt(id);
      const editRandom = createSeededRandom(drawn);
      const edit = (tx: Parameters<typeof applyEdit>[0]): void => {
        const { what, about } = applyWorldEdit(options, tx, {
          id,
          bad,
          random: editRandom,
          strange: settings.strangeKeys,
        });
        ledger.recordEdit(id, { what, about });
        logOf(process)('writes', what, about);
      };
      const isClosed = (): boolean => process.subscription !== subscription;
      unsettled.add(id);
      from(realm.write(edit)).subscribe({
        next: ({ version }) => {
          if (process.isDead()) return;
          unsettled.delete(id);
          ledger.recordResolved(id);
          noteUnsentCard(options, parts, id);
          const watch = !isClosed() && (bad || drawn % 8 === 0) ? watching(process) : null;
          if (watch) subscription.add(watchWrite(watch, id, version));
        },
        error: (thrown: unknown) => {
          unsettled.delete(id);
          if (!process.isDead()) onFailed(process, id, isClosed(), thrown);
        },
      });
    },
    uploaded: (process, done) => {
      const { realm } = process;
      const entries = realm ? entriesOf(realm) : new Set<string>();
      const sent = writes.filter((id) => entries.has(id));
      const check = (): void => {
        const missing = sent.find(
          (id) =>
            !id.endsWith('bad') && !userAccess.wasEverLowered(own) && !ledger.wasSettled(id) && !ledger.wasHidden(id),
        );
        if (missing === undefined) return;
        const detail = `the server does not have ${missing} of ${nameOf(process)}`;
        throw new InvariantError('uploadComplete$ is correct', detail, [entryNameOf(missing)]);
      };
      wait(process, 'uploadComplete$', check, done);
    },
    downloaded: (process, done) => {
      const count = ledger.durableCount();
      const { realm } = process;
      const checkMark = realm && createMarkCheck(options, parts, realm);
      const check = (): void => {
        if (!realm) return;
        if (checkMark) {
          checkMark();
          return;
        }
        const entries = entriesOf(realm);
        if (options.oracle === null && !ledger.isCounterLost()) checkCounter(nameOf(process), realm);
        const missing = ledger.idsInOrder(count).find((id) => !entries.has(id));
        if (missing === undefined) return;
        const detail = `${nameOf(process)} does not have ${missing}`;
        throw new InvariantError('downloadComplete$ is correct', detail, [entryNameOf(missing)]);
      };
      wait(process, 'downloadComplete$', check, done);
    },
  };
};
