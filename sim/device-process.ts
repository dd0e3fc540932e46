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
  readonly rights: UserAccess;
  /** Whether there is a reason for a client reset: the server is another, or has forgotten. */
  readonly mayStartOver: () => boolean;
  readonly log: (stream: string, value: string, about?: readonly string[]) => void;
  readonly broken: (broken: InvariantError) => void;
}

const timeouts = { connect: 10_000, read: 60_000, linger: 5_000, backoffMost: 60_000 };

/** A process of the app: all that is gone with it. */
export interface DeviceProcess {
  readonly killableClock: KillableClock;
  readonly client: SyncClient;
  readonly subscription: Subscription;
  realm: WorldRealm | null;
  session: SyncSession | null;
  queries: QueryWatch | null;
}

/** What a user is called: in some worlds two devices have one. */
export const userOf = (device: number, { usersShared }: Settings): string =>
  `user${usersShared ? Math.ceil(device / 2) : device}`;

/** Milliseconds in which a fresh token that was given has surely reached the server, and been looked at. */
const renewalMs = 25_000;

/** Everything about one device that outlives its processes. */
export const createDeviceParts = (options: DeviceOptions) => {
  const { number, scheduler, seed, epoch, settings } = options;
  const now = (): number => scheduler.now();
  const chanceOf = (what: number): (() => number) => createMomentRandom(mixNumbers(seed, what), now);
  const random = chanceOf(1);
  return {
    random,
    disk: createDisk({ scheduler, random: chanceOf(2), slowest: settings.diskMs }),
    tokens: createTokenSource({ user: userOf(number, settings), random: chanceOf(3), now, epoch, settings }),
    drift: (random() - 0.5) / 5,
    writes: [] as string[],
    rejected: new Set<string>(), // What its app was shown as rejected, and has to be shown until it decides.
    copy: null as ReadonlyMap<string, Uint8Array> | null,
    wasPutBack: false,
    strangeUntil: 0, // Somebody else is, or just was, logged in.
    startsOver: false, // Its copy was thrown away while the realm was open.
    wrong: 0, // Milliseconds that its clock has jumped.
  };
};

export type DeviceParts = ReturnType<typeof createDeviceParts>;

export const startProcess = (
  { number, scheduler, seed, epoch, network }: DeviceOptions,
  parts: DeviceParts,
): DeviceProcess => {
  const mortal = createKillableClock({
    ...{ scheduler, random: createSeededRandom(mixNumbers(seed, scheduler.now(), 4)) },
    ...{ epoch: epoch + parts.wrong, drift: parts.drift },
  });
  const { clock } = mortal;
  const client = createSyncClient({
    ...{ dial: network.dial(number, mortal.isDead), clock, timeouts, reconnect$: from([]) },
    accessToken: parts.tokens.accessToken(clock),
  });
  return { killableClock: mortal, client, subscription: new Subscription(), realm: null, session: null, queries: null };
};

/** Sees to it that a token counts that was given while the line was there, long before. */
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
            'a token that is renewed in time counts',
            `device ${number} gave one ${now - renewed.at} ms ago that is good for another ${left} ms`,
          );
      }),
    );
