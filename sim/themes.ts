import type { Act } from './plan.js';

/**
 * Kinds of worlds: each has more of one kind of trouble, so that what needs two events at one moment happens in some
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
  'lines',
  'disks',
  'answers',
] as const;

export type Theme = (typeof themes)[number];

/** What a world is like: data, as the plan that it belongs to. */
export interface Settings {
  /** The name of the realm. */
  readonly realm: string;
  /** Milliseconds after which the server forgets those who were not seen. */
  readonly retentionMs: number;
  /** Milliseconds that a token is good for, at least and at most. */
  readonly tokenMs: readonly [number, number];
  /**
   * Milliseconds that whoever is asked takes at most: the app for a token; the server about tokens, rights and writes.
   */
  readonly answerMs: number;
  /** Rejected changesets of one replica that the server keeps at once. */
  readonly refusalsPendingMax: number;
  /** Milliseconds that a disk takes now and then. */
  readonly diskMs: number;
  /** Whether keys have every legal character and any length. */
  readonly strangeKeys: boolean;
  /** Whether two devices each have one user. */
  readonly usersShared: boolean;
  /** Milliseconds that a clock is wrong after it was put forward or back, at most. */
  readonly jumpMs: number;
}

/** An act, how often it comes, and what undoes it, after how many milliseconds at most. */
export type Weight = readonly [act: Act, often: number, undone?: readonly [Act, number]];

/** What happens to devices in every world. */
export const deviceWeights: readonly Weight[] = [
  ['write', 30],
  ['refusable', 2],
  ['uploaded?', 4],
  ['downloaded?', 4],
  ['cut', 3],
  ['half-open', 1.5],
  ['repeat', 1],
  ['down', 2, ['up', 60_000]],
  ['slam', 0.7, ['steady', 60_000]],
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

/** What makes a theme: how much more often acts come than in every world, and how the world is. */
interface ThemeSettings {
  readonly more?: Partial<Record<Act, number>>;
  readonly settings?: Partial<Settings>;
  /** What happens to devices in these worlds alone. */
  readonly also?: readonly Weight[];
  /** Of the moments in which something happens, how many are several events at once. */
  readonly races?: number;
  /** Backups that are restored, at least. */
  readonly restores?: number;
  /** Milliseconds between two events of the server, on average. */
  readonly serverMs?: number;
}

/** Characters that a name of a realm may have, all of them, and as many as it may have. */
const longestRealm = 'Az09._~-'.padEnd(127, 'realm.of~all_that-may0be').slice(0, 127) + '~';

export const themeSettings: Readonly<Record<Theme, ThemeSettings>> = {
  ordinary: {},
  rejections: {
    more: { refusable: 6, cut: 2, killed: 2, power: 2, 'read only': 6 },
    also: [['reject burst', 1]],
    settings: { refusalsPendingMax: 8 },
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
  restores: { restores: 3, more: { down: 1.5, 'half-open': 2, power: 1.5 } },
  clocks: { more: { jump: 12, 'server clock wrong': 12 }, settings: { jumpMs: 3 * 24 * 3_600_000 } },
  crashes: { more: { killed: 6, power: 6, close: 3, lost: 6 }, serverMs: 30_000 },
  names: { settings: { strangeKeys: true, realm: longestRealm } },
  lines: { more: { cut: 6, 'half-open': 6, repeat: 6, slam: 4, slow: 4 } },
  disks: { settings: { diskMs: 4_000 }, more: { killed: 2, power: 2, copied: 5, 'put back': 8 } },
  answers: { settings: { answerMs: 5_000 }, more: { refusable: 3, cut: 3, renew: 4, pause: 2 } },
};

/** How a world is unless its theme says otherwise. */
export const defaultSettings: Settings = {
  realm: 'team',
  retentionMs: 30 * 24 * 3_600_000,
  tokenMs: [30_000, 150_000],
  answerMs: 0,
  refusalsPendingMax: 1_000,
  diskMs: 400,
  strangeKeys: false,
  usersShared: false,
  jumpMs: 3_600_000,
};

/** The weights of a theme. */
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
