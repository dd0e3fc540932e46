import { InvalidArgumentError } from '../model/errors.js';
import { checkedNumber, checkedOptions } from '../model/limits.js';
import type { Place } from '../transport/listen.js';
import { checkedOrigins, type Origins } from './doorman.js';
import type { HttpServer } from '../transport/http-types.js';

/** Who may call, and where. */
export interface DoorOptions {
  /** The path of the socket; every path unless given. */
  readonly path?: string;
  /**
   * The origins whose pages may connect (`https://app.example.com`), or `['*']` for all. Unless given: all, because a page has to have a token;
   * without `authenticate`, or with `anyone`, only pages that this machine serves. Who says no origin is no browser and may come.
   */
  readonly origins?: readonly string[];
  /** Whether a proxy stands in front, which puts the address of its caller at the end of `X-Forwarded-For`. Not unless given: anybody can say so. */
  readonly trustProxy?: boolean;
}

export interface ListenOptions extends DoorOptions {
  /** 0: any free one. */
  readonly port: number;
  /** The address to listen on. Every one of this machine's with `authenticate`, only `127.0.0.1` without. */
  readonly host?: string;
}

const thisMachine = '127.0.0.1';
const namesOfThisMachine = [thisMachine, '::1', 'localhost'];

/** Where to listen, and to whom. */
export interface Door extends Pick<DoorOptions, 'path'> {
  readonly place: Place;
  readonly origins: Origins;
  readonly trustProxy: boolean;
}

const doorNames = ['path', 'origins', 'trustProxy'] as const;

const checkedDoor = (place: Place, { path, origins, trustProxy = false }: DoorOptions, asksWho: boolean): Door => {
  if (path !== undefined && (typeof path !== 'string' || !/^\/[^?#\s]*$/.test(path)))
    throw new InvalidArgumentError('path', 'a path that begins with / and has no query', path);
  if (typeof trustProxy !== 'boolean') throw new InvalidArgumentError('trustProxy', 'true or false', trustProxy);
  const door = { place, trustProxy, origins: checkedOrigins(origins, asksWho ? '*' : 'local') };
  return path === undefined ? door : { ...door, path };
};

const placeOf = ({ port, host }: ListenOptions, isGuarded: boolean): Place => {
  if (!Number.isInteger(checkedNumber('port', port, 0, 65_535)))
    throw new InvalidArgumentError('port', 'a whole number', port);
  if (host !== undefined && (typeof host !== 'string' || host === ''))
    throw new InvalidArgumentError('host', 'a name or an address', host);
  if (isGuarded) return host === undefined ? { port } : { port, host };
  if (host === undefined || namesOfThisMachine.includes(host)) return { port, host: host ?? thisMachine };
  throw new InvalidArgumentError(
    'host',
    `${namesOfThisMachine.join(', ')}, because without authenticate anybody could come (to let them: authenticate: anyone)`,
    host,
  );
};

/** A port of its own. `isGuarded`: it may be reached from elsewhere; `asksWho`: who comes has to have a token. */
export const checkedPort = (options: ListenOptions, isGuarded: boolean, asksWho: boolean): Door => {
  checkedOptions('options', options, ['port', 'host', ...doorNames]);
  return checkedDoor(placeOf(options, isGuarded), options, asksWho);
};

/** The server of somebody else. */
export const checkedHost = (server: unknown, options: DoorOptions, asksWho: boolean): Door => {
  checkedOptions('options', options, doorNames);
  const { on, listenerCount } = (server ?? {}) as { readonly on?: unknown; readonly listenerCount?: unknown };
  if (typeof on === 'function' && typeof listenerCount === 'function')
    return checkedDoor({ server: server as HttpServer }, options, asksWho);
  throw new InvalidArgumentError('server', 'a server of node:http or node:https', server);
};
