import type { Clock } from '../clock.js';
import { limits } from '../model/limits.js';
import { SettingsError } from './settings.js';

/** From so many milliseconds to so many. */
export type MsRange = readonly [least: number, most: number];

/** What goes wrong, in milliseconds; `null`: that does not. */
export interface ChaosSettings {
  /** Of what is drawn: the same again for the same calls in the same order. */
  readonly seed: number;
  /** How long each message is held up, either way. */
  readonly delay: MsRange | null;
  /** How long a line lasts on average before it breaks. */
  readonly drop: number | null;
  /** How long it lasts on average before it is closed with a code that asks to come again. */
  readonly close: number | null;
  /** How long a token is good at most. */
  readonly expire: number | null;
  /** How long each answer of the disk is held up. */
  readonly disk: MsRange | null;
}

/**
 * Bad enough to be noticed within a minute, and not so bad that nothing gets through: a page of messages takes a line
 * seconds.
 */
const allChaos = { delay: [0, 250], drop: 45_000, close: 60_000, expire: 60_000, disk: [0, 50] } as const;
const noChaos = { delay: null, drop: null, close: null, expire: null, disk: null } as const;

type ChaosKind = keyof typeof allChaos;

/** The least that a line or a token lasts on average: with less nobody could bind. */
const averageMsMin = 100;

const expectation =
  'chaos: expected all, or some of delay=0-250, drop=45000, close=60000, expire=60000, disk=0-50 (milliseconds) and seed=1';
const createChaosError = (text: string): SettingsError => new SettingsError(`${expectation}, received "${text}"`);

const parseWholeNumber = (digits: string | undefined, part: string, least: number, most: number): number => {
  const value = Number(digits);
  if (digits === undefined || !/^\d{1,15}$/.test(digits) || value < least || value > most)
    throw new SettingsError(
      `chaos: ${part} must be a whole number from ${least} to ${most}, received "${digits ?? ''}"`,
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
 * What `--chaos` says: parts with commas in between, of which later ones count; a seed that stands alone is that of
 * all. Tokens expire only where some are asked for. Throws a `SettingsError`. Draws a seed where none is given.
 */
export const parseChaos = (text: string, asksForTokens: boolean, { random }: Pick<Clock, 'random'>): ChaosSettings => {
  const parts = text.split(',').map((part) => part.trim());
  const seed = Math.floor(random() * 2 ** 32);
  const named = parts.map(parsePart);
  const isSeedOnly = named.every((part) => Object.keys(part).every((name) => name === 'seed'));
  const chaos: ChaosSettings = Object.assign({ ...(isSeedOnly ? allChaos : noChaos), seed }, ...named) as ChaosSettings;
  if (asksForTokens || chaos.expire === null) return chaos;
  if (parts.some((part) => part.startsWith('expire=')))
    throw new SettingsError(
      'chaos: expire must be a server that asks for tokens (--jwks, --secret or --secret-file), received none',
    );
  return { ...chaos, expire: null };
};
