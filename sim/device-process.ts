import { defer, filter, from, NEVER, type SchedulerLike, Subscription } from 'rxjs';
import { createSyncClient, type OpenStorage, type SyncClient, type SyncSession } from '../lib/index.js';
import type { Clock } from '../lib/clock.js';
import { observeSimulatedOffline } from '../lib/inspector/simulate-offline.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { shareBetweenTabs } from '../lib/storage/tab-platform.js';
import { createMomentRandom, mixNumbers } from './moment-random.js';
import { createDisk } from './simulated-disk.js';
import type { WorldRealm } from './random-edits.js';
import { InvariantError, type Ledger } from './invariants.js';
import { createKillableClock } from './killable-clock.js';
import { createLogInWatch } from './log-in-watch.js';
import type { DialingProcess, Network } from './simulated-network.js';
import type { QueryWatch } from './query-watch.js';
import type { UserAccess } from './user-access.js';
import type { Settings } from './themes.js';
import type { ScopeCheck } from './scope-check.js';
import type { UserScopes } from './world-scopes.js';
import type { ViewOracle } from './view-oracle.js';
import { createTokenSource } from './token-source.js';
import type { WatchOptions } from './session-watch.js';
import { createVirtualBrowser, type VirtualBrowser, type VirtualTab } from './virtual-tabs.js';

export interface DeviceOptions {
  readonly number: number;
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
  /** Whether there is a reason for a client reset: the server was restored, or its retention period is short. */
  readonly mayReset: () => boolean;
  readonly log: (stream: string, value: string, about?: readonly string[], tab?: number) => void;
  readonly broken: (broken: InvariantError) => void;
}

const timeouts = { connect: 10_000, read: 60_000, linger: 5_000, backoffMost: 60_000 };
/** The connection of a tab that closes its realm ends before two connections of a device are a fault. */
const tabTimeouts = { linger: 900 };

/** One process of the app, or its run in one tab: everything that ends with it. */
export interface DeviceProcess extends DialingProcess {
  /** The tab; `null` on a device that has no browser. */
  readonly page: VirtualTab | null;
  readonly kill: () => void;
  /** Moves the clock forward or back. That of a browser is moved for all tabs at once. */
  readonly jump: (ms: number) => void;
  readonly storage: OpenStorage;
  readonly client: SyncClient;
  /** Writes whose promises have not settled. */
  readonly unsettled: Set<string>;
  /** Writes that were listed as rejected and stay listed until the app decides. */
  readonly rejected: Set<string>;
  subscription: Subscription;
  realm: WorldRealm | null;
  session: SyncSession | null;
  queries: QueryWatch | null;
}

/** Devices with several tabs, in worlds that have tabs: the others would only take time. */
const tabDevices = 2;

/** Returns the most tabs of a device. 1: it has no browser, and one process. */
export const tabsMaxOf = (device: number, { tabsMax }: Settings): number => (device <= tabDevices ? tabsMax : 1);

/** Returns the user of a device. In some worlds two devices share a user. */
export const userOf = (device: number, { usersShared }: Settings): string =>
  `user${usersShared ? Math.ceil(device / 2) : device}`;

/** Milliseconds after which a renewed token has certainly reached the server and has been checked. */
const renewalMs = 25_000;

/** Creates the state of a device that outlives its processes. */
export const createDeviceParts = (options: DeviceOptions) => {
  const { number, scheduler, seed, epoch, settings } = options;
  const now = (): number => scheduler.now();
  const randomOf = (purpose: number): (() => number) => createMomentRandom(mixNumbers(seed, purpose), now);
  const random = randomOf(1);
  return {
    random,
    disk: createDisk({ scheduler, random: randomOf(2), slowest: settings.diskMs }),
    tokens: createTokenSource({ user: userOf(number, settings), random: randomOf(3), now, epoch, settings }),
    drift: (random() - 0.5) / 5,
    writes: [] as string[],
    rejected: new Set<string>(), // As those of a process, over all processes of a device without a browser.
    browser: null as VirtualBrowser | null, // With its tabs, in worlds with several tabs; it ends with the device.
    copy: null as ReadonlyMap<string, Uint8Array> | null,
    wasPutBack: false,
    logIns: createLogInWatch({ now }),
    hasLoggedOut: false, // From then on, some tabs may be logged in and others not.
    staleUntil: 0, // Until then a tab that led before it was suspended may still show its old state to others.
    otherUserUntil: 0, // Until then another user is logged in, or a message about that user's token may still arrive.
    unsentCards: new Map<string, string>(), // Cards that writes changed which the server may not have, by write.
    isDiscarded: false, // The replica was discarded while the realm was open.
    wrong: 0, // Milliseconds by which the clock is wrong.
  };
};

