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

/** What a server says to one message: at once, or as a stream says. */
export type ServerReplies = readonly ServerMessage[] | Observable<ServerMessage>;

/** Where a script differs from good manners. Kinds of messages that it does not name get the usual answer. */
export type ServerScript = {
  readonly [Type in ClientMessage['type']]?: (
    message: Extract<ClientMessage, { readonly type: Type }>,
  ) => ServerReplies;
} & {
  /** What is said besides to each session, from its `bind` on, after the answer to that. */
  readonly unasked?: (bind: Bind) => Observable<ServerMessage>;
};

export interface ScriptedServer {
  /** For `of(server.wire)`, or `network(diagram, { server })`. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /** All that was said to it, on all lines, the last thousand messages first; never completes. */
  readonly received$: Observable<ClientMessage>;
}

const receivedMax = 1_000; // More than a test of one conversation looks at.

const { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax } = limits;
const writeLimits = { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax };

/** What a `bound` says unless a script says otherwise: a server with nothing in it, that has all of this replica. */
export const createBound = ({ session, downloadedTo, acknowledged }: Bind, differing: Partial<Bound> = {}): Bound => ({
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
  ...differing,
});

/** All changesets of an upload are durable. */
export const createAccepted = ({ session, changesets }: Upload): Accepted => ({
  type: 'accepted',
  session,
  version: changesets.at(-1)?.version ?? 0,
});

/**
 * The last changeset of an upload is refused, for one object of it and a reason; what stands there instead is nothing.
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
 * What one session uploaded, as another gets it: the only way to changes that a real realm can read without a server.
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

/** An error: of one session, or with `null` of the whole line. */
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
  ping: true,
  unasked: true,
};

/**
 * An edge: what goes wrong in a script, an `expect` that fails included, is thrown to the test, as RxJS does with what
 * a handler throws. A session would take it for the end of its line, and the test might pass.
 */
const reportFailure = (thrown: unknown): Observable<never> => {
  const wrong$ = throwError(() => thrown);
  if (thrown instanceof ConnectionError) return wrong$;
  return new Observable<never>((line) => {
    const rethrow = (): never => {
      throw thrown;
    };
    line.add(wrong$.subscribe({ error: rethrow }));
    line.error(thrown);
  });
};

/** What a handler says, which has to be something that can be said. */
const runHandler = (kind: string, says: () => ServerReplies): Observable<ServerMessage> =>
  defer(() => {
    const said: unknown = says();
    if (isObservable(said) || Array.isArray(said)) return from(said as ServerReplies);
    throw new InvalidArgumentError(`script.${kind}`, 'to give an array or a stream of messages', said);
  }).pipe(catchError(reportFailure));

/** The kinds of a script are those of messages, and what it says to them are functions. */
const checkScript = (script: ServerScript): void => {
  checkOptions('script', script, Object.keys(messageKinds) as (keyof ServerScript)[]);
  for (const [kind, handler] of Object.entries(script) as [string, unknown][])
    if (handler !== undefined && typeof handler !== 'function')
      throw new InvalidArgumentError(`script.${kind}`, 'a function of the message', handler);
};

/**
 * A server of one conversation, for tests that need none that stores anything: it binds, accepts, marks and answers
 * pings, except where the script says otherwise. A handler that gives `[]` is silent, one that gives `NEVER` too; a
 * stream that errors with a `ConnectionError` ends the line. Whatever else a handler throws fails the test. Throws an
 * `InvalidArgumentError` for a kind of message that there is not.
 */
export const scriptedServer = (script: ServerScript = {}): ScriptedServer => {
  checkScript(script);
  const heard = new ReplaySubject<ClientMessage>(receivedMax);
  const answered = (message: ClientMessage): Observable<ServerMessage> => {
    const handler = script[message.type] as ((message: ClientMessage) => ServerReplies) | undefined;
    return handler ? runHandler(message.type, () => handler(message)) : from(usualRepliesOf(message));
  };
  const besides = (message: ClientMessage): Observable<ServerMessage> => {
    const { unasked } = script;
    return message.type === 'bind' && unasked ? runHandler('unasked', () => unasked(message)) : EMPTY;
  };
  return {
    wire: (said) =>
      said.pipe(
        tap((message) => heard.next(message)),
        mergeMap((message) => merge(answered(message), besides(message))),
      ),
    received$: heard.asObservable(),
  };
};
