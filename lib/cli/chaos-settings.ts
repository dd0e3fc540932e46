import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import { SettingsError } from './settings.js';

/** A range of milliseconds. */
export type MsRange = readonly [least: number, most: number];

/** The faults to inject, with times in milliseconds; `null` disables a fault. */
export interface ChaosSettings {
  /** The seed of random numbers: the same calls in the same order get the same faults. */
  readonly seed: number;
  /** The delay of each message in both directions. */
  readonly delay: MsRange | null;
  /** The average time after which a connection breaks. */
  readonly drop: number | null;
  /** The average time after which a connection is closed with a code after which clients reconnect. */
  readonly close: number | null;
  /** The longest lifetime of a token. */
  readonly expire: number | null;
  /** The delay of each answer of the disk. */
  readonly disk: MsRange | null;
}

/**
 * Faults that show within a minute and still let data through: a page of messages takes seconds on such a connection.
 */
const allChaos = { delay: [0, 250], drop: 45_000, close: 60_000, expire: 60_000, disk: [0, 50] } as const;
const noChaos = { delay: null, drop: null, close: null, expire: null, disk: null } as const;

type ChaosKind = keyof typeof allChaos;

/** The shortest average time of a connection or a token: with less no client could bind. */
const averageMsMin = 100;

const expectation =
  'chaos must be all, or some of delay=0-250, drop=45000, close=60000, expire=60000, disk=0-50 (milliseconds) and seed=1';
const createChaosError = (text: string): SettingsError => new SettingsError(`${expectation}, received "${text}".`);

const parseWholeNumber = (digits: string | undefined, part: string, least: number, most: number): number => {
  const value = Number(digits);
  if (digits === undefined || !/^\d{1,15}$/.test(digits) || value < least || value > most)
    throw new SettingsError(
      `chaos: ${part} must be a whole number from ${least} to ${most}, received "${digits ?? ''}".`,
    );
  return value;
};

const parseRange = (text: string, part: string): MsRange => {
  const [from = '', to = from, ...more] = text.split('-');
  if (more.length > 0) throw createChaosError(text);
  const least = parseWholeNumber(from, part, 0, limits.chaosMsMax);
  return [least, parseWholeNumber(to, part, least, limits.chaosMsMax)];
};

const isChaosKind = (name: string): name is ChaosKind => Object.hasOwn(allChaos, name);

const parsePart = (part: string): Partial<ChaosSettings> => {
  if (part === 'all') return allChaos;
  const [name = '', value = '', ...more] = part.split('=');
  if (more.length > 0) throw createChaosError(part);
  if (name === 'seed') return { seed: parseWholeNumber(value, name, 0, 2 ** 32 - 1) };
  if (!isChaosKind(name)) throw createChaosError(part);
  if (name === 'delay' || name === 'disk') return { [name]: parseRange(value, name) };
  return { [name]: parseWholeNumber(value, name, averageMsMin, limits.timerMsMax) };
};

/**
 * Parses `--chaos`: parts separated by commas, of which later ones win. A seed without other parts enables all faults.
 * Tokens expire only on a server that requires tokens. Draws a random seed if none is given. Throws a `SettingsError`.
 */
export const parseChaos = (text: string, requiresTokens: boolean, { random }: Pick<Clock, 'random'>): ChaosSettings => {
  const parts = text.split(',').map((part) => part.trim());
  const seed = Math.floor(random() * 2 ** 32);
  const named = parts.map(parsePart);
  const isSeedOnly = named.every((part) => Object.keys(part).every((name) => name === 'seed'));
  const chaos: ChaosSettings = Object.assign({ ...(isSeedOnly ? allChaos : noChaos), seed }, ...named) as ChaosSettings;
  if (requiresTokens || chaos.expire === null) return chaos;
  if (parts.some((part) => part.startsWith('expire=')))
    throw new SettingsError('chaos: expire needs a server with tokens. Add --jwks, --secret or --secret-file.');
  return { ...chaos, expire: null };
};
