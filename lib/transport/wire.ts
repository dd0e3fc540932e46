import { Observable, Subject, type Observer } from 'rxjs';

/**
 * An open connection: a function from the stream of sent messages to the stream of received ones. A server is a `Wire`
 * too.
 *
 * The wire subscribes to the sent stream once, when the received stream is subscribed, and unsubscribes both together.
 * The received stream completes when the other end closed without a reason, and errors with a `ConnectionError`
 * otherwise.
 *
 * @example
 * ```ts
 * const echo: Wire<string, string> = (sent$) => sent$.pipe(map((text) => `echo: ${text}`));
 * ```
 */
export type Wire<Sent, Received> = (sent$: Observable<Sent>) => Observable<Received>;

/**
 * A stream that opens connections. Cold: each subscription makes a connection attempt. Emits one `Wire` when the
 * connection is open, then stays silent; unsubscribing closes the connection. Never completes. Errors with a
 * `ConnectionError` when the attempt fails. `of(wire)` is a complete transport.
 *
 * @example
 * ```ts
 * const dial: Dial<ClientMessage, ServerMessage> = of(server.wire);
 * ```
 */
export type Dial<Sent, Received> = Observable<Wire<Sent, Received>>;

/** Takes the messages of the other end of a connection. */
export interface Receiver<Sent> {
  receive(message: Sent): void;
  /** Closes the connection: nothing is received afterwards. May be called again. */
  close(): void;
}

/**
 * The accepting side of a `Wire` as callbacks: takes a sink for messages to the other end, and returns a receiver. The
 * sink follows the rules of the received stream of `Wire` and may be used before the function returns. A server has ten
 * thousand of them, and every operator that stays subscribed would cost a kilobyte each.
 */
export type Acceptor<Sent, Received> = (sink: Observer<Received>) => Receiver<Sent>;

/** Converts an acceptor to a wire. Subscribes to the sent stream while the received stream is subscribed. */
export const wireOf =
  <Sent, Received>(acceptor: Acceptor<Sent, Received>): Wire<Sent, Received> =>
  (sent$) =>
    new Observable((subscriber) => {
      const receiver = acceptor(subscriber);
      subscriber.add(() => receiver.close());
      if (subscriber.closed) return;
      subscriber.add(
        sent$.subscribe({
          next: (message) => receiver.receive(message),
          error: (thrown: unknown) => subscriber.error(thrown),
          complete: () => subscriber.complete(),
        }),
      );
    });

/** Converts a wire to an acceptor. Subscribes to the wire until the receiver is closed. */
export const acceptorOf =
  <Sent, Received>(wire: Wire<Sent, Received>): Acceptor<Sent, Received> =>
  (sink) => {
    const sent = new Subject<Sent>();
    const subscription = wire(sent).subscribe(sink);
    return { receive: (message) => sent.next(message), close: () => subscription.unsubscribe() };
  };

/** The reason why a connection could not be opened or has ended. */
export type ConnectionFailure =
  /** No connection was opened: name lookup, network, TLS or the handshake failed. */
  | { readonly kind: 'unreachable'; readonly detail: string }
  /** The other end closed the connection, with a close code of RFC 6455 section 7.4 (4000–4999: docs/PROTOCOL.md). */
  | { readonly kind: 'closed'; readonly code: number; readonly text: string };

/**
 * The end of a connection, or the failure of a connection attempt. When a server's wire errors with a
 * `ConnectionError`, the server closes the socket with its code and text.
 *
 * @example
 * ```ts
 * const isBusy = ({ failure }: ConnectionError) => failure.kind === 'closed' && failure.code === 1013;
 * ```
 */
export class ConnectionError extends Error {
  /** The name of the class. Minifiers do not change it. */
  override readonly name = 'ConnectionError';
  constructor(
    /** The reason: no connection was opened, or the other end closed it. */
    readonly failure: ConnectionFailure,
    options?: ErrorOptions,
  ) {
    super(
      failure.kind === 'closed' ? `The connection was closed with ${failure.code}: ${failure.text}` : failure.detail,
      options,
    );
  }
}

/**
 * Creates the error with which a wire ends its own connection. The other end receives the code and the text.
 *
 * @param code - A close code from 1000 to 4999.
 * @param text - The reason, at most 123 bytes.
 * @returns A `ConnectionError` of the kind `closed`.
 *
 * @example
 * ```ts
 * const closing: Wire<string, string> = () => throwError(() => createCloseError(4400, 'Not implemented.'));
 * ```
 */
export const createCloseError = (code: number, text: string): ConnectionError =>
  new ConnectionError({ kind: 'closed', code, text });
