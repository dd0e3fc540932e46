import { InvalidArgumentError } from '../model/errors.js';
import { checkNumber, checkOptions } from '../model/limits.js';
import type { ListenTarget } from '../transport/websocket-listener.js';
import { checkOrigins, type AllowedOrigins } from './connections/allowed-origins.js';
import type { HttpServer } from '../transport/http-types.js';

/**
 * Options of `server.attach`: the upgrades that the server accepts.
 *
 * @example
 * ```ts
 * await server.attach(app, { path: '/sync', origins: ['https://app.example.com'] });
 * ```
 */
export interface AttachOptions {
  /**
   * The path of the WebSocket.
   *
   * @defaultValue none: every path is accepted
   */
  readonly path?: string;
  /**
   * Origins whose pages may connect, such as `https://app.example.com`, or `['*']` for all. Requests without an
   * `Origin` header do not come from a browser and are always accepted.
   *
   * @defaultValue `['*']`, because clients need a token. Without `authenticate`, or with `allowAnyone`, only pages from
   * loopback addresses.
   */
  readonly origins?: readonly string[];
  /**
   * Whether a trusted proxy appends the client's address to `X-Forwarded-For`. Set it only behind such a proxy:
   * otherwise any client can forge its address.
   *
   * @defaultValue `false`
   */
  readonly trustProxy?: boolean;
}

/**
 * Options of `server.listen`: the address, and the upgrades that the server accepts.
 *
 * @example
 * ```ts
 * const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
 * ```
 */
export interface ListenOptions extends AttachOptions {
  /** Port to listen on. 0 takes any free port. */
  readonly port: number;
  /**
   * Address to listen on.
   *
   * @defaultValue all addresses of this machine with `authenticate`, `127.0.0.1` without
   */
  readonly host?: string;
  /**
   * Whether this port serves the inspector: the page `/inspector` shows connections, sessions, realms and their rates,
   * and changes nothing. Its reader enters an access token, and sees what concerns the realms that `authorize` lets the
   * user of the token read.
   *
   * - `true`: for every user with a valid token. Other users appear as hashes of their ids, without addresses.
   * - Ids of users: for these users only. They see the ids and addresses of the others.
   *
   * Without `authenticate`, or with `allowAnyone`, only programs and pages of this machine get an answer. A proxy on
   * this machine must then send `X-Forwarded-For`: otherwise its requests look like those of this machine.
   *
   * @defaultValue `false`
   *
   * @example
   * ```ts
   * await server.listen({ port: 8787 });
   * await server.listen({ port: 8788, host: '127.0.0.1', inspector: ['ops'] });
   * ```
   */
  readonly inspector?: boolean | readonly string[];
}

const loopbackAddress = '127.0.0.1';
const loopbackNames = [loopbackAddress, '::1', 'localhost'];

/** The users of the inspector. */
export interface InspectorAccess {
  /** Ids of the users. `null`: every user with a valid token. */
  readonly users: readonly string[] | null;
}

/** Checked options of one port: where to listen, which upgrades to accept, and who may use the inspector. */
export interface Endpoint extends Pick<AttachOptions, 'path'> {
  readonly target: ListenTarget;
  readonly origins: AllowedOrigins;
  readonly trustProxy: boolean;
  /** `null`: there is no inspector at this port. */
  readonly inspector: InspectorAccess | null;
}

const attachOptionNames = ['path', 'origins', 'trustProxy'] as const;

const checkInspector = (inspector: unknown, needsToken: boolean): InspectorAccess | null => {
  if (typeof inspector === 'boolean') return inspector ? { users: null } : null;
  const isList = Array.isArray(inspector) && inspector.every((id) => typeof id === 'string' && id !== '');
  if (isList && inspector.length > 0 && needsToken) return { users: inspector as string[] };
  const expected = needsToken
    ? 'true, false, or a list with the ids of users'
    : 'true or false on a server without tokens, where no user has an id';
  throw new InvalidArgumentError('inspector', expected, inspector);
};

const checkEndpoint = (
  target: ListenTarget,
  { path, origins, trustProxy = false, inspector = false }: AttachOptions & Pick<ListenOptions, 'inspector'>,
  needsToken: boolean,
): Endpoint => {
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)))
    throw new InvalidArgumentError('path', 'a path that begins with "/" and has no query', path);
  if (typeof trustProxy !== 'boolean') throw new InvalidArgumentError('trustProxy', 'true or false', trustProxy);
  const endpoint = {
    ...{ target, trustProxy, origins: checkOrigins(origins, needsToken ? '*' : 'local') },
    inspector: checkInspector(inspector, needsToken),
  };
  return path === undefined ? endpoint : { ...endpoint, path };
};

const listenTargetOf = ({ port, host }: ListenOptions, isGuarded: boolean): ListenTarget => {
  if (!Number.isInteger(checkNumber('port', port, 0, 65_535)))
    throw new InvalidArgumentError('port', 'a whole number', port);
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw new InvalidArgumentError('host', 'a name or an address', host);
  if (isGuarded) return host === undefined ? { port } : { port, host };
  if (host === undefined || loopbackNames.includes(host)) return { port, host: host ?? loopbackAddress };
  throw new InvalidArgumentError(
    'host',
    `one of ${loopbackNames.join(', ')} without authenticate (to accept every client: authenticate: allowAnyone)`,
    host,
  );
};

/**
 * Checks the options of `server.listen`. `isGuarded`: clients of other machines may connect; `needsToken`: clients must
 * have a token.
 */
export const checkListenOptions = (options: ListenOptions, isGuarded: boolean, needsToken: boolean): Endpoint => {
  checkOptions('options of server.listen', options, ['port', 'host', 'inspector', ...attachOptionNames]);
  return checkEndpoint(listenTargetOf(options, isGuarded), options, needsToken);
};

/** Checks the options of `server.attach`. */
export const checkAttachOptions = (server: unknown, options: AttachOptions, needsToken: boolean): Endpoint => {
  checkOptions('options of server.attach', options, attachOptionNames);
  const { on, listenerCount } = (server ?? {}) as { readonly on?: unknown; readonly listenerCount?: unknown };
  if (typeof on === 'function' && typeof listenerCount === 'function')
    return checkEndpoint({ server: server as HttpServer }, options, needsToken);
  throw new InvalidArgumentError('server', 'a server of node:http or node:https', server);
};
