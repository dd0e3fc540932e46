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
import { checkedOptions, limits } from '../model/limits.js';
import type {
  Accepted,
  Bind,
  Bound,
  ClientMessage,
  Download,
  Refused,
  Retry,
  ServerMessage,
  Upload,
  WireError,
  WireErrorCode,
} from '../protocol/messages.js';
import { LineError, type Wire } from '../transport/wire.js';

/** What a server says to one message: at once, or as a stream says. */
export type Says = readonly ServerMessage[] | Observable<ServerMessage>;

/** Where a script differs from good manners. Kinds of messages that it does not name get the usual answer. */
export type ServerScript = {
  readonly [Type in ClientMessage['type']]?: (message: Extract<ClientMessage, { readonly type: Type }>) => Says;
} & {
  /** What is said besides to each session, from its `bind` on, after the answer to that. */
  readonly unasked?: (bind: Bind) => Observable<ServerMessage>;
};

export interface ScriptedServer {
  /** For `of(server.wire)`, or `network(diagram, { server })`. */
  readonly wire: Wire<ClientMessage, ServerMessage>;
  /** All that was said to it, on all lines, the last thousand messages first; never completes. */
  readonly heard$: Observable<ClientMessage>;
}

const heardMax = 1_000; // More than a test of one conversation looks at.

const { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax } = limits;
const writeLimits = { changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax };

/** What a `bound` says unless a script says otherwise: a server with nothing in it, that has all of this replica. */
export const bound = ({ session, seen, acknowledged }: Bind, differing: Partial<Bound> = {}): Bound => ({
  type: 'bound',
  session,
  history: 'scripted',
  head: seen,
  headBytes: 0,
  accepted: acknowledged,
  serverTime: 0,
  frameBytesMax: 1_000_000,
  snapshot: null,
  stamp: null,
  limits: writeLimits,
  horizon: null,
  decided: acknowledged,
  ...differing,
});

/** All changesets of an upload are durable. */
export const accepted = ({ session, changesets }: Upload): Accepted => ({
  type: 'accepted',
  session,
  version: changesets.at(-1)?.version ?? 0,
});

/** The last changeset of an upload is refused, for one object of it and a reason; what stands there instead is nothing. */
export const refused = ({ session, changesets }: Upload, type: string, key: string, reason: string): Refused => ({
  type: 'refused',
  session,
  version: changesets.at(-1)?.version ?? 0,
  writes: [{ type, key, reason }],
  standing: [{ type, key, state: null }],
  code: 'not-permitted',
});

/** What one session uploaded, as another gets it: the only way to changes that a real realm can read without a server. */
export const download = ({ session }: Bind, upload: Upload, origin: string): Download => {
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
export const wireError = (
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

const usual = (message: ClientMessage): readonly ServerMessage[] => {
  switch (message.type) {
    case 'bind':
      return [bound(message)];
    case 'upload':
      return [accepted(message)];
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

const kinds: Readonly<Record<keyof ServerScript, true>> = {
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
 * An edge: what goes wrong in a script, an `expect` that fails included, is thrown to the test, as RxJS does with what a handler throws. A
 * session would take it for the end of its line, and the test might pass.
 */
const reported = (thrown: unknown): Observable<never> => {
  const wrong$ = throwError(() => thrown);
  if (thrown instanceof LineError) return wrong$;
  return new Observable<never>((line) => {
    const rethrow = (): never => {
      throw thrown;
    };
    line.add(wrong$.subscribe({ error: rethrow }));
    line.error(thrown);
  });
};

/** What a handler says, which has to be something that can be said. */
const saying = (kind: string, says: () => Says): Observable<ServerMessage> =>
  defer(() => {
    const said: unknown = says();
    if (isObservable(said) || Array.isArray(said)) return from(said as Says);
    throw new InvalidArgumentError(`script.${kind}`, 'to give an array or a stream of messages', said);
  }).pipe(catchError(reported));

/** The kinds of a script are those of messages, and what it says to them are functions. */
const checkScript = (script: ServerScript): void => {
  checkedOptions('script', script, Object.keys(kinds) as (keyof ServerScript)[]);
  for (const [kind, handler] of Object.entries(script) as [string, unknown][])
    if (handler !== undefined && typeof handler !== 'function')
      throw new InvalidArgumentError(`script.${kind}`, 'a function of the message', handler);
};

/**
 * A server of one conversation, for tests that need none that stores anything: it binds, accepts, marks and answers pings, except where
 * the script says otherwise. A handler that gives `[]` is silent, one that gives `NEVER` too; a stream that errors with a `LineError`
 * ends the line. Whatever else a handler throws fails the test. Throws an `InvalidArgumentError` for a kind of message that there is not.
 */
export const scriptedServer = (script: ServerScript = {}): ScriptedServer => {
  checkScript(script);
  const heard = new ReplaySubject<ClientMessage>(heardMax);
  const answered = (message: ClientMessage): Observable<ServerMessage> => {
    const handler = script[message.type] as ((message: ClientMessage) => Says) | undefined;
    return handler ? saying(message.type, () => handler(message)) : from(usual(message));
  };
  const besides = (message: ClientMessage): Observable<ServerMessage> => {
    const { unasked } = script;
    return message.type === 'bind' && unasked ? saying('unasked', () => unasked(message)) : EMPTY;
  };
  return {
    wire: (said) =>
      said.pipe(
        tap((message) => heard.next(message)),
        mergeMap((message) => merge(answered(message), besides(message))),
      ),
    heard$: heard.asObservable(),
  };
};
