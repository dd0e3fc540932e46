import { defer, lastValueFrom, map, merge, mergeMap, of, take, timer, type Observable } from 'rxjs';
import { systemClock } from '../clock.js';
import { InvalidArgumentError, TidemarkError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import { levelStorage } from '../storage/level.js';
import {
  allowAnyone,
  createSyncServer,
  jwt,
  type Authenticate,
  type ListenOptions,
  type RealmSchemas,
  type ServerOptions,
  type SyncServer,
} from '../server/index.js';
import { openAdminSocket } from './admin-socket.js';
import { parseChaos } from './chaos-settings.js';
import { createServerLogger, logLevels, type LogLevel, type ServerLogger } from './logger.js';
import { lockAdviceOf } from './storage-folder.js';
import { createAuthorize } from './access-rules.js';
import type { CliOutput, CliEnvironment } from './cli-environment.js';
import { injectFaults } from './fault-injection.js';
import {
  flagOf,
  parseEnvironment,
  parseFile,
  parseFlags,
  mergeSettings,
  readSecret,
  settings,
  SettingsError,
  type Settings,
  readText,
} from './settings.js';

interface Flag {
  readonly value?: string;
  readonly impliedValue?: string;
  readonly help: string;
}

const helpOf = (name: string, { value = '', impliedValue, help }: Flag): string => {
  const shown = impliedValue === undefined ? `<${value}>` : `[<${value}>]`;
  return `  ${`--${flagOf(name)}${value === '' ? '' : ` ${shown}`}`.padEnd(28)} ${help}`;
};

const usage = `Usage: tidemark serve --data <folder> [options]

Serves realms to devices, until it gets SIGTERM or SIGINT: then it tells its clients to come back,
finishes what it has, and ends; a second one ends it at once. It listens on this machine only, for a
proxy in front that speaks TLS. On its port are also /healthz, /readyz and /metrics.

Example: tidemark serve --data ./data --secret-file ./secret

Options:
${Object.entries(settings)
  .map(([name, setting]) => helpOf(name, setting))
  .join('\n')}
${helpOf('config', { value: 'file', help: 'a file of JSON with these settings, and "realms", "limits" and "schemas"' })}
${helpOf('help', { help: 'this text' })}

Each can be said in the environment, too, as TIDEMARK_PORT, and in the file as "port"; what is said
on the command line counts before the environment, and that before the file.

Exit code: 0 ended as it was asked to, 1 it failed, 2 wrong usage or settings.`;

const readSettings = (flags: ReturnType<typeof parseFlags>, env: CliEnvironment['env']): Settings => {
  const environment = parseEnvironment(env);
  const place = flags.config ?? environment.config;
  const file = place === undefined ? {} : parseFile(place, readText(place));
  return mergeSettings([flags.set, environment.set, file]);
};

/** Says whose a token is; `undefined`: nobody is asked, and only this machine may come. */
const createAuthenticate = (set: Settings): Authenticate | undefined => {
  const { jwks, secretFile, secret = secretFile === undefined ? undefined : readSecret(secretFile) } = set;
  const { anyone: isOpen = false, audience, issuer, clockToleranceMs } = set;
  const sources = [jwks, set.secret, secretFile, isOpen || undefined].filter((source) => source !== undefined);
  if (sources.length > 1) throw new SettingsError('one of --jwks, --secret, --secret-file and --anyone at a time');
  if (jwks === undefined && secret === undefined) return isOpen ? allowAnyone : undefined;
  return jwt({
    ...(jwks === undefined ? {} : { jwks }),
    ...(secret === undefined ? {} : { secret }),
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(clockToleranceMs === undefined ? {} : { clockToleranceMs }),
  });
};

/** Whether clients have to bring a token. */
const requiresTokens = ({ jwks, secret, secretFile }: Settings): boolean =>
  [jwks, secret, secretFile].some((source) => source !== undefined);

const logLevelOf = ({ logLevel = 'info' }: Settings): LogLevel => {
  const level = logLevels.find((each) => each === logLevel);
  if (level === undefined)
    throw new SettingsError(`logLevel must be one of ${logLevels.join(', ')}, received "${logLevel}"`);
  return level;
};

const listenOptionsOf = ({ port = 8787, host = '127.0.0.1', path, origins, trustProxy }: Settings): ListenOptions => ({
  ...{ port, host },
  ...(path === undefined ? {} : { path }),
  ...(origins === undefined ? {} : { origins }),
  ...(trustProxy === undefined ? {} : { trustProxy }),
});

/** Ends a server when it is asked to: emits 0 when all is done, 1 when that takes too long or it is asked twice. */
const waitForShutdown = (server: SyncServer, signals$: Observable<unknown>, logs: ServerLogger): Observable<number> => {
  const drained$ = defer(() => {
    logs.info('draining');
    return server.close();
  }).pipe(map(() => 0));
  const late$ = timer(limits.drainMsMax, systemClock.scheduler).pipe(map(() => 1));
  return signals$.pipe(
    mergeMap((_, index) => (index === 0 ? merge(drained$, late$) : of(1))),
    take(1),
  );
};

/** A server as it was set. Throws a `SettingsError` or an `InvalidArgumentError`. */
const createServer = (set: Settings, logs: ServerLogger): SyncServer => {
  if (set.data === undefined) throw new SettingsError('which folder? --data <folder>');
  const authenticate = createAuthenticate(set);
  const asksForTokens = authenticate !== undefined && authenticate !== allowAnyone;
  const options: ServerOptions = {
    storage: set.data,
    ...(authenticate === undefined ? {} : { authenticate }),
    authorize: createAuthorize(set.realms, asksForTokens),
    ...(set.schemas === undefined ? {} : { schemas: set.schemas as RealmSchemas }),
    ...(set.limits === undefined ? {} : { limits: set.limits as NonNullable<ServerOptions['limits']> }),
    log: logs.logEvent,
  };
  if (set.chaos === undefined) return createSyncServer(options);
  const chaos = parseChaos(set.chaos, asksForTokens, systemClock);
  logs.warn('chaos', { ...chaos });
  return createSyncServer(injectFaults({ ...options, storage: levelStorage(set.data) }, chaos, systemClock));
};

const runServer = async (
  set: Settings,
  said: CliOutput['printLine'],
  signals$: Observable<unknown>,
): Promise<number> => {
  const logs = createServerLogger(logLevelOf(set), said);
  const server = createServer(set, logs);
  const options = listenOptionsOf(set);
  const { port } = await server.listen(options);
  const leave = await openAdminSocket(server, set.data ?? '', logs);
  logs.info('listening', { port, host: options.host });
  if (set.anyone === true || !requiresTokens(set)) {
    const who = set.anyone === true ? 'everybody who reaches the port' : 'every program of this machine';
    logs.warn('no-tokens', {
      text: `No tokens are asked for: ${who} reads and writes every realm. --secret-file or --jwks asks for tokens.`,
    });
  }
  const code = await lastValueFrom(waitForShutdown(server, signals$, logs));
  leave();
  logs.info('ended', { code });
  return code;
};

/** The same complaint in the words of the command line: an option of the library is a setting here. */
const settingMessageOf = ({ argument, message }: InvalidArgumentError): string => {
  const [option = '', ...inside] = argument.split('.').filter((word) => word !== 'options');
  const name = option === 'storage' ? 'data' : option;
  if (Object.hasOwn(settings, name) && inside.length === 0) return message.replace(argument, `--${flagOf(name)}`);
  return ['limits', 'realms'].includes(name) ? `${message} (in the file of --config)` : message;
};

/** What could be wrong outside of this program, and what to do about it; `null`: it is a defect. */
const failureOf = (
  thrown: unknown,
  { data = '' }: Settings,
): { readonly text: string; readonly code: number } | null => {
  if (thrown instanceof SettingsError) return { text: thrown.message, code: 2 };
  if (thrown instanceof InvalidArgumentError) return { text: settingMessageOf(thrown), code: 2 };
  const { message, code } = thrown as NodeJS.ErrnoException;
  if (!(thrown instanceof TidemarkError) && typeof code !== 'string') return null;
  const holder = lockAdviceOf(data, thrown as Error, '');
  return { text: holder === null ? message : `${message}\n${holder}`, code: 1 };
};

/** Runs a server until it is asked to end. Resolves with the exit code; never rejects but for a defect. */
export const runServeCommand = async (
  args: readonly string[],
  { printLine, printError }: CliOutput,
  { env, signals$ }: CliEnvironment,
): Promise<number> => {
  let set: Settings = {};
  try {
    const flags = parseFlags(args);
    if (flags.help) {
      printLine(usage);
      return 0;
    }
    set = readSettings(flags, env);
    return await runServer(set, printLine, signals$);
  } catch (thrown) {
    const complaint = failureOf(thrown, set);
    if (complaint === null) throw thrown;
    printError(`tidemark serve: ${complaint.text}`);
    return complaint.code;
  }
};
