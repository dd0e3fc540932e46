import type { Observable } from 'rxjs';

/**
 * A line that has been answered: subscribe to hear, what you say is taken from `said`. A server is a wire too.
 *
 * Heard completes when the other end hung up without a word, and errors with a `LineError` when more is known. What is
 * said is subscribed once, when heard is, and let go of with it.
 */
export type Wire<Said, Heard> = (said: Observable<Said>) => Observable<Heard>;

/**
 * A number to call. Subscribing calls; it emits one wire when the line is open and stays silent after that;
 * unsubscribing hangs up. Errors with a `LineError` when nobody answers. `of(wire)` is a complete transport.
 */
export type Dial<Said, Heard> = Observable<Wire<Said, Heard>>;

/** Why a line could not be had, or is no longer there. */
export type LineFailure =
  /** No socket: name lookup, network, TLS, or the handshake was answered with something else than "yes". */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** The other end closed it, with the close code of RFC 6455 section 7.4 (4000–4999: docs/PROTOCOL.md). */
  | { readonly kind: 'closed'; readonly code: number; readonly text: string };

/** The end of a line. At the accepting side, a wire that errors with one closes its socket with this code and text. */
export class LineError extends Error {
  override readonly name = 'LineError';
  constructor(
    readonly failure: LineFailure,
    options?: ErrorOptions,
  ) {
    super(failure.kind === 'closed' ? `line closed: ${failure.code} ${failure.text}` : failure.detail, options);
  }
}

/** The end that a wire puts to itself: the other side sees the code and the text. */
export const hangUp = (code: number, text: string): LineError => new LineError({ kind: 'closed', code, text });