export type DeviceParts = ReturnType<typeof createDeviceParts>;

/** Starts the only process of a device without a browser. */
export const startProcess = (options: DeviceOptions, parts: DeviceParts): DeviceProcess => {
  const { scheduler, seed, epoch } = options;
  const { clock, isDead, kill, jump } = createKillableClock({
    ...{ scheduler, random: createSeededRandom(mixNumbers(seed, scheduler.now(), 4)) },
    ...{ epoch: epoch + parts.wrong, drift: parts.drift },
  });
  const dialing: DialingProcess = { tab: 0, isDead, run: (event) => event() };
  const client = createClient(options, dialing, clock, parts.tokens.accessToken(clock));
  const { rejected } = parts;
  return { ...dialing, ...createRealmState(), page: null, kill, jump, storage: parts.disk.open, client, rejected };
};

const createRealmState = (): Pick<DeviceProcess, 'unsettled' | 'subscription' | 'realm' | 'session' | 'queries'> => ({
  ...{ unsettled: new Set(), subscription: new Subscription(), realm: null, session: null, queries: null },
});

const createClient = (
  { number, network, settings }: DeviceOptions,
  process: DialingProcess,
  clock: Clock,
  accessToken: ReturnType<ReturnType<typeof createTokenSource>['accessToken']>,
): SyncClient =>
  createSyncClient({
    ...{ dial: network.dial(number, process), clock, reconnect$: from([]) },
    timeouts: { ...timeouts, quickRetry: settings.quickRetry, ...(process.tab > 0 && tabTimeouts) },
    accessToken,
  });

/** Starts the browser of a device. */
const startBrowser = ({ scheduler, seed, epoch }: DeviceOptions, parts: DeviceParts): VirtualBrowser => {
  const browser: VirtualBrowser = createVirtualBrowser({
    ...{ scheduler, random: createMomentRandom(mixNumbers(seed, 5), () => scheduler.now()), name: 'world' },
    now: () => Math.round(epoch + scheduler.now() * (1 + parts.drift / 1_000)) + parts.wrong,
    // A browser that has ended opens nothing any more.
    storage: () => defer(() => (parts.browser === browser ? parts.disk.open : NEVER)),
  });
  return browser;
};

/** Opens a tab, and starts the app in it. */
export const startTab = (options: DeviceOptions, parts: DeviceParts, hidden: boolean): DeviceProcess => {
  const isFirst = parts.browser === null;
  const page = (parts.browser ??= startBrowser(options, parts)).openTab({ hidden });
  const { number: tab, clock, isEnded: isDead, run, crash: kill } = page;
  const dialing: DialingProcess = { tab, isDead, run };
  const client = createClient(options, dialing, clock, parts.tokens.accessToken(clock, !isFirst));
  const storage = shareBetweenTabs(
    defer(() => parts.disk.open),
    page.platform,
  );
  const jump = (): void => undefined;
  return { ...dialing, ...createRealmState(), page, kill, jump, storage, client, rejected: new Set() };
};

/** Checks that a client without a network by its switch is not connected. */
export const checkSwitch = (deviceName: string, { client, session }: DeviceProcess): void => {
  const values: boolean[] = []; // The present one, at once.
  observeSimulatedOffline(client)
    .subscribe((offline) => values.push(offline))
    .unsubscribe();
  if (values[0] === true && session?.connectionState === 'connected')
    throw new InvariantError('a client that is switched off is not connected', deviceName);
};

/** Checks that the server uses a token that the client renewed in time on an open connection. */
export const watchTokenRenewal = (
  { number, scheduler, epoch, network }: DeviceOptions,
  { tokens }: DeviceParts,
  session: SyncSession,
  alive: WatchOptions['whileAlive'],
): Subscription =>
  session.status$
    .pipe(filter(({ connection }) => connection.state === 'disconnected' && connection.reason.kind === 'token-expired'))
    .subscribe(
      alive(() => {
        const renewed = tokens.lastRenewal();
        const openedAt = network.openedAt(number);
        const now = scheduler.now();
        if (renewed === null || openedAt === null || openedAt >= renewed.at || now - renewed.at < renewalMs) return;
        const left = renewed.ends - (epoch + now);
        if (left > 1_000)
          throw new InvariantError(
            'a token that is renewed in time is used',
            `device ${number} renewed its token ${now - renewed.at} ms ago, and it is valid for another ${left} ms`,
          );
      }),
    );
