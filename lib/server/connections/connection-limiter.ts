import type { Clock } from '../../clock.js';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits as bounds } from '../../model/limits.js';
import { networkOf } from '../../transport/client-address.js';
import type { UpgradeRequest, UpgradeRejection } from '../../transport/websocket-listener.js';
import type { ServerLimits } from '../server-options.js';
import { createRateLimit, type RateLimit } from './rate-limit.js';
import { increment, type ServerCounters } from '../http/counters.js';
import { throttleCalls, type ServerLog } from '../http/server-events.js';

/** Somebody who has come in, as he counts for his address. */
export interface CountedConnection {
  /** His token was checked. May be called once. */
  readonly admitted: () => void;
  /** He has gone. May be called once. */
  readonly closed: () => void;
}

/** Says who may have a socket. */
export interface ConnectionLimiter {
  /** Why a call is not answered; `null`: it is. Counts the call. */
  readonly admit: (call: UpgradeRequest) => UpgradeRejection | null;
  /** One has come in from there. */
  readonly addConnection: (address: string) => CountedConnection;
  /** A call was not answered. */
  readonly onRejected: (call: UpgradeRequest, refused: UpgradeRejection) => void;
}

/** Of which pages somebody may call: `*` of all; `local` of those that this machine serves. */
export type AllowedOrigins = readonly string[] | '*' | 'local';

export interface ConnectionLimiterOptions {
  readonly origins: AllowedOrigins;
  readonly limits: ServerLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly serverCounters: ServerCounters;
  readonly log: ServerLog;
}

/** A list as somebody writes it. */
export const checkOrigins = (origins: unknown, fallback: AllowedOrigins): AllowedOrigins => {
  if (origins === undefined) return fallback;
  const expected = 'a list of origins such as "https://app.example.com", or of "*" alone for all';
  if (!Array.isArray(origins)) throw new InvalidArgumentError('origins', expected, origins);
  if (origins.length === 1 && origins[0] === '*') return '*';
  for (const origin of origins as readonly unknown[]) {
    const isOrigin =
      typeof origin === 'string' && !origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin;
    if (!isOrigin) throw new InvalidArgumentError('origins', expected, origin);
  }
  return origins as readonly string[];
};

const localHostnames = ['localhost', '127.0.0.1', '[::1]'];

/** Whether a page of there may call. Who says no origin is no browser, and could say any. */
const isAllowedOrigin = (origin: string | undefined, origins: AllowedOrigins): boolean => {
  if (origin === undefined || origins === '*') return true;
  if (origins !== 'local') return origins.includes(origin.toLowerCase());
  return URL.canParse(origin) && localHostnames.includes(new URL(origin).hostname);
};

/** How many there are of each; `add` gives what takes one away again. */
const createCounts = () => {
  const counts = new Map<string, number>();
  return {
    of: (name: string): number => counts.get(name) ?? 0,
    add: (name: string): (() => void) => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return () => {
        const left = (counts.get(name) ?? 1) - 1;
        if (left > 0) counts.set(name, left);
        else counts.delete(name);
      };
    },
  };
};

const createRejection = (status: UpgradeRejection['status'], text: string): UpgradeRejection => ({ status, text });

/**
 * Lets in who may come, by what can be seen before anything is said: how often and how many from there, from which
 * page, and that no token is in the URL. Costs a lookup or two a call; keeps what it knows of so many addresses, and no
 * more.
 */
export const createConnectionLimiter = (options: ConnectionLimiterOptions): ConnectionLimiter => {
  const { origins, limits, clock, serverCounters, log } = options;
  const { connectionsPerAddressMax, upgradesPerSecondMax, unboundPerAddressMax } = limits;
  const open = createCounts();
  /** Those of which no token was checked yet. */
  const unknown = createCounts();
  const rates = new Map<string, RateLimit>();
  const told = throttleCalls(
    1_000,
    clock.now,
    (more, { address, status, text }: UpgradeRejection & Pick<UpgradeRequest, 'address'>) =>
      log({ level: 'warn', event: 'turned-away', address, status, text, more }),
  );

  const rateOf = (network: string): RateLimit => {
    const known = rates.get(network);
    if (known !== undefined) return known;
    const [first] = rates.keys();
    if (first !== undefined && rates.size >= bounds.addressesMax) rates.delete(first);
    const rate = createRateLimit(upgradesPerSecondMax, clock.now);
    rates.set(network, rate);
    return rate;
  };

  return {
    admit: ({ address, url, headers }) => {
      const network = networkOf(address);
      if (!rateOf(network)())
        return createRejection(429, `more than ${upgradesPerSecondMax} calls a second from one address`);
      if (open.of(network) >= connectionsPerAddressMax)
        return createRejection(429, `${connectionsPerAddressMax} connections from one address are open already`);
      if (unknown.of(network) >= unboundPerAddressMax)
        return createRejection(429, `${unboundPerAddressMax} connections from one address have not shown a token yet`);
      if (url.includes('?'))
        return createRejection(
          400,
          'this address takes no query: a token is said in a message, because URLs end in logs',
        );
      return isAllowedOrigin(headers.origin, origins)
        ? null
        : createRejection(403, 'pages of this origin may not connect');
    },
    addConnection: (address) => {
      const network = networkOf(address);
      const [leave, admitted] = [open.add(network), unknown.add(network)];
      let isKnown = false;
      return {
        admitted: () => {
          isKnown = true;
          admitted();
        },
        closed: () => {
          leave();
          if (!isKnown) admitted();
        },
      };
    },
    onRejected: (call, refused) => {
      increment(serverCounters.rejectedConnections, refused.status);
      told({ address: call.address, ...refused });
    },
  };
};
