import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeValue } from '../model/errors.js';
import { didYouMean } from './did-you-mean.js';

/** What a setting may hold: a text, a whole number, a list of texts, or yes and no. */
type SettingKind = 'text' | 'number' | 'list' | 'flag';

interface Setting {
  readonly kind: SettingKind;
  /** What it is for, in one line of `--help`. */
  readonly help: string;
  /** How its value is called there. */
  readonly value?: string;
  /** What a flag says that stands without a value. */
  readonly impliedValue?: string;
}

/** Every setting has one name, written thrice: `--trust-proxy`, `TIDEMARK_TRUST_PROXY`, `"trustProxy"`. */
export const settings = {
  data: { kind: 'text', value: 'folder', help: 'where everything is kept; made when it is not there (needed)' },
  port: { kind: 'number', value: 'n', help: 'the port; 0: any free one (8787)' },
  host: { kind: 'text', value: 'address', help: 'the address to listen on; 0.0.0.0: all (127.0.0.1)' },
  path: { kind: 'text', value: 'path', help: 'the path of the socket (every path)' },
  jwks: { kind: 'text', value: 'url|file', help: 'the public keys that tokens are checked with' },
  secret: {
    kind: 'text',
    value: 'text',
    help: 'the secret that tokens are signed with; others see it in the list of processes',
  },
  secretFile: { kind: 'text', value: 'file', help: 'a file with the secret; tidemark token --new-secret makes one' },
  anyone: { kind: 'flag', help: 'let in everybody, without a token' },
  audience: { kind: 'list', value: 'name,…', help: 'for whom tokens have to be; needed beside --jwks' },
  issuer: { kind: 'list', value: 'name,…', help: 'who has to have made them; needed beside --jwks' },
  clockToleranceMs: { kind: 'number', value: 'n', help: 'how far the clocks of who makes tokens may be off (30000)' },
  origins: { kind: 'list', value: 'origin,…', help: 'the origins whose pages may connect; *: all' },
  trustProxy: { kind: 'flag', help: 'a proxy in front says in X-Forwarded-For who calls' },
  chaos: {
    ...({ kind: 'text', value: 'what', impliedValue: 'all' } as const),
    help: 'for tests: a bad network, tokens that expire, a slow disk; all, or as drop=5000,disk=0-50',
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

/** What was set. `realms`, `limits` and `schemas` can be set in the file only, and are checked by who uses them. */
export type Settings = { readonly [Each in SettingName]?: SettingValues[(typeof settings)[Each]['kind']] } & {
  readonly realms?: unknown;
  readonly limits?: unknown;
  readonly schemas?: unknown;
};

/** A setting that makes no sense: which one, what was expected, what was got. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
}

/** The text of a file that a setting names. Throws a `SettingsError` when it cannot be read. */
export const readText = (place: string): string => {
  try {
    return readFileSync(place, 'utf8');
  } catch (thrown) {
    throw new SettingsError(`${place} cannot be read: ${(thrown as Error).message}`);
  }
};

/** The secret in a file: all of its text, but for one line break at its end. */
export const readSecret = (place: string): string => readText(place).replace(/\r?\n$/, '');

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
  const got = secretNames.includes(name) ? typeof value : describeValue(value);
  throw new SettingsError(`${where} must be ${expectations[kind]}, received ${got}`);
};

/** What a line of text says: numbers and flags are texts there. */
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

/** A flag that may stand alone, with what it says then. */
const completeFlags = (args: readonly string[]): readonly string[] =>
  args.map((arg, index) => {
    const name = settingNames.find((each) => `--${flagOf(each)}` === arg);
    const { impliedValue }: Partial<Setting> = name === undefined ? {} : settings[name];
    const isAlone = args[index + 1]?.startsWith('-') ?? true;
    return impliedValue !== undefined && isAlone ? `${arg}=${impliedValue}` : arg;
  });

/** What the command line says, and which file it names. Throws a `SettingsError`. */
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
  const parsed = () => {
    try {
      return parseArgs({ args: [...completeFlags(args)], options, allowPositionals: false }).values;
    } catch (thrown) {
      throw new SettingsError((thrown as Error).message.split('. ')[0] ?? ''); // It throws nothing else.
    }
  };
  const values: Readonly<Record<string, unknown>> = parsed();
  const said = (name: SettingName): unknown => {
    const value = values[flagOf(name)];
    return typeof value === 'string' ? parseText(name, value) : value;
  };
  const { config, help } = values as { readonly config?: string; readonly help?: boolean };
  return { help: help === true, config, set: collectSettings(said, (name) => `--${flagOf(name)}`) };
};

