import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeValue } from '../model/errors.js';
import { didYouMean, flagProblemOf } from './did-you-mean.js';

/** The kind of value of a setting: a text, a whole number, a list of texts, or yes and no. */
type SettingKind = 'text' | 'number' | 'list' | 'flag';

interface Setting {
  readonly kind: SettingKind;
  /** The description in `--help`, in one line. */
  readonly help: string;
  /** The name of the value in `--help`. */
  readonly value?: string;
  /** The value of a flag that is given without one. */
  readonly impliedValue?: string;
}

/** All settings. Each has one name in three forms: `--trust-proxy`, `TIDEMARK_TRUST_PROXY`, `"trustProxy"`. */
export const settings = {
  data: { kind: 'text', value: 'folder', help: 'the folder of all data; created if it does not exist (required)' },
  port: { kind: 'number', value: 'n', help: 'the port; 0: any free one (8787)' },
  host: { kind: 'text', value: 'address', help: 'the address to listen on; 0.0.0.0: all (127.0.0.1)' },
  path: { kind: 'text', value: 'path', help: 'the path of the socket (every path)' },
  jwks: { kind: 'text', value: 'url|file', help: 'the public keys that verify tokens' },
  secret: {
    kind: 'text',
    value: 'text',
    help: 'the secret that signs tokens; visible in the list of processes',
  },
  secretFile: { kind: 'text', value: 'file', help: 'a file with the secret; tidemark token --new-secret makes one' },
  anyone: { kind: 'flag', help: 'accept every client without a token' },
  audience: { kind: 'list', value: 'name,…', help: 'the accepted audiences of tokens; required with --jwks' },
  issuer: { kind: 'list', value: 'name,…', help: 'the accepted issuers of tokens; required with --jwks' },
  clockToleranceMs: {
    kind: 'number',
    value: 'n',
    help: 'milliseconds that the clock of the issuer may be off (30000)',
  },
  origins: { kind: 'list', value: 'origin,…', help: 'the origins whose pages may connect; *: all' },
  trustProxy: { kind: 'flag', help: 'a proxy reports the address of the client in X-Forwarded-For' },
  chaos: {
    ...({ kind: 'text', value: 'what', impliedValue: 'all' } as const),
    help: 'for tests: a bad network, tokens that expire, a slow disk; all, or as drop=5000,disk=0-50',
  },
  inspector: {
    ...({ kind: 'list', value: 'user,…', impliedValue: '*' } as const),
    help: 'serve the page /inspector: for these users, or for every user with a token',
  },
  logLevel: { kind: 'text', value: 'level', help: 'silent, error, warn, info or debug (info)' },
} as const satisfies Readonly<Record<string, Setting>>;

type SettingValues = {
  readonly text: string;
  readonly number: number;
  readonly list: readonly string[];
  readonly flag: boolean;
};
type SettingName = keyof typeof settings;

/** The settings. `realms`, `limits` and `schemas` can be set only in the file, and are checked where they are used. */
export type Settings = { readonly [Each in SettingName]?: SettingValues[(typeof settings)[Each]['kind']] } & {
  readonly realms?: unknown;
  readonly limits?: unknown;
  readonly schemas?: unknown;
};

/** An invalid setting: its name, the expected and the received value. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** Reads a file that a setting names. Throws a `SettingsError` when the file cannot be read. */
export const readText = (path: string): string => {
  try {
    return readFileSync(path, 'utf8');
  } catch (thrown) {
    throw new SettingsError(`${path} cannot be read: ${(thrown as Error).message}.`);
  }
};

/** Reads the secret in a file: its text without one line break at the end. */
export const readSecret = (path: string): string => readText(path).replace(/\r?\n$/, '');

const settingNames = Object.keys(settings) as SettingName[];
const fileSettingNames: readonly string[] = [...settingNames, 'realms', 'limits', 'schemas'];
const secretNames: readonly SettingName[] = ['secret'];

const separateWords = (name: string, between: string): string => name.replace(/[A-Z]/g, (char) => `${between}${char}`);
export const flagOf = (name: string): string => separateWords(name, '-').toLowerCase();
const variableOf = (name: string): string => `TIDEMARK_${separateWords(name, '_').toUpperCase()}`;

const expectations: Readonly<Record<SettingKind, string>> = {
  text: 'a text',
  number: 'a whole number',
  list: 'a text, or a list of texts',
  flag: 'true or false',
};

const checkValue = (where: string, name: SettingName, value: unknown): SettingValues[SettingKind] => {
  const { kind }: Setting = settings[name];
  const isText = typeof value === 'string' && value !== '';
  if (kind === 'text' && isText) return value;
  if (kind === 'flag' && typeof value === 'boolean') return value;
  if (kind === 'number' && Number.isSafeInteger(value)) return value as number;
  if (kind === 'list' && isText) return value.split(',').map((each) => each.trim());
  if (kind === 'list' && Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== ''))
    return value as string[];
  const received = secretNames.includes(name) ? typeof value : describeValue(value);
  throw new SettingsError(`${where} must be ${expectations[kind]}, received ${received}.`);
};

