import {
  catchError,
  defer,
  EMPTY,
  from,
  isObservable,
  merge,
  mergeMap,
  ReplaySubject,
  tap,
  throwError,
  Observable,
} from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import { checkOptions, limits } from '../model/limits.js';
import type {
  Accepted,
  Bind,
  Bound,
  ClientMessage,
  Download,
  WriteRejected,
  Retry,
  ServerMessage,
  Upload,
  WireError,
  WireErrorCode,
} from '../protocol/messages.js';
import { ConnectionError, type Wire } from '../transport/wire.js';

/** The replies to one message: an array that is sent immediately, or a cold stream whose values are sent. */
export type ServerReplies = readonly ServerMessage[] | Observable<ServerMessage>;

/**
 * The handlers of a scripted server. A type of message without a handler gets the usual reply.
 *
 * @example
 * ```ts
 * const script: ServerScript = { upload: () => [], mark: () => NEVER };
 * ```
 */
export type ServerScript = {
  readonly [Type in ClientMessage['type']]?: (
    message: Extract<ClientMessage, { readonly type: Type }>,
  ) => ServerReplies;
} & {
  /**
   * Sends further messages to each session.
   *
   * @param bind - The `bind` of the session.
   * @returns A cold stream. It is subscribed after the reply to the `bind`, and all its values are sent.
   */
  readonly unsolicited?: (bind: Bind) => Observable<ServerMessage>;
};

/**
 * A server whose replies are scripted, made by `scriptedServer`.
 *
 * @example
 * ```ts
 * const { wire, received$ } = scriptedServer();
 * received$.subscribe(({ type }) => console.log(type));
 * ```
 */
export interface ScriptedServer {
  /**
   * The wire of the server, for `of(server.wire)` or `network(diagram, { server })`. Cold: each subscription is one
   * connection. Emits the scripted replies. Completes with the sent stream. Errors with an error that a reply errors
   * with.
   *
   * @param sent$ - The messages of the client.
   * @returns A stream of the server's messages.
   */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /**
   * Observes the received messages of all connections. Hot. Replays the last 1 000, then emits each message when it
   * arrives. Never completes. Never errors. Each value is one message.
   */
  readonly received$: Observable<ClientMessage>;
}

const receivedMax = 1_000; // More than the messages of one conversation in a test.

const { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax } = limits;
const writeLimits = { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax };

/**
 * Creates the usual reply to a `bind`: the server has an empty history and has everything of this replica.
 *
 * @param bind - The message to reply to.
 * @param differing - The fields that differ from the usual reply.
 * @returns A `bound` message.
 *
 * @example
 * ```ts
 * scriptedServer({ bind: (message) => [createBound(message, { head: 9 })] });
 * ```
 */
export const createBound = (
  { session, downloadedTo, acknowledged, view }: Bind,
  differing: Partial<Bound> = {},
): Bound => ({
  type: 'bound',
  session,
  history: 'scripted',
  head: downloadedTo,
  headBytes: 0,
  accepted: acknowledged,
  serverTime: 0,
  frameBytesMax: 1_000_000,
  snapshot: null,
  stamp: null,
  limits: writeLimits,
  retentionCutoff: null,
  decided: acknowledged,
  ...(view && { view: { mode: view.number === null ? 'resync' : 'continue', scope: view.scope } }),
  ...differing,
});

/**
 * Creates the usual reply to an `upload`: all of its changesets are durable.
 *
 * @param upload - The message to reply to.
 * @returns An `accepted` message.
 *
 * @example
 * ```ts
 * scriptedServer({ upload: (message) => timer(20).pipe(map(() => createAccepted(message))) });
 * ```
 */
export const createAccepted = ({ session, changesets }: Upload): Accepted => ({
  type: 'accepted',
  session,
  version: changesets.at(-1)?.version ?? 0,
});

/**
 * Creates a reply that rejects the last changeset of an upload because of one object. The object does not exist on the
 * server.
 *
 * @param upload - The message to reply to.
 * @param type - The type of the object.
 * @param key - The primary key of the object.
 * @param reason - The reason for users.
 * @returns A message with the code `not-permitted`.
 *
 * @example
 * ```ts
 * scriptedServer({ upload: (message) => [createRejected(message, 'Task', 'milk', 'Not your task.')] });
 * ```
 */
export const createRejected = (
  { session, changesets }: Upload,
  type: string,
  key: string,
  reason: string,
): WriteRejected => ({
  type: 'refused',
  session,
  version: changesets.at(-1)?.version ?? 0,
  writes: [{ type, key, reason }],
  serverStates: [{ type, key, state: null }],
  code: 'not-permitted',
});

/**
 * Creates the download of an upload, as another session receives it. Without a server, an upload is the only source of
 * changesets that a realm can read.
 *
 * @param bind - The `bind` of the session that downloads.
 * @param upload - The upload of another session.
 * @param origin - The replica that wrote the changesets.
 * @returns A `download` message.
 *
 * @example
 * ```ts
 * scriptedServer({ unsolicited: (bind) => uploads$.pipe(map((upload) => createDownload(bind, upload, 'other'))) });
 * ```
 */
