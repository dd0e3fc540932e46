import { historyBlockForm } from '../lib/server/history/history-block.js';
import { decodeLatest } from '../lib/server/history/record-codec.js';
import type { SchedulerLike, Subscription } from 'rxjs';
import { serverWire } from '../lib/protocol/message-wire.js';
import { createServerCore } from '../lib/server/server-core.js';
import { checkServerOptions } from '../lib/server/check-server-options.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { decodeStoredValue } from '../lib/model/stored-data.js';
import { limits as defaultLimits } from '../lib/model/limits.js';
import { backUpAndRestore } from './backup-restore.js';
import { createMomentRandom, mixNumbers } from './moment-random.js';
import { createDisk } from './simulated-disk.js';
import { idOf } from './random-edits.js';
import { cutoffErrorOf, InvariantError, entryNameOf, type Ledger } from './invariants.js';
import { createKillableClock, type KillableClock } from './killable-clock.js';
import type { Network } from './simulated-network.js';
import { userOf } from './device-process.js';
import type { UserAccess } from './user-access.js';
import type { Settings } from './themes.js';
import { createAccess } from './server-access.js';
import { ScopeFailedError, type UserScopes } from './world-scopes.js';
import type { ScopeCheck } from './scope-check.js';
import type { ViewOracle } from './view-oracle.js';
import { checkServerIndex } from './server-index.js';
import { createViewWatch } from './view-watch.js';

/** The only server of a world. It can be killed and started again. */
export interface SimulatedServer {
  readonly start: () => void;
  readonly kill: (how: 'killed' | 'power') => void;
  /** Ends gracefully: the process ends when the server has drained. */
  readonly restart: () => void;
  readonly backup: () => void;
  /** Kills the server and starts it with the content of the last backup. */
  readonly restore: () => void;
  /** Moves the clock by an amount drawn from `seed`; `null` corrects it. */
  readonly jump: (seed: number | null) => void;
  /** Makes all answers immediate. */
  readonly calm: () => void;
  /** Number of changesets of the history that are on the disk. */
  readonly historyLength: () => number;
  /** Checks the index of the objects on the disk. */
  readonly checkIndex: () => void;
}

export interface SimulatedServerOptions {
  readonly scheduler: SchedulerLike;
  readonly seed: number;
  readonly epoch: number;
  readonly settings: Settings;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly userAccess: UserAccess;
  /** `null` in a world without subscriptions. */
  readonly oracle: ViewOracle | null;
  /** `null` in a world in which every user sees everything. */
  readonly scopes: UserScopes | null;
  readonly scopeCheck: ScopeCheck | null;
  readonly log: (event: string) => void;
  /** Called for each write that is durable. */
  readonly stored: (id: string) => void;
  readonly broken: (broken: InvariantError) => void;
  /** Pauses virtual time until asynchronous work is done. */
  readonly waitFor: (work: () => Promise<void>) => void;
}

const idPattern = /e:\d+:\d+;/g;
const blockKey = /^realm\/[^/]+\/log\/e/;

const historyIdKey = /^realm\/[^/]+\/id$/;
const cutoffKey = /^realm\/[^/]+\/horizon$/;

const decodeHistoryId = (key: string, bytes: Uint8Array): string => String(decodeStoredValue(key, bytes));

/** The time of the latest changeset of a block of a history. */
const stampOf = (key: string, bytes: Uint8Array): number =>
  Math.max(...historyBlockForm.decode(key, bytes).map(({ time }) => time));

const countChangesets = (entries: ReadonlyMap<string, Uint8Array>): number =>
  [...entries]
    .filter(([key]) => blockKey.test(key))
    .reduce((sum, [key, bytes]) => sum + historyBlockForm.decode(key, bytes).length, 0);

const limits = {
  projectionLagBytesMax: 4_096,
  compactionMs: 20_000,
  restartMs: 500,
  restartSpreadMs: 2_000,
  snapshotLeaseMs: 5_000,
};

