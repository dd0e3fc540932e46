import {
  BehaviorSubject,
  catchError,
  concat,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  share,
  startWith,
  Subject,
  switchMap,
  take,
  takeWhile,
  tap,
  throwError,
} from 'rxjs';
import type { Clock } from '../../clock.js';
import { SyncError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import {
  type TokenSource,
  retryRequest,
  answerOf,
  answersOf,
  type TokenRequestState,
  looksExpired,
  noTokenRequest,
  type TokensPorts,
  limitRequest,
} from './token-request.js';

/** What a session hears that waits for a token. */
export type TokenEvent =
  | { readonly kind: 'expired' }
  | { readonly kind: 'asking'; readonly request: TokenRequestState }
  /** `isOld`: it has expired, and is tried all the same because there is no other one. */
  | { readonly kind: 'token'; readonly token: string | null; readonly isOld?: boolean };

/**
 * The access token of a client, shared by its sessions: one question to the app, however many wait for the answer
 * (S17).
 */
export interface Tokens {
  /**
   * `expired` first, when the one at hand has expired and a new one is asked for, or `asking`, now and whenever that
   * changes, when there is none and the app does not answer at once; then a token, and completes. Cold; at once when a
   * good one is at hand. Errors with a `SyncError` `token-refused`.
   */
  readonly take: () => Observable<TokenEvent>;
  /**
   * Tokens that come while others are in use: later values of a stream that `accessToken` gave, and the token of a new
   * log-in. Hot as long as it is subscribed, which holds that stream; never errors, never completes.
   */
  readonly fresh$: Observable<string>;
  /** The server said that this token has expired; without one: that of the connection has. */
  readonly markExpired: (token?: string | null) => void;
  /** The server has let somebody in with the present token. */
  readonly markAccepted: () => void;
  /** Whether the token has expired, so that `take` asks for another one. */
  readonly isExpired: () => boolean;
  /** Forgets the token; the next `take` asks here. `null`: no token is needed. */
  readonly setSource: (accessToken: TokenSource | null) => void;
}

interface HeldToken {
  readonly token: string;
  /**
   * By our own clock, which may be wrong: a token that was just renewed is believed until the server says otherwise
   * (S18).
   */
  readonly expired: boolean;
  /** It is the one that was to be renewed. */
  readonly isOld: boolean;
  /**
   * When it came by itself, by the scheduler: what the server says of a token at that moment may be of the one before.
   */
  readonly freshSince: number;
}

/**
 * What a stream that the app gave says later. Waits hear of its errors; one that fails later has nothing more to give.
 */
const laterTokensOf = (sources: Observable<Observable<string> | null>): Observable<string> =>
  sources.pipe(switchMap((token$) => (token$ ?? EMPTY).pipe(catchError(() => EMPTY))));

/** The token of a question, if it has one. */
const tokenOf = (taking: Observable<TokenEvent>): Observable<string> =>
  taking.pipe(
    map((heard) => (heard.kind === 'token' ? heard.token : null)),
    filter((token) => token !== null),
    catchError(() => EMPTY),
  );

/** Asked once, however many wait; the next to wait asks again. */
const shareRequest = () =>
  share<string>({
    connector: () => new Subject(),
    resetOnComplete: true,
    resetOnError: true,
    resetOnRefCountZero: true,
  });

const createExpiryCheck =
  ({ now }: Clock) =>
  (token: string): boolean =>
    looksExpired(token, now());

/** A token that was just renewed is believed, whatever our clock says of it. */
const trustToken = (): boolean => false;

const tokenEventOf = (token: string | null, isOld = false): TokenEvent => ({
  kind: 'token',
  token,
  ...(isOld && { isOld }),
});

/** Tells of a trouble once: until a token was good, or somebody else logs in. */
const createTroubleReporter = ({ onTrouble }: TokensPorts) => {
  let isTold = false;
  return {
    tell: (text: string, cause?: unknown): void => {
      if (!isTold) onTrouble?.(new SyncError('token-unavailable', text, { cause }));
      isTold = true;
    },
    over: () => (isTold = false),
  };
};

/** All that is remembered of the tokens of one client. */
interface TokenMemory {
  source: TokenSource | null;
  held: HeldToken | null;
  /** The token that was last bound with. */
  boundToken: string | null;
  /** Tokens in a row that the server called expired. */
  expiries: number;
  /** What the app gave when it was last asked. */
  latest$: Observable<string> | null;
}

/** The two questions to the app, each once for all who wait: for a token, and for another one. What comes is held. */
const createTokenRequests = (
  memory: TokenMemory,
  ports: TokensPorts,
  switched$: Observable<unknown>,
  held: () => void,
) => {
  const asking = new BehaviorSubject(noTokenRequest);
  const trouble = createTroubleReporter(ports);
  const asked = (rejected: string | null): Observable<string> =>
    defer(() => {
      const { source } = memory;
      if (source === null) return NEVER; // Nobody is logged in any more.
      return limitRequest(
        defer(() => answerOf((memory.latest$ = answersOf(source)), rejected)),
        ports,
      ).pipe(
        tap({
          error: (thrown: unknown) => {
            if (!(thrown instanceof SyncError)) trouble.tell('The app could not give an access token.', thrown);
          },
        }),
      );
    });
  const asker = (question: () => Observable<string>, isExpired: (token: string) => boolean): Observable<string> =>
    switched$.pipe(
      startWith(0),
      switchMap(() => defer(question).pipe(retryRequest(ports, asking))),
      take(1),
      tap((token) => {
        const isOld = memory.held?.token === token;
        memory.held = { token, expired: isExpired(token), isOld, freshSince: -Infinity };
        held(); // Before the question is over: who holds the line goes on listening to the same answer.
      }),
      shareRequest(),
    );
  return {
    ...{ asking, trouble },
    asked$: asker(() => asked(null), createExpiryCheck(ports.clock)),
    /** When the question failed, and not the user, the old token is tried, and the server's answer decides (S21). */
    renewed$: asker(() => {
      const old = memory.held?.token ?? null;
      return asked(old).pipe(
        catchError((thrown: unknown) =>
          thrown instanceof SyncError || old === null ? throwError(() => thrown) : of(old),
        ),
      );
    }, trustToken),
  };
};

/** What `Tokens.take` does. */
const createTake = (memory: TokenMemory, { asking, asked$, renewed$ }: ReturnType<typeof createTokenRequests>) => {
  const asked = (): Observable<TokenEvent> =>
    merge(
      asked$.pipe(map(() => null)),
      defer(() => (memory.held === null ? asking.pipe(distinctUntilChanged()) : EMPTY)),
    ).pipe(
      takeWhile((each) => each !== null, true),
      switchMap((each) => (each === null ? taking() : of<TokenEvent>({ kind: 'asking', request: each }))),
    );
  const taking = (): Observable<TokenEvent> =>
    defer(() => {
      const { source, held } = memory;
      if (source === null) return of(tokenEventOf(null));
      if (held === null) return asked();
      if (held.expired) return concat(of<TokenEvent>({ kind: 'expired' }), renewed$.pipe(switchMap(taking), take(1)));
      memory.boundToken = held.token;
      return of(tokenEventOf(held.token, held.isOld));
    });
  return taking;
};

/**
 * Whether the server spoke of the token that is held: one that has just come it may not have heard of, and that is
 * tried first.
 */
const isAboutHeldToken = (token: string | null | undefined, { held, boundToken }: TokenMemory, now: number): boolean =>
  held !== null &&
  (token === undefined
    ? held.token === boundToken || now - held.freshSince >= limits.tokenGraceMs
    : held.token === token);

export const createTokens = (accessToken: TokenSource | null, ports: TokensPorts): Tokens => {
  const { scheduler } = ports.clock;
  const memory: TokenMemory = { source: accessToken, held: null, boundToken: null, expiries: 0, latest$: null };
  const sources = new BehaviorSubject<Observable<string> | null>(null);
  const switched = new Subject<void>(); // Whoever was asked is not the one to ask any more.
  const used = new Subject<void>();
  const asked = createTokenRequests(memory, ports, switched, () => sources.next(memory.latest$));
  const taking = createTake(memory, asked);

  const later$ = laterTokensOf(sources).pipe(
    filter((token) => memory.held !== null && token !== memory.held.token),
    tap((token) => (memory.held = { token, expired: false, isOld: false, freshSince: scheduler.now() })),
  );
  const fresh$ = merge(later$, used.pipe(switchMap(() => tokenOf(taking())))).pipe(
    finalize(() => sources.next(null)), // Nobody holds the line: the stream is let go of.
    shareRequest(),
  );
  const wasGood = (): void => {
    memory.expiries = 0;
    asked.trouble.over();
  };

  return {
    take: taking,
    fresh$,
    markExpired: (token) => {
      const { held } = memory;
      if (held === null || held.expired || !isAboutHeldToken(token, memory, scheduler.now())) return;
      memory.held = { ...held, expired: true };
      memory.expiries += 1;
      if (memory.expiries > 1) asked.trouble.tell('The server takes the tokens that the app gives for expired.');
    },
    markAccepted: wasGood,
    isExpired: () => memory.source !== null && memory.held?.expired === true,
    setSource: (next) => {
      Object.assign(memory, { source: next, held: null });
      wasGood();
      sources.next(null);
      switched.next();
      if (next !== null) used.next();
    },
  };
};
