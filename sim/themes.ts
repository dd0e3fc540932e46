import { defaultTimeouts } from '../lib/session/connection/timeouts.js';
import type { Act } from './plan.js';

/**
 * Kinds of worlds. Each theme has more of one kind of fault, so that rare coincidences of two events happen in some
 * world.
 */
export const themes = [
  'ordinary',
  'rejections',
  'tokens',
  'snapshots',
  'races',
  'users',
  'restores',
  'clocks',
  'crashes',
  'names',
  'connections',
  'disks',
  'answers',
] as const;

/**
 * A theme. The devices of `tabs` have several tabs, those of all others have one process. Some devices of
 * `subscriptions` hold only what they subscribe to. In `scope` their users see a part of the realm, besides. The worlds
 * of these three are played beside those of the others, so that the seeds of those keep their worlds.
 */
export type Theme = (typeof themes)[number] | 'tabs' | 'subscriptions' | 'scope';

/** Settings of a world: data, like the plan that contains them. */
export interface Settings {
  /** Name of the realm. */
  readonly realm: string;
  /** Retention period of the server in milliseconds. */
  readonly retentionMs: number;
  /** Shortest and longest validity of a token, in milliseconds. */
  readonly tokenMs: readonly [number, number];
  /**
   * Longest delay in milliseconds of the app's token answers, and of the server's answers about tokens, access and
   * writes.
   */
  readonly answerMs: number;
  /** Rejected changesets of one replica that the server keeps at once. */
  readonly rejectionsPendingMax: number;
  /** Longest delay of a disk in milliseconds, which occurs now and then. */
  readonly diskMs: number;
  /** Whether keys have every allowed character and any length. */
  readonly strangeKeys: boolean;
  /** Whether two devices share a user. */
  readonly usersShared: boolean;
  /** Most milliseconds by which a moved clock is wrong. */
  readonly jumpMs: number;
  /** The timeout `quickRetry` of the clients. */
  readonly quickRetry: number;
  /** Most tabs of a device. 1: the app has no tabs, and one process. */
  readonly tabsMax: number;
  /** Whether the server has `permit`. Without it, it skims changesets and rejects none of them. */
  readonly hasPermit: boolean;
  /** Number of devices that have subscriptions: the first ones. 0: all have the whole realm, and there are no cards. */
  readonly partialDevices: number;
  /** Whether the users of these devices see a part of the realm, which changes. */
  readonly hasScope: boolean;
}

/** An act, its weight, and the act that undoes it within a number of milliseconds. */
export type Weight = readonly [act: Act, often: number, undone?: readonly [Act, number]];

/** Acts of devices in every world. */
export const deviceWeights: readonly Weight[] = [
  ['write', 30],
  ['rejectable', 2],
  ['uploaded?', 4],
  ['downloaded?', 4],
  ['cut', 3],
  ['half-open', 1.5],
  ['repeat', 1],
  ['down', 2, ['up', 60_000]],
  ['close after open', 0.7, ['stay open', 60_000]],
  ['slow', 1.5, ['fast', 60_000]],
  ['pause', 1, ['resume', 40_000]],
  ['logOut', 0.5, ['logIn', 40_000]],
  ['discard', 0.2, ['logIn', 20_000]],
  ['other user', 0.2, ['own user', 40_000]],
  ['read only', 0.15, ['may write', 40_000]],
  ['renew', 1],
  ['tokens fail', 0.3, ['tokens work', 40_000]],
  ['tokens expired', 0.2, ['tokens work', 40_000]],
  ['close', 1, ['open', 30_000]],
  ['killed', 1.5, ['open', 20_000]],
  ['power', 1.5, ['open', 20_000]],
  ['lost', 0.1, ['open', 20_000]],
  ['copied', 0.3],
  ['put back', 0.1, ['open', 20_000]],
  ['reconnect', 1],
  ['jump', 0.5],
];

export const serverWeights: readonly Weight[] = [
  ['server killed', 3, ['server up', 20_000]],
  ['server power', 3, ['server up', 20_000]],
  ['server restarted', 2, ['server up', 10_000]],
  ['server clock wrong', 0.3, ['server clock right', 60_000]],
];

/** A theme: factors for the weights of acts, and settings. */
interface ThemeSettings {
  readonly more?: Partial<Record<Act, number>>;
  readonly settings?: Partial<Settings>;
  /** Additional acts of devices in these worlds only. */
  readonly also?: readonly Weight[];
  /** Share of moments with several events at once. */
  readonly races?: number;
  /** Least number of backups that are restored. */
  readonly restores?: number;
  /** Milliseconds between two events of the server, on average. */
  readonly serverMs?: number;
}

/** The longest realm name, with every allowed character. */
const longestRealm = 'Az09._~-'.padEnd(127, 'realm.of~all_that-may0be').slice(0, 127) + '~';

