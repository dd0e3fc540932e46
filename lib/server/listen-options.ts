import { InvalidArgumentError } from '../model/errors.js';
import { checkNumber, checkOptions } from '../model/limits.js';
import type { ListenTarget } from '../transport/websocket-listener.js';
import { checkOrigins, type AllowedOrigins } from './connections/connection-limiter.js';
import type { HttpServer } from '../transport/http-types.js';

/** Who may call, and where. */
export interface AttachOptions {
  /** The path of the socket; every path unless given. */
  readonly path?: string;
  /**
   * The origins whose pages may connect (`https://app.example.com`), or `['*']` for all. Unless given: all, because a
   * page has to have a token; without `authenticate`, or with `allowAnyone`, only pages that this machine serves. Who
   * says no origin is no browser and may come.
   */
  readonly origins?: readonly string[];
  /**
   * Whether a proxy stands in front, which puts the address of its caller at the end of `X-Forwarded-For`. Not unless
   * given: anybody can say so.
   */
  readonly trustProxy?: boolean;
}

export interface ListenOptions extends AttachOptions {
  /** 0: any free one. */
  readonly port: number;
  /** The address to listen on. Every one of this machine's with `authenticate`, only `127.0.0.1` without. */
  readonly host?: string;
}

const loopbackAddress = '127.0.0.1';
const loopbackNames = [loopbackAddress, '::1', 'localhost'];

/** Where to listen, and to whom. */
export interface Endpoint extends Pick<AttachOptions, 'path'> {
  readonly target: ListenTarget;
  readonly origins: AllowedOrigins;
  readonly trustProxy: boolean;
}

const attachOptionNames = ['path', 'origins', 'trustProxy'] as const;

const checkEndpoint = (
  target: ListenTarget,
  { path, origins, trustProxy = false }: AttachOptions,
  asksWho: boolean,
): Endpoint => {
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)))
    throw new InvalidArgumentError('path', 'a path that begins with / and has no query', path);
  if (typeof trustProxy !== 'boolean') throw new InvalidArgumentError('trustProxy', 'true or false', trustProxy);
  const endpoint = { target, trustProxy, origins: checkOrigins(origins, asksWho ? '*' : 'local') };
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
    `${loopbackNames.join(', ')}, because without authenticate anybody could come (to let them: authenticate: allowAnyone)`,
    host,
  );
};

/** A port of its own. `isGuarded`: it may be reached from elsewhere; `asksWho`: who comes has to have a token. */
export const checkListenOptions = (options: ListenOptions, isGuarded: boolean, asksWho: boolean): Endpoint => {
  checkOptions('options', options, ['port', 'host', ...attachOptionNames]);
  return checkEndpoint(listenTargetOf(options, isGuarded), options, asksWho);
};

/** The server of somebody else. */
export const checkAttachOptions = (server: unknown, options: AttachOptions, asksWho: boolean): Endpoint => {
  checkOptions('options', options, attachOptionNames);
  const { on, listenerCount } = (server ?? {}) as { readonly on?: unknown; readonly listenerCount?: unknown };
  if (typeof on === 'function' && typeof listenerCount === 'function')
    return checkEndpoint({ server: server as HttpServer }, options, asksWho);
  throw new InvalidArgumentError('server', 'a server of node:http or node:https', server);
};