export const createDownload = ({ session }: Bind, upload: Upload, origin: string): Download => {
  const changesets = upload.changesets.map((changeset) => ({ ...changeset, origin }));
  const bytes = changesets.reduce((sum, { body }) => sum + body.byteLength + 32, 0);
  return {
    type: 'download',
    session,
    changesets,
    upTo: changesets.at(-1)?.version ?? 1,
    remaining: 0,
    bytes,
    remainingBytes: 0,
  };
};

/**
 * Creates an error of one session, or of the whole connection.
 *
 * @param session - The number of the session; `null` for the connection.
 * @param code - The code of the error.
 * @param retry - Whether the client may try again.
 * @param text - A text for logs.
 * @returns An `error` message.
 *
 * @example
 * ```ts
 * scriptedServer({ bind: ({ session }) => [createWireError(session, 'no-such-realm')] });
 * ```
 */
export const createWireError = (
  session: number | null,
  code: WireErrorCode,
  retry: Retry = 'never',
  text = '',
): WireError => ({
  type: 'error',
  session,
  code,
  text,
  retry,
});

const usualRepliesOf = (message: ClientMessage): readonly ServerMessage[] => {
  switch (message.type) {
    case 'bind':
      return [createBound(message)];
    case 'upload':
      return [createAccepted(message)];
    case 'mark':
      return [{ type: 'mark', session: message.session, request: message.request, version: 0 }];
    case 'ping':
      return [{ type: 'pong', sentAt: message.sentAt }];
    case 'unbind':
      return [{ type: 'unbound', session: message.session }];
    case 'received':
    case 'token':
    case 'fault':
    case 'fetch':
    case 'withdraw':
    case 'subscribe':
    case 'next':
      return [];
  }
};

const messageKinds: Readonly<Record<keyof ServerScript, true>> = {
  bind: true,
  upload: true,
  received: true,
  mark: true,
  token: true,
  unbind: true,
  fault: true,
  fetch: true,
  withdraw: true,
  subscribe: true,
  next: true,
  ping: true,
  unsolicited: true,
};

/**
 * Throws an error of a handler, such as a failed `expect`, to the test, as RxJS does with errors of observers.
 * Otherwise a session would take the error for the end of its connection, and the test might pass.
 */
const reportFailure = (thrown: unknown): Observable<never> => {
  const failure$ = throwError(() => thrown);
  if (thrown instanceof ConnectionError) return failure$;
  return new Observable<never>((subscriber) => {
    const rethrow = (): never => {
      throw thrown;
    };
    subscriber.add(failure$.subscribe({ error: rethrow }));
    subscriber.error(thrown);
  });
};

/** Runs a handler and checks the type of its result. */
const runHandler = (kind: string, handle: () => ServerReplies): Observable<ServerMessage> =>
  defer(() => {
    const replies: unknown = handle();
    if (isObservable(replies) || Array.isArray(replies)) return from(replies as ServerReplies);
    throw new InvalidArgumentError(
      `script.${kind}`,
      'a function that returns an array or a stream of messages',
      replies,
    );
  }).pipe(catchError(reportFailure));

/** Throws an `InvalidArgumentError` for an unknown type of message and for a handler that is not a function. */
const checkScript = (script: ServerScript): void => {
  checkOptions('script', script, Object.keys(messageKinds) as (keyof ServerScript)[]);
  for (const [kind, handler] of Object.entries(script) as [string, unknown][])
    if (handler !== undefined && typeof handler !== 'function')
      throw new InvalidArgumentError(`script.${kind}`, 'a function of the message', handler);
};

/**
 * Creates a server without a history, for tests of one conversation. It binds, accepts uploads, replies to marks and
 * pings, except where the script has a handler.
 *
 * A handler that returns `[]` or `NEVER` sends no reply. A stream that errors with a `ConnectionError` ends the
 * connection. Every other error of a handler fails the test.
 *
 * @param script - The handlers by type of message.
 * @returns The wire of the server and its received messages.
 * @throws InvalidArgumentError for an unknown type of message.
 *
 * @example
 * ```ts
 * const server = scriptedServer({ upload: () => [] });
 * const client = createSyncClient({ dial: of(server.wire), clock });
 * ```
 */
export const scriptedServer = (script: ServerScript = {}): ScriptedServer => {
  checkScript(script);
  const received = new ReplaySubject<ClientMessage>(receivedMax);
  const replyTo = (message: ClientMessage): Observable<ServerMessage> => {
    const handler = script[message.type] as ((message: ClientMessage) => ServerReplies) | undefined;
    return handler ? runHandler(message.type, () => handler(message)) : from(usualRepliesOf(message));
  };
  const sendUnsolicited = (message: ClientMessage): Observable<ServerMessage> => {
    const { unsolicited } = script;
    return message.type === 'bind' && unsolicited ? runHandler('unsolicited', () => unsolicited(message)) : EMPTY;
  };
  return {
    wire: (sent$) =>
      sent$.pipe(
        tap((message) => received.next(message)),
        mergeMap((message) => merge(replyTo(message), sendUnsolicited(message))),
      ),
    received$: received.asObservable(),
  };
};