/** Factors for devices with subscriptions, which lost or copied folders and other users do not concern. */
const subscribedMore: ThemeSettings['more'] = {
  'other user': 0,
  'put back': 0,
  lost: 0,
  discard: 0,
  down: 2,
  killed: 1.5,
  power: 1.5,
};

export const themeSettings: Readonly<Record<Theme, ThemeSettings>> = {
  ordinary: {},
  rejections: {
    more: { rejectable: 6, cut: 2, killed: 2, power: 2, 'read only': 6 },
    also: [['reject burst', 1]],
    settings: { rejectionsPendingMax: 8 },
  },
  tokens: {
    more: { renew: 10, 'tokens fail': 6, 'tokens expired': 6, cut: 2, pause: 2, logOut: 2 },
    settings: { tokenMs: [8_000, 40_000], answerMs: 4_000 },
  },
  snapshots: {
    more: { down: 2, killed: 2, slow: 2 },
    also: [['burst', 0.2]],
    settings: { retentionMs: 60_000 },
  },
  races: { races: 0.5, more: { pause: 2, close: 2, cut: 2, reconnect: 2, logOut: 2 } },
  users: {
    more: { 'other user': 10, 'read only': 6, discard: 10, logOut: 4, lost: 3 },
    also: [['cloned', 0.3, ['open', 20_000]]],
    settings: { usersShared: true },
  },
  restores: { restores: 6, more: { down: 1.5, 'half-open': 2, power: 1.5 } },
  clocks: { more: { jump: 12, 'server clock wrong': 12 }, settings: { jumpMs: 3 * 24 * 3_600_000 } },
  crashes: { more: { killed: 6, power: 6, close: 3, lost: 6 }, serverMs: 30_000 },
  names: { settings: { strangeKeys: true, realm: longestRealm } },
  connections: {
    more: { cut: 6, 'half-open': 6, repeat: 6, 'close after open': 4, slow: 4 },
    settings: { hasPermit: false },
  },
  disks: { settings: { diskMs: 4_000, hasPermit: false }, more: { killed: 2, power: 2, copied: 5, 'put back': 8 } },
  answers: { settings: { answerMs: 5_000 }, more: { rejectable: 3, cut: 3, renew: 4, pause: 2 } },
  tabs: {
    settings: { tabsMax: 3 },
    // Another user of a device concerns one process: see `users`.
    more: { 'other user': 0 },
    also: [
      ['open tab', 2],
      ['close tab', 1, ['open tab', 20_000]],
      ['crash tab', 1, ['open tab', 20_000]],
      ['freeze', 1.5, ['resume tab', 40_000]],
      ['suspend', 0.5, ['resume tab', 10_000]],
      ['hide', 2, ['show', 40_000]],
    ],
  },
  subscriptions: {
    settings: { partialDevices: 3 },
    more: subscribedMore,
    also: [
      ['subscribe', 4],
      // The view of the first one may be overtaken when its last page is on the way.
      ['subscribe', 3, ['subscribe', 400]],
      ['subscribe again', 1],
      ['unsubscribe', 2],
      ['subscribe often', 1.5],
    ],
    serverMs: 45_000,
  },
  scope: {
    settings: { partialDevices: 3, hasScope: true },
    more: { ...subscribedMore, write: 1.3 },
    also: [
      ['subscribe', 4],
      // The scope may change while the objects of the subscription are on the way.
      ['subscribe', 4, ['scope', 400]],
      ['subscribe often', 1],
      ['unsubscribe', 1],
      ['scope', 3],
      ['scope empty', 1, ['scope', 30_000]],
      ['scope whole', 1, ['scope', 40_000]],
      ['scope flaps', 1.5],
      ['scope fails', 0.5, ['scope works', 20_000]],
    ],
    serverMs: 45_000,
  },
};

/** Settings of a world unless its theme changes them. */
export const defaultSettings: Settings = {
  realm: 'team',
  retentionMs: 30 * 24 * 3_600_000,
  tokenMs: [30_000, 150_000],
  answerMs: 0,
  rejectionsPendingMax: 1_000,
  diskMs: 400,
  strangeKeys: false,
  usersShared: false,
  jumpMs: 3_600_000,
  quickRetry: defaultTimeouts.quickRetry,
  tabsMax: 1,
  hasPermit: true,
  partialDevices: 0,
  hasScope: false,
};

/** Returns the weights of a theme. */
export const weightsOf = (
  weights: readonly Weight[],
  { more = {} }: ThemeSettings,
  also: readonly Weight[] = [],
): readonly Weight[] => [
  ...weights.map(([act, often, undone]): Weight => {
    const weight = often * (more[act] ?? 1);
    return undone ? [act, weight, undone] : [act, weight];
  }),
  ...also,
];
