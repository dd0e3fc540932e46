import { limits } from '../../model/limits.js';

/**
 * A client cannot apply or show a change that it was sent. At most one of these a second; `more` says how many there
 * were besides, since the last one.
 */
export interface FaultEvent {
  readonly level: 'warn';
  readonly event: 'fault';
  readonly realm: string;
  readonly replica: string;
  readonly version: number;
  /** A code: lower-case letters, digits and hyphens. */
  readonly text: string;
  readonly more: number;
}

/** Something its owner may want to know of a server. Never a token, never a body. */
export type ServerEvent =
  /** Something failed; the session it hit has been told to try again later. */
  | { readonly level: 'error'; readonly event: 'failed'; readonly realm: string | null; readonly error: unknown }
  | FaultEvent
  /**
   * The clock is this far behind what is stamped in the histories, in milliseconds: it is wrong, or it was ahead for a
   * while. At most one a minute.
   */
  | { readonly level: 'error'; readonly event: 'clock-behind'; readonly ms: number }
  /** Somebody has called. `connection` counts from 1. */
  | {
      readonly level: 'debug';
      readonly event: 'opened';
      readonly connection: number;
      readonly address: string;
      /** `null`: none was said; `no origin`: something that is none. */
      readonly origin: string | null;
    }
  /** A connection has ended, by whom and why its code says. */
  | {
      readonly level: 'info';
      readonly event: 'closed';
      readonly connection: number;
      readonly address: string;
      /** The id of its user; `null` when it has said no token that was good. */
      readonly user: string | null;
      /** The close code of RFC 6455, or of docs/PROTOCOL.md. */
      readonly code: number;
      /** Why the server has ended it; empty when the client did, whose words are not logged. */
      readonly text: string;
      readonly sessions: number;
      /** How long it was open. */
      readonly ms: number;
      readonly bytesIn: number;
      readonly bytesOut: number;
    }
  /**
   * Other users of the machine may look into the folder of the data, whose mode this is. One that the server makes is
   * its own alone.
   */
  | { readonly level: 'warn'; readonly event: 'readable-by-others'; readonly folder: string; readonly mode: string }
  /**
   * A token was refused, by its code. At most one of these in ten seconds; `more` says how many there were besides,
   * since the last one.
   */
  | { readonly level: 'warn'; readonly event: 'token-refused'; readonly code: string; readonly more: number }
  /**
   * A call was not answered. At most one of these a second; `more` says how many there were besides, since the last
   * one.
   */
  | {
      readonly level: 'warn';
      readonly event: 'turned-away';
      readonly address: string;
      /** The status of HTTP. */
      readonly status: number;
      readonly text: string;
      readonly more: number;
    };

/**
 * Calls at most once in `everyMs`, with how many calls were left out since the last one, and what the call is about.
 * The first call is passed on at once. A clock that is put back costs one call at most.
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

/** A log of the user's that can harm nobody: what it throws is thrown away. */
export const catchLogErrors =
  (log: ServerLog): ServerLog =>
  (event) => {
    try {
      log(event);
    } catch {
      // There is nobody left to tell.
    }
  };

/** What anybody may bring about as often as he likes: told seldom, with how often it was. */
export const createThrottledLog = (log: ServerLog, now: () => number) => ({
  /** A token was refused, with this code. */
  tokenRefused: throttleCalls(limits.invalidTokensLogMs, now, (more, code: string) =>
    log({ level: 'warn', event: 'token-refused', code, more }),
  ),
  faulted: throttleCalls(1_000, now, (more, fault: Omit<FaultEvent, 'level' | 'event' | 'more'>) =>
    log({ level: 'warn', event: 'fault', ...fault, more }),
  ),
});
