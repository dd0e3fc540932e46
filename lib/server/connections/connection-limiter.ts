import type { Clock } from '../../clock.js';
import { networkOf } from '../../transport/client-address.js';
import type { UpgradeRequest, UpgradeRejection } from '../../transport/websocket-listener.js';
import type { ServerLimits } from '../server-options.js';
import { type AllowedOrigins, isAllowedOrigin } from './allowed-origins.js';
import { createAddressRates } from './address-rates.js';
import { increment, type ServerCounters } from '../http/counters.js';
import { throttleCalls, type ServerLog } from '../http/server-events.js';

/** A connection that counts for its address. */
export interface CountedConnection {
  /** Its token was checked. May be called once. */
  admitted(): void;
  /** The connection is closed. May be called once. */
  closed(): void;
}

/** Decides which upgrade requests get a socket. */
export interface ConnectionLimiter {
  /** Returns the reason to reject an upgrade request, or `null` to accept it. Counts the request. */
  readonly admit: (request: UpgradeRequest) => UpgradeRejection | null;
  /** Counts a connection from an address. */
  readonly addConnection: (address: string) => CountedConnection;
  /** Counts and logs a rejected upgrade request. */
  readonly onRejected: (request: UpgradeRequest, rejection: UpgradeRejection) => void;
}

export interface ConnectionLimiterOptions {
  readonly origins: AllowedOrigins;
  readonly limits: ServerLimits;
  readonly clock: Pick<Clock, 'now'>;
  readonly serverCounters: ServerCounters;
  readonly log: ServerLog;
}

/** Counts connections by name. */
const createCounts = () => {
  const counts = new Map<string, number>();
  return {
    of: (name: string): number => counts.get(name) ?? 0,
    add: (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1),
    remove: (name: string): void => {
      const left = (counts.get(name) ?? 1) - 1;
      if (left > 0) counts.set(name, left);
      else counts.delete(name);
    },
  };
};

type Counts = ReturnType<typeof createCounts>;

/** A class, because a server has one for each connection. */
class NetworkConnection implements CountedConnection {
  private isChecked = false;

  constructor(
    private readonly network: string,
    private readonly open: Counts,
    /** Connections whose token is not checked yet. */
    private readonly unchecked: Counts,
  ) {
    open.add(network);
    unchecked.add(network);
  }

  admitted(): void {
    this.isChecked = true;
    this.unchecked.remove(this.network);
  }

  closed(): void {
    this.open.remove(this.network);
    if (!this.isChecked) this.unchecked.remove(this.network);
  }
}

const createRejection = (status: UpgradeRejection['status'], text: string): UpgradeRejection => ({ status, text });

/**
 * Creates the limiter: it checks rate and number of connections per address, the origin, and that the URL contains no
 * token. A check costs a lookup or two. The rates of at most `addressesMax` addresses are kept.
 */
export const createConnectionLimiter = (options: ConnectionLimiterOptions): ConnectionLimiter => {
  const { origins, limits, clock, serverCounters, log } = options;
  const { connectionsPerAddressMax, upgradesPerSecondMax, unboundPerAddressMax } = limits;
  const open = createCounts();
  /** Connections whose token is not checked yet. */
  const unchecked = createCounts();
  const mayUpgrade = createAddressRates(upgradesPerSecondMax, clock.now);
  const logRejection = throttleCalls(
    1_000,
    clock.now,
    (more, { address, status, text }: UpgradeRejection & Pick<UpgradeRequest, 'address'>) =>
      log({ level: 'warn', event: 'connection-rejected', address, status, text, more }),
  );

  return {
    admit: ({ address, url, headers }) => {
      const network = networkOf(address);
      if (!mayUpgrade(address))
        return createRejection(429, `More than ${upgradesPerSecondMax} upgrades per second came from one address.`);
      if (open.of(network) >= connectionsPerAddressMax)
        return createRejection(429, `The address has ${connectionsPerAddressMax} open connections already.`);
      if (unchecked.of(network) >= unboundPerAddressMax)
        return createRejection(429, `The address has ${unboundPerAddressMax} connections without a checked token.`);
      if (url.includes('?'))
        return createRejection(
          400,
          'The URL must not have a query. Send the token in a message, because URLs are logged.',
        );
      return isAllowedOrigin(headers.origin, origins)
        ? null
        : createRejection(403, 'Pages of this origin may not connect.');
    },
    addConnection: (address) => new NetworkConnection(networkOf(address), open, unchecked),
    onRejected: (request, rejection) => {
      increment(serverCounters.rejectedConnections, rejection.status);
      logRejection({ address: request.address, ...rejection });
    },
  };
};