export const createSimulatedServer = ({
  scheduler,
  seed,
  epoch,
  settings,
  network,
  ledger,
  userAccess,
  oracle,
  scopes,
  scopeCheck,
  log,
  stored,
  broken,
  waitFor,
}: SimulatedServerOptions): SimulatedServer => {
  const random = createMomentRandom(seed, () => scheduler.now());
  let latestStamp = 0; // The latest time of a changeset that was on the disk.
  const disk = createDisk({
    scheduler,
    random: createMomentRandom(mixNumbers(seed, 1), () => scheduler.now()),
    slowest: settings.diskMs,
    onDurable: (changes) => {
      for (const change of changes) {
        if (change.type !== 'put') continue;
        const fault = cutoffKey.test(change.key)
          ? cutoffErrorOf(decodeLatest(change.key, change.value), latestStamp)
          : null;
        if (fault) broken(fault);
        if (historyIdKey.test(change.key)) oracle?.noteHistory(decodeHistoryId(change.key, change.value));
        if (!blockKey.test(change.key)) continue;
        oracle?.add(change.key, change.value);
        latestStamp = Math.max(latestStamp, stampOf(change.key, change.value));
        const text = Buffer.from(change.value).toString('latin1');
        for (const [id] of text.matchAll(idPattern)) {
          ledger.recordDurable(id);
          stored(id);
        }
        if (text.includes('Tally')) ledger.recordCounterStored();
      }
    },
  });
  const watchWire = oracle && createViewWatch({ oracle, scopeCheck, broken });
  let killableClock: KillableClock | null = null;
  let core: ReturnType<typeof createServerCore> | null = null;
  let closing: Subscription | null = null;
  let saved: ReadonlyMap<string, Uint8Array> | null = null;
  let { answerMs } = settings;
  let isWanted = false;
  let wrong = 0; // Milliseconds by which the clock is wrong.

  /** Checks that a write is sent by the user of the device that made it, and not by another user of that device. */
  const checkSender = (user: string, key: string): void => {
    const id = idOf(key);
    const writer = userOf(Number(id.split(':')[1]), settings);
    if (user === writer) return;
    broken(
      new InvariantError('a device sends only the writes of its own user', `${id} of ${writer} was sent by ${user}`, [
        entryNameOf(id),
      ]),
    );
  };

  const start = (): void => {
    if (core !== null) {
      isWanted = closing !== null; // It starts again when the server has ended.
      return;
    }
    isWanted = false;
    const process = createKillableClock({
      scheduler,
      random: createSeededRandom(mixNumbers(seed, scheduler.now())),
      epoch: epoch + wrong,
      drift: 0.02,
    });
    killableClock = process;
    core = createServerCore(
      checkServerOptions({
        ...{
          storage: disk.open,
          clock: process.clock,
          limits: {
            ...limits,
            retentionMs: settings.retentionMs,
            rejectionsPendingMax: settings.rejectionsPendingMax,
          },
        },
        ...createAccess({
          ...{ killableClock: process, random, answerMs: () => answerMs, userAccess, scopes },
          checkSender: settings.hasPermit ? checkSender : null,
        }),
        log: (event) => {
          if (event.event !== 'failed' || process.isDead()) return;
          const { error } = event;
          if (error instanceof ScopeFailedError) return;
          broken(
            new InvariantError(
              'nothing fails in the server',
              error instanceof Error ? (error.stack ?? '') : String(error),
            ),
          );
        },
      }),
    );
    network.serve(serverWire(watchWire?.(core.wire) ?? core.wire));
    log('up');
  };
  const endProcess = (): void => {
    killableClock?.kill();
    killableClock = null;
    core = null;
    closing?.unsubscribe();
    closing = null;
    network.serve(null);
  };
  const onEnded = (): void => {
    endProcess();
    if (isWanted) start();
  };
  return {
    start,
    kill: (how) => {
      if (core === null) return;
      log(how);
      endProcess();
      disk.crash(how);
    },
    restart: () => {
      if (core === null || closing !== null) return;
      log('restarting');
      const { closing$, closed$ } = core;
      closing$.subscribe();
      const restarting = core;
      // A process manager waits this long and then kills the process.
      scheduler.schedule(() => {
        if (core !== restarting) return;
        log('killed');
        disk.crash('killed');
        onEnded();
      }, defaultLimits.drainMsMax);
      closing = closed$.subscribe({
        complete: () => {
          log('ended');
          onEnded();
        },
      });
    },
    backup: () => {
      saved = new Map(disk.synced());
      ledger.recordBackup();
      oracle?.save();
      log('backup');
    },
    restore: () => {
      const entries = saved;
      if (entries === null) return;
      log('restore');
      endProcess();
      waitFor(async () => {
        const restored = await backUpAndRestore(entries, createSeededRandom(mixNumbers(seed, scheduler.now(), 2)));
        disk.put(restored);
        ledger.recordRestore();
        oracle?.restore();
        for (const [key, value] of restored)
          if (historyIdKey.test(key)) oracle?.noteHistory(decodeHistoryId(key, value));
        start();
      });
    },
    jump: (drawn) => {
      const by = (drawn === null ? 0 : Math.floor((createSeededRandom(drawn)() - 0.5) * 2 * settings.jumpMs)) - wrong;
      wrong += by;
      killableClock?.jump(by);
      log(`clock ${by}`);
    },
    calm: () => {
      disk.calm();
      answerMs = 0;
    },
    historyLength: () => countChangesets(disk.synced()),
    checkIndex: () => checkServerIndex(disk.entries()),
  };
};