/** Parses a setting of the command line or the environment, where numbers and flags are text. */
const parseText = (name: SettingName, text: string): unknown => {
  const { kind }: Setting = settings[name];
  if (kind === 'number' && /^-?\d{1,15}$/.test(text)) return Number(text);
  return kind === 'flag' && /^(true|false|1|0)$/.test(text) ? text === 'true' || text === '1' : text;
};

const collectSettings = (valueOf: (name: SettingName) => unknown, where: (name: SettingName) => string): Settings =>
  Object.fromEntries(
    settingNames.flatMap((name) => {
      const value = valueOf(name);
      return value === undefined ? [] : [[name, checkValue(where(name), name, value)]];
    }),
  );

/** Adds the implied value to a flag without a value. */
const completeFlags = (args: readonly string[]): readonly string[] =>
  args.map((arg, index) => {
    const name = settingNames.find((each) => `--${flagOf(each)}` === arg);
    const { impliedValue }: Partial<Setting> = name === undefined ? {} : settings[name];
    const isAlone = args[index + 1]?.startsWith('-') ?? true;
    return impliedValue !== undefined && isAlone ? `${arg}=${impliedValue}` : arg;
  });

/** Parses the command line, with the path of the file. Throws a `SettingsError`. */
export const parseFlags = (args: readonly string[]) => {
  const flags = settingNames.map((name) => {
    const { kind }: Setting = settings[name];
    return [flagOf(name), { type: kind === 'flag' ? 'boolean' : 'string' } as const] as const;
  });
  const options = {
    ...Object.fromEntries(flags),
    config: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const parse = () => {
    try {
      return parseArgs({ args: [...completeFlags(args)], options, allowPositionals: false }).values;
    } catch (thrown) {
      throw new SettingsError(flagProblemOf(thrown, Object.keys(options)));
    }
  };
  const values: Readonly<Record<string, unknown>> = parse();
  const readValue = (name: SettingName): unknown => {
    const value = values[flagOf(name)];
    return typeof value === 'string' ? parseText(name, value) : value;
  };
  const { config, help } = values as { readonly config?: string; readonly help?: boolean };
  return { help: help === true, config, set: collectSettings(readValue, (name) => `--${flagOf(name)}`) };
};

/** Variables that Kubernetes sets for a service with the name of this program. */
const kubernetesPattern = /^TIDEMARK_(?:SERVICE_|PORT_\d)/;

const checkVariables = (env: Readonly<Record<string, string | undefined>>): void => {
  const known = [...settingNames.map(variableOf), 'TIDEMARK_CONFIG'];
  const unknown = Object.keys(env).find((name) => name.startsWith('TIDEMARK_') && !known.includes(name));
  if (unknown === undefined) return;
  const advice = kubernetesPattern.test(unknown)
    ? ' Kubernetes sets it for a service of this name, unless enableServiceLinks is false.'
    : didYouMean(unknown, known);
  throw new SettingsError(`${unknown} is not a setting.${advice} The settings are ${known.join(', ')}.`);
};

/**
 * Parses the environment. An empty variable counts as not set; an unknown `TIDEMARK_` variable is an error. Throws a
 * `SettingsError`.
 */
export const parseEnvironment = (env: Readonly<Record<string, string | undefined>>) => {
  checkVariables(env);
  const readValue = (name: SettingName): unknown => {
    const text = env[variableOf(name)] ?? '';
    return text === '' ? undefined : parseText(name, text);
  };
  const config = env['TIDEMARK_CONFIG'] ?? '';
  return { config: config === '' ? undefined : config, set: collectSettings(readValue, variableOf) };
};

/** Parses the settings in a file. Throws a `SettingsError`. */
export const parseFile = (path: string, text: string): Settings => {
  const parse = (): unknown => {
    try {
      return JSON.parse(text);
    } catch (thrown) {
      throw new SettingsError(`${path} is not JSON: ${(thrown as Error).message}.`);
    }
  };
  const file = parse();
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    throw new SettingsError(`${path} must be a record of settings, received ${describeValue(file)}.`);
  const values = file as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(values).find((name) => !fileSettingNames.includes(name));
  if (unknown !== undefined)
    throw new SettingsError(
      `${path}: "${unknown}" is not a setting.${didYouMean(unknown, fileSettingNames)} The settings are ${fileSettingNames.join(', ')}.`,
    );
  const { realms, limits, schemas } = values;
  return {
    ...collectSettings(
      (name) => values[name],
      (name) => `${path}: ${name}`,
    ),
    ...(realms === undefined ? {} : { realms }),
    ...(limits === undefined ? {} : { limits }),
    ...(schemas === undefined ? {} : { schemas }),
  };
};

/** The settings that say how tokens are checked. They belong together: one source decides all of them. */
const credentialNames: readonly SettingName[] = ['jwks', 'secret', 'secretFile', 'anyone'];

/** Merges settings: the first source with a value wins. */
export const mergeSettings = (sources: readonly Settings[]): Settings => {
  const deciding = sources.find((source) => credentialNames.some((name) => source[name] !== undefined));
  const merging = sources.map((source) =>
    source === deciding
      ? source
      : Object.fromEntries(Object.entries(source).filter(([name]) => !credentialNames.includes(name as SettingName))),
  );
  return Object.assign({}, ...merging.toReversed()) as Settings;
};
