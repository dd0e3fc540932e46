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
}

const loopbackAddress = '127.0.0.1';
const loopbackNames = [loopbackAddress, '::1', 'localhost'];

/** Checked options of one port: where to listen and which upgrades to accept. */
export interface Endpoint extends Pick<AttachOptions, 'path'> {
  readonly target: ListenTarget;
  readonly origins: AllowedOrigins;
  readonly trustProxy: boolean;
}

const attachOptionNames = ['path', 'origins', 'trustProxy'] as const;

const checkEndpoint = (
  target: ListenTarget,
  { path, origins, trustProxy = false }: AttachOptions,
  needsToken: boolean,
): Endpoint => {
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)))
    throw new InvalidArgumentError('path', 'a path that begins with "/" and has no query', path);
  if (typeof trustProxy !== 'boolean') throw new InvalidArgumentError('trustProxy', 'true or false', trustProxy);
  const endpoint = { target, trustProxy, origins: checkOrigins(origins, needsToken ? '*' : 'local') };
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
  checkOptions('options of server.listen', options, ['port', 'host', ...attachOptionNames]);
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
