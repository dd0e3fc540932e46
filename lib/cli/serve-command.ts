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

Serves realms to devices until it receives SIGTERM or SIGINT. It then asks its clients to reconnect
later, stores everything that it has received, and ends; a second signal ends it immediately. It listens
on this machine only, for a proxy with TLS. Its port also has /healthz, /readyz and /metrics, and with
--inspector the page /inspector.

Example: tidemark serve --data ./data --secret-file ./secret

Options:
${Object.entries(settings)
  .map(([name, setting]) => helpOf(name, setting))
  .join('\n')}
${helpOf('config', { value: 'file', help: 'a file of JSON with these settings, and "realms", "limits" and "schemas"' })}
${helpOf('help', { help: 'this text' })}

Each setting can also be an environment variable such as TIDEMARK_PORT, or be in the file as "port". The
command line wins over the environment, and the environment over the file.

Exit code: 0 ended by a signal, 1 failed, 2 wrong usage or settings.`;

const readSettings = (flags: ReturnType<typeof parseFlags>, env: CliEnvironment['env']): Settings => {
  const environment = parseEnvironment(env);
  const path = flags.config ?? environment.config;
  const file = path === undefined ? {} : parseFile(path, readText(path));
  return mergeSettings([flags.set, environment.set, file]);
};

/** Checks tokens by the settings. `undefined`: there are no tokens, and only this machine may connect. */
const createAuthenticate = (set: Settings): Authenticate | undefined => {
  const { jwks, secretFile, secret = secretFile === undefined ? undefined : readSecret(secretFile) } = set;
  const { anyone: isOpen = false, audience, issuer, clockToleranceMs } = set;
  const sources = [jwks, set.secret, secretFile, isOpen || undefined].filter((source) => source !== undefined);
  if (sources.length > 1)
    throw new SettingsError('Only one of --jwks, --secret, --secret-file and --anyone can be set.');
  if (jwks === undefined && secret === undefined) return isOpen ? allowAnyone : undefined;
  return jwt({
    ...(jwks === undefined ? {} : { jwks }),
    ...(secret === undefined ? {} : { secret }),
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
    ...(clockToleranceMs === undefined ? {} : { clockToleranceMs }),
  });
};

/** Whether clients need a token. */
const requiresTokens = ({ jwks, secret, secretFile }: Settings): boolean =>
  [jwks, secret, secretFile].some((source) => source !== undefined);

const logLevelOf = ({ logLevel = 'info' }: Settings): LogLevel => {
  const level = logLevels.find((each) => each === logLevel);
  if (level === undefined)
    throw new SettingsError(`logLevel must be one of ${logLevels.join(', ')}, received "${logLevel}".`);
  return level;
};

/** Names of users, or every user with a token. `true` and `false` are what an environment variable may have. */
const inspectorOf = (users: readonly string[]): NonNullable<ListenOptions['inspector']> => {
  const [only] = users;
  if (users.length === 1 && only === 'false') return false;
  return users.includes('*') || (users.length === 1 && only === 'true') ? true : users;
};

const listenOptionsOf = ({
  port = 8787,
  host = '127.0.0.1',
  path,
  origins,
  trustProxy,
  inspector,
}: Settings): ListenOptions => ({
  ...{ port, host },
  ...(inspector === undefined ? {} : { inspector: inspectorOf(inspector) }),
  ...(path === undefined ? {} : { path }),
  ...(origins === undefined ? {} : { origins }),
  ...(trustProxy === undefined ? {} : { trustProxy }),
});

/**
 * Closes a server at a signal. Emits 0 when everything is stored, 1 when that takes too long or after a second signal.
 */
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

/** Creates the server of the settings. Throws a `SettingsError` or an `InvalidArgumentError`. */
const createServer = (set: Settings, logs: ServerLogger): SyncServer => {
  if (set.data === undefined) throw new SettingsError('The folder is missing. Use --data <folder>.');
  const authenticate = createAuthenticate(set);
  const hasTokens = authenticate !== undefined && authenticate !== allowAnyone;
  const options: ServerOptions = {
    storage: set.data,
    ...(authenticate === undefined ? {} : { authenticate }),
    authorize: createAuthorize(set.realms, hasTokens),
    ...(set.schemas === undefined ? {} : { schemas: set.schemas as RealmSchemas }),
    ...(set.limits === undefined ? {} : { limits: set.limits as NonNullable<ServerOptions['limits']> }),
    log: logs.logEvent,
  };
  if (set.chaos === undefined) return createSyncServer(options);
  const chaos = parseChaos(set.chaos, hasTokens, systemClock);
  logs.warn('chaos', { ...chaos });
  return createSyncServer(injectFaults({ ...options, storage: levelStorage(set.data) }, chaos, systemClock));
};

const runServer = async (
  set: Settings,
  printLine: CliOutput['printLine'],
  signals$: Observable<unknown>,
): Promise<number> => {
  const logs = createServerLogger(logLevelOf(set), printLine);
  const server = createServer(set, logs);
  const options = listenOptionsOf(set);
  const { port } = await server.listen(options);
  const closeAdminSocket = await openAdminSocket(server, set.data ?? '', logs);
  // Before the first line: a process that waits for that line may send a signal at once.
  const ended = lastValueFrom(waitForShutdown(server, signals$, logs));
  logs.info('listening', { port, host: options.host });
  if (set.anyone === true || !requiresTokens(set)) {
    const users = set.anyone === true ? 'every client that reaches the port' : 'every program of this machine';
    logs.warn('no-tokens', {
      text: `No tokens are required: ${users} can read and write every realm. Use --secret-file or --jwks to require tokens.`,
    });
  }
  const code = await ended;
  closeAdminSocket();
  logs.info('ended', { code });
  return code;
};

/** The message of an invalid option, with the name of its setting. */
const settingMessageOf = ({ argument, message }: InvalidArgumentError): string => {
  const [option = '', ...inside] = argument.split('.').filter((word) => word !== 'options');
  const name = option === 'storage' ? 'data' : option;
  if (Object.hasOwn(settings, name) && inside.length === 0) return message.replace(argument, `--${flagOf(name)}`);
  return ['limits', 'realms'].includes(name) ? `${message} (in the file of --config)` : message;
};

/** The message and exit code of a failure that is not a defect; `null` for a defect. */
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

/** Runs a server until a signal. Resolves with the exit code; rejects only for a defect. */
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
    const failure = failureOf(thrown, set);
    if (failure === null) throw thrown;
    printError(`tidemark serve: ${failure.text}`);
    return failure.code;
  }
};
