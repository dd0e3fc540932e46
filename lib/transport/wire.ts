import { Observable, Subject, type Observer } from 'rxjs';

/**
 * A line that has been answered: subscribe to hear, what you say is taken from `said`. A server is a wire too.
 *
 * Heard completes when the other end hung up without a word, and errors with a `ConnectionError` when more is known.
 * What is said is subscribed once, when heard is, and let go of with it.
 */
export type Wire<Said, Heard> = (said: Observable<Said>) => Observable<Heard>;

/**
 * A number to call. Subscribing calls; it emits one wire when the line is open and stays silent after that;
 * unsubscribing hangs up. Errors with a `ConnectionError` when nobody answers. `of(wire)` is a complete transport.
 */
export type Dial<Said, Heard> = Observable<Wire<Said, Heard>>;

/** What hears the one who called. */
export interface Receiver<Said> {
  readonly receive: (said: Said) => void;
  /** Lets go of the line: nothing is said any more. May be called again. */
  readonly close: () => void;
}

/**
 * A wire in its plain form, for whoever answers: is given a mouth, gives back an ear. What `Wire` says of heard holds
 * for the mouth, which may be used before this returns. A server has ten thousand of them, and every operator that
 * stays subscribed costs it a kilobyte each.
 */
export type Acceptor<Said, Heard> = (sink: Observer<Heard>) => Receiver<Said>;

/** A host as a wire. An edge: what is said runs here, as long as somebody hears. */
export const wireOf =
  <Said, Heard>(host: Acceptor<Said, Heard>): Wire<Said, Heard> =>
  (said) =>
    new Observable((heard) => {
      const receiver = host(heard);
      heard.add(receiver.close);
      if (heard.closed) return;
      heard.add(
        said.subscribe({
          next: receiver.receive,
          error: (thrown: unknown) => heard.error(thrown),
          complete: () => heard.complete(),
        }),
      );
    });

/** A wire as a host. An edge: what it says runs here, until the ear is let go of. */
export const acceptorOf =
  <Said, Heard>(wire: Wire<Said, Heard>): Acceptor<Said, Heard> =>
  (sink) => {
    const said = new Subject<Said>();
    const talk = wire(said).subscribe(sink);
    return { receive: (message) => said.next(message), close: () => talk.unsubscribe() };
  };

/** Why a line could not be had, or is no longer there. */
export type ConnectionFailure =
  /** No socket: name lookup, network, TLS, or the handshake was answered with something else than "yes". */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** The other end closed it, with the close code of RFC 6455 section 7.4 (4000–4999: docs/PROTOCOL.md). */
  | { readonly kind: 'closed'; readonly code: number; readonly text: string };

/** The end of a line. At the accepting side, a wire that errors with one closes its socket with this code and text. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';
  constructor(
    readonly failure: ConnectionFailure,
    options?: ErrorOptions,
  ) {
    super(failure.kind === 'closed' ? `line closed: ${failure.code} ${failure.text}` : failure.detail, options);
  }
}

/** The end that a wire puts to itself: the other side sees the code and the text. */
export const createCloseError = (code: number, text: string): ConnectionError =>
  new ConnectionError({ kind: 'closed', code, text });
