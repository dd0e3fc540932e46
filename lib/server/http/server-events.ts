import { messageOf } from '../../model/errors.js';
import { serverLimits } from '../server-limits.js';

/**
 * A client could not apply or show a change that the server sent. Logged at most once per second; `more` counts the
 * events that were left out since the last one.
 */
export interface FaultEvent {
  readonly level: 'warn';
  readonly event: 'fault';
  readonly realm: string;
  /** The id of the client's replica. */
  readonly replica: string;
  /** The server version of the change. */
  readonly version: number;
  /** An error code: lower-case letters, digits and hyphens. */
  readonly text: string;
  /** Number of events that were left out since the last one. */
  readonly more: number;
}

/**
 * Something failed, for example a function of the app, or the storage. The affected session tries again later.
 *
 * @see {@link ServerEvent}
 */
export interface FailedEvent {
  readonly level: 'error';
  readonly event: 'failed';
  /** The realm, or `null` for a failure of the whole server or of a connection. */
  readonly realm: string | null;
  /** The message of the error. JSON has no message of an `Error`. */
  readonly text: string;
  /** The value that was thrown. */
  readonly error: unknown;
}

/** Creates the event of a failure. */
export const createFailedEvent = (realm: string | null, error: unknown): FailedEvent => ({
  level: 'error',
  event: 'failed',
  realm,
  text: messageOf(error),
  error,
});

/**
 * An event of the server's log. It contains no tokens and no data of users.
 *
 * @example
 * ```ts
 * const server = createSyncServer({ storage: './data', log: (event) => console.log(JSON.stringify(event)) });
 * ```
 */
export type ServerEvent =
  | FailedEvent
  | FaultEvent
  /**
   * The server's clock is `ms` milliseconds behind the stamps in its histories: it is wrong now, or it was ahead for a
   * while. Logged at most once a minute.
   */
  | { readonly level: 'error'; readonly event: 'clock-behind'; readonly ms: number }
  /** A connection was opened. `connection` counts from 1. */
  | {
      readonly level: 'debug';
      readonly event: 'opened';
      readonly connection: number;
      readonly address: string;
      /** `null` without an `Origin` header; `no origin` if the header is invalid. */
      readonly origin: string | null;
    }
  /** A connection has ended. `code` is the close code. */
  | {
      readonly level: 'info';
      readonly event: 'closed';
      readonly connection: number;
      readonly address: string;
      /** The user's id, or `null` if the client sent no valid token. */
      readonly user: string | null;
      /** A close code of RFC 6455 or docs/PROTOCOL.md. */
      readonly code: number;
      /** The server's reason. Empty if the client ended the connection: its text is not logged. */
      readonly text: string;
      /** Number of sessions that were bound on the connection. */
      readonly sessions: number;
      /** Duration of the connection in milliseconds. */
      readonly ms: number;
      /** Bytes of the frames that the server received. */
      readonly bytesIn: number;
      /** Bytes of the frames that the server sent. */
      readonly bytesOut: number;
    }
  /**
   * Other users of the machine may read the data folder. `mode` is its file mode. A folder that the server creates is
   * private.
   */
  | { readonly level: 'warn'; readonly event: 'readable-by-others'; readonly folder: string; readonly mode: string }
  /**
   * A token was rejected with `code`. Logged at most once in ten seconds; `more` counts the events that were left out
   * since the last one.
   */
  | { readonly level: 'warn'; readonly event: 'token-rejected'; readonly code: string; readonly more: number }
  /**
   * A connection was rejected. Logged at most once per second; `more` counts the events that were left out since the
   * last one.
   */
  | {
      readonly level: 'warn';
      readonly event: 'connection-rejected';
      readonly address: string;
      /** HTTP status of the rejection. */
      readonly status: number;
      readonly text: string;
      readonly more: number;
    };

/**
 * Calls `act` at most once per `everyMs`, with the number of calls that were left out since, and the latest argument.
 * The first call is passed on synchronously. A clock that is set back delays one call at most.
 */
export const throttleCalls = <A>(
  everyMs: number,
  now: () => number,
  act: (more: number, given: A) => void,
): ((given: A) => void) => {
  let [more, actedAt] = [0, -Infinity];
  return (given) => {
    if (Math.abs(now() - actedAt) < everyMs) {
      more += 1;
      return;
    }
    actedAt = now();
    act(more, given);
    more = 0;
  };
};

export type ServerLog = (event: ServerEvent) => void;

/** Wraps the app's log function, so that its errors do not affect the server. */
export const catchLogErrors =
  (log: ServerLog): ServerLog =>
  (event) => {
    try {
      log(event);
    } catch {
      // A failing log function cannot be reported anywhere.
    }
  };

/**
 * Creates the log of a server without the option `log`. It prints errors to the standard error stream, at most one per
 * second, because clients can cause them as often as they like.
 */
export const createDefaultLog = (now: () => number): ServerLog => {
  const print = throttleCalls(1_000, now, (more, event: ServerEvent) => {
    const left = more === 0 ? '' : ` (${more} more errors since the last line)`;
    if (event.event === 'clock-behind')
      console.error(`tidemark server: the clock is ${event.ms} ms behind the stamps in the histories${left}.`);
    else if (event.event === 'failed')
      console.error(
        `tidemark server: ${event.realm === null ? 'a connection' : `realm "${event.realm}"`} failed${left}:`,
        event.error,
      );
  });
  return (event) => {
    if (event.level === 'error') print(event);
  };
};

/** Creates log functions for events that clients can cause as often as they like: throttled and counted. */
export const createThrottledLog = (log: ServerLog, now: () => number) => ({
  /** Logs that a token was rejected with this code. */
  logInvalidToken: throttleCalls(serverLimits.invalidTokensLogMs, now, (more, code: string) =>
    log({ level: 'warn', event: 'token-rejected', code, more }),
  ),
  logFault: throttleCalls(1_000, now, (more, fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) =>
    log({ level: 'warn', event: 'fault', ...fault, more }),
  ),
});