/** What Kubernetes puts into the environment for a service that is named like this program. */
const kubernetesPattern = /^TIDEMARK_(?:SERVICE_|PORT_\d)/;

const checkVariables = (env: Readonly<Record<string, string | undefined>>): void => {
  const known = [...settingNames.map(variableOf), 'TIDEMARK_CONFIG'];
  const unknown = Object.keys(env).find((name) => name.startsWith('TIDEMARK_') && !known.includes(name));
  if (unknown === undefined) return;
  const why = kubernetesPattern.test(unknown)
    ? ' Kubernetes sets it for a service of this name: enableServiceLinks: false leaves it out.'
    : didYouMean(unknown, known);
  throw new SettingsError(`${unknown}: there is no such setting.${why} There are ${known.join(', ')}.`);
};

/**
 * What the environment says. A variable that is empty is not set; one that there is not is refused. Throws a
 * `SettingsError`.
 */
export const parseEnvironment = (env: Readonly<Record<string, string | undefined>>) => {
  checkVariables(env);
  const said = (name: SettingName): unknown => {
    const text = env[variableOf(name)] ?? '';
    return text === '' ? undefined : parseText(name, text);
  };
  const config = env['TIDEMARK_CONFIG'] ?? '';
  return { config: config === '' ? undefined : config, set: collectSettings(said, variableOf) };
};

/** What a file says; `place` is its name. Throws a `SettingsError`. */
export const parseFile = (place: string, text: string): Settings => {
  const parsed = (): unknown => {
    try {
      return JSON.parse(text);
    } catch (thrown) {
      throw new SettingsError(`${place}: this is no JSON: ${(thrown as Error).message}`);
    }
  };
  const file = parsed();
  if (typeof file !== 'object' || file === null || Array.isArray(file))
    throw new SettingsError(`${place} must be a record of settings, received ${describeValue(file)}`);
  const values = file as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(values).find((name) => !fileSettingNames.includes(name));
  if (unknown !== undefined)
    throw new SettingsError(
      `${place}: there is no setting "${unknown}".${didYouMean(unknown, fileSettingNames)} There are ${fileSettingNames.join(', ')}.`,
    );
  const { realms, limits, schemas } = values;
  return {
    ...collectSettings(
      (name) => values[name],
      (name) => `${place}: ${name}`,
    ),
    ...(realms === undefined ? {} : { realms }),
    ...(limits === undefined ? {} : { limits }),
    ...(schemas === undefined ? {} : { schemas }),
  };
};

/** How tokens are checked is one thing: a source that says one of these says all of them. */
const credentialNames: readonly SettingName[] = ['jwks', 'secret', 'secretFile', 'anyone'];

/** The first source that says something counts. */
export const mergeSettings = (sources: readonly Settings[]): Settings => {
  const deciding = sources.find((source) => credentialNames.some((name) => source[name] !== undefined));
  const merging = sources.map((source) =>
    source === deciding
      ? source
      : Object.fromEntries(Object.entries(source).filter(([name]) => !credentialNames.includes(name as SettingName))),
  );
  return Object.assign({}, ...merging.toReversed()) as Settings;
};
