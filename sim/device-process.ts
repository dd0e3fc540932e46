import { filter, from, type SchedulerLike, Subscription } from 'rxjs';
import { createSyncClient, type SyncClient, type SyncSession } from '../lib/index.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { createMomentRandom, mixNumbers } from './moment-random.js';
import { createDisk } from './simulated-disk.js';
import type { WorldRealm } from './random-edits.js';
import { InvariantError, type Ledger } from './invariants.js';
import { createKillableClock, type KillableClock } from './killable-clock.js';
import type { Network } from './simulated-network.js';
import type { QueryWatch } from './query-watch.js';
import type { UserAccess } from './user-access.js';
import type { Settings } from './themes.js';
import { createTokenSource } from './token-source.js';
import type { WatchOptions } from './session-watch.js';

export interface DeviceOptions {
  readonly number: number;
  readonly scheduler: SchedulerLike;
  readonly seed: number;
  readonly epoch: number;
  readonly settings: Settings;
  readonly network: Network;
  readonly ledger: Ledger;
  readonly userAccess: UserAccess;
  /** Whether there is a reason for a client reset: the server was restored, or its retention period is short. */
  readonly mayReset: () => boolean;
  readonly log: (stream: string, value: string, about?: readonly string[]) => void;
  readonly broken: (broken: InvariantError) => void;
}

const timeouts = { connect: 10_000, read: 60_000, linger: 5_000, backoffMost: 60_000 };

/** One process of the app: everything that ends with it. */
export interface DeviceProcess {
  readonly killableClock: KillableClock;
  readonly client: SyncClient;
  readonly subscription: Subscription;
  realm: WorldRealm | null;
  session: SyncSession | null;
  queries: QueryWatch | null;
}

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
    rejected: new Set<string>(), // Writes that were listed as rejected and stay listed until the app decides.
    copy: null as ReadonlyMap<string, Uint8Array> | null,
    wasPutBack: false,
    otherUserUntil: 0, // Until then another user is logged in, or a message about that user's token may still arrive.
    isDiscarded: false, // The replica was discarded while the realm was open.
    wrong: 0, // Milliseconds by which the clock is wrong.
  };
};

export type DeviceParts = ReturnType<typeof createDeviceParts>;

export const startProcess = (
  { number, scheduler, seed, epoch, network, settings }: DeviceOptions,
  parts: DeviceParts,
): DeviceProcess => {
  const killableClock = createKillableClock({
    ...{ scheduler, random: createSeededRandom(mixNumbers(seed, scheduler.now(), 4)) },
    ...{ epoch: epoch + parts.wrong, drift: parts.drift },
  });
  const { clock } = killableClock;
  const client = createSyncClient({
    ...{ dial: network.dial(number, killableClock.isDead), clock, reconnect$: from([]) },
    timeouts: { ...timeouts, quickRetry: settings.quickRetry },
    accessToken: parts.tokens.accessToken(clock),
  });
  return { killableClock, client, subscription: new Subscription(), realm: null, session: null, queries: null };
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
