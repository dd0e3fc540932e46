import { concat, EMPTY, map, NEVER, type Observable, Subject, throwError, timer } from 'rxjs';
import type { Clock } from '../lib/clock.js';
import type { Settings } from './themes.js';

/** How the app's own server answers when it is asked for a token. */
export type TokenBehaviour = 'works' | 'fails' | 'gives expired ones';

/** A token is `user:when it ends:its number`: no two are the same. */
export interface Token {
  readonly user: string;
  /** Milliseconds since the epoch, by true time. */
  readonly expiresAt: number;
}

export const parseToken = (text: string): Token => {
  const [user = '', ends = ''] = text.split(':');
  return { user, expiresAt: Number(ends) };
};

/** What a device gives its client for a token, over all of its processes. */
export interface TokenSource {
  /** For `accessToken` of one process: a token after a while; in half of all cases later ones on the same stream. */
  readonly accessToken: (clock: Clock) => () => Observable<string>;
  /** Gives whoever listens to the stream another token. */
  readonly renew: () => void;
  readonly setBehaviour: (mood: TokenBehaviour) => void;
  readonly currentUser: () => string;
  readonly setUser: (user: string) => void;
  /**
   * When the last token was given, if that was on a stream that was open, and when it ends: milliseconds of virtual
   * time, and true time.
   */
  readonly lastRenewal: () => { readonly at: number; readonly ends: number } | null;
}

export interface TokenOptions {
  readonly user: string;
  readonly random: () => number;
  /** Virtual time. */
  readonly now: () => number;
  /** True time, since the epoch, at virtual time 0. */
  readonly epoch: number;
  readonly settings: Pick<Settings, 'tokenMs' | 'answerMs'>;
}

export const createTokenSource = ({ user: first, random, now, epoch, settings }: TokenOptions): TokenSource => {
  const { answerMs } = settings;
  const [least, most] = settings.tokenMs;
  let user = first;
  let mood: TokenBehaviour = 'works';
  let count = 0;
  let renewed: ReturnType<TokenSource['lastRenewal']> = null;
  let later = new Subject<string>(); // Of the present process.

  const made = (): string => {
    const lasts = mood === 'gives expired ones' ? -1_000 : least + Math.floor(random() * (most - least));
    count += 1;
    renewed = null; // The last one counts.
    return `${user}:${epoch + now() + lasts}:${count}`;
  };
  const answer = (clock: Clock, mine: Subject<string>): Observable<string> => {
    const isStream = random() < 0.5;
    const answered$ = timer(Math.floor(random() ** 2 * answerMs), clock.scheduler).pipe(
      map(() => {
        if (mood === 'fails') throw new Error('503: nobody gives tokens just now');
        return made();
      }),
    );
    return concat(answered$, isStream ? concat(mine, NEVER) : EMPTY);
  };
  return {
    accessToken: (clock) => {
      const mine = (later = new Subject<string>());
      return () =>
        mood === 'fails' && random() < 0.5 ? throwError(() => new Error('no network')) : answer(clock, mine);
    },
    renew: () => {
      if (mood !== 'works' || !later.observed) return;
      later.next(made()); // Two, one right after the other: the answer about the first may come last.
      const token = made();
      renewed = { at: now(), ends: parseToken(token).expiresAt };
      later.next(token);
    },
    setBehaviour: (next) => {
      mood = next;
    },
    currentUser: () => user,
    setUser: (next) => {
      user = next;
      renewed = null;
    },
    lastRenewal: () => renewed,
  };
};
