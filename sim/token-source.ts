import { concat, EMPTY, map, NEVER, type Observable, Subject, throwError, timer } from 'rxjs';
import type { Clock } from '../lib/clock.js';
import type { Settings } from './themes.js';

/** Behaviour of the app's token endpoint. */
export type TokenBehaviour = 'works' | 'fails' | 'gives expired ones';

/** A token has the form `user:expiry:number`, and no two tokens are equal. */
export interface Token {
  readonly user: string;
  /** Milliseconds since the epoch, by true time. */
  readonly expiresAt: number;
}

export const parseToken = (text: string): Token => {
  const [user = '', ends = ''] = text.split(':');
  return { user, expiresAt: Number(ends) };
};

/** Tokens of a device, over all of its processes. */
export interface TokenSource {
  /**
   * Returns the `accessToken` function of one process: a token after a delay, and in half of all cases later ones on
   * the same stream. Tabs of a browser that runs already get later ones together.
   */
  readonly accessToken: (clock: Clock, isOfSameBrowser?: boolean) => () => Observable<string>;
  /** Emits another token on the open stream. */
  readonly renew: () => void;
  readonly setBehaviour: (behaviour: TokenBehaviour) => void;
  readonly currentUser: () => string;
  readonly setUser: (user: string) => void;
  /**
   * When the last token was renewed on an open stream, in virtual milliseconds, and when it expires, in true time;
   * `null` for other tokens.
   */
  readonly lastRenewal: () => { readonly at: number; readonly ends: number } | null;
}

export interface TokenOptions {
  readonly user: string;
  readonly random: () => number;
  /** Virtual time. */
  readonly now: () => number;
  /** True time since the epoch, at virtual time 0. */
  readonly epoch: number;
  readonly settings: Pick<Settings, 'tokenMs' | 'answerMs'>;
}

export const createTokenSource = ({ user: first, random, now, epoch, settings }: TokenOptions): TokenSource => {
  const { answerMs } = settings;
  const [least, most] = settings.tokenMs;
  let user = first;
  let behaviour: TokenBehaviour = 'works';
  let count = 0;
  let renewed: ReturnType<TokenSource['lastRenewal']> = null;
  let later = new Subject<string>(); // Of the current process.

  const createToken = (): string => {
    const lasts = behaviour === 'gives expired ones' ? -1_000 : least + Math.floor(random() * (most - least));
    count += 1;
    renewed = null; // Only the last token matters.
    return `${user}:${epoch + now() + lasts}:${count}`;
  };
  const answer = (clock: Clock, process$: Subject<string>): Observable<string> => {
    const isStream = random() < 0.5;
    const answered$ = timer(Math.floor(random() ** 2 * answerMs), clock.scheduler).pipe(
      map(() => {
        if (behaviour === 'fails') throw new Error('503: the token service is unavailable');
        return createToken();
      }),
    );
    return concat(answered$, isStream ? concat(process$, NEVER) : EMPTY);
  };
  return {
    accessToken: (clock, isOfSameBrowser = false) => {
      const process$ = isOfSameBrowser ? later : (later = new Subject<string>());
      return () =>
        behaviour === 'fails' && random() < 0.5 ? throwError(() => new Error('no network')) : answer(clock, process$);
    },
    renew: () => {
      if (behaviour !== 'works' || !later.observed) return;
      later.next(createToken()); // Two tokens in a row: the answer about the first may arrive last.
      const token = createToken();
      renewed = { at: now(), ends: parseToken(token).expiresAt };
      later.next(token);
    },
    setBehaviour: (next) => {
      behaviour = next;
    },
    currentUser: () => user,
    setUser: (next) => {
      user = next;
      renewed = null;
    },
    lastRenewal: () => renewed,
  };
};
