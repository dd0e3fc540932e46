import { defer, map, of, switchMap, timer, type Observable } from 'rxjs';
import { TokenRejectedError } from '../lib/server/index.js';
import type { ServerOptions } from '../lib/server/server-options.js';
import type { KillableClock } from './killable-clock.js';
import { parseToken } from './token-source.js';
import type { UserAccess } from './user-access.js';
import type { UserScopes } from './world-scopes.js';

export interface AccessOptions {
  readonly killableClock: KillableClock;
  readonly random: () => number;
  /** Longest delay of an answer in milliseconds; 0: all answers are immediate. */
  readonly answerMs: () => number;
  readonly userAccess: UserAccess;
  /** Called with the user and the key of each entry that is written; `null`: the server has no `permit`. */
  readonly checkSender: ((user: string, key: string) => void) | null;
  /** `null`: the server has no `scope`. */
  readonly scopes: UserScopes | null;
}

/** Creates the functions of the app that a server asks, which answer at once or after a delay. */
export const createAccess = ({
  killableClock,
  random,
  answerMs,
  userAccess,
  checkSender,
  scopes,
}: AccessOptions): Pick<ServerOptions, 'authenticate' | 'authorize' | 'permit' | 'scope'> => {
  const later = <A>(answer: () => A): Observable<A> => {
    const most = answerMs();
    if (most === 0) return defer(() => of(answer()));
    return timer(Math.floor(random() ** 2 * most), killableClock.clock.scheduler).pipe(map(answer));
  };
  return {
    authenticate: (token) => {
      const { user: id, expiresAt } = parseToken(token);
      return later(() => {
        if (expiresAt <= killableClock.clock.now()) throw new TokenRejectedError('token-expired', 'too old');
        return { id, expiresAt };
      });
    },
    authorize: ({ id }) => later(() => userAccess.accessOf(id)),
    ...(checkSender && {
      permit: ({ id }, __, { type, key, after }) => {
        if (type === 'Entry') checkSender(id, String(key));
        return later(() => (type === 'Entry' && after?.['bad'] === true ? 'bad' : true) as true | string);
      },
    }),
    ...(scopes && { scope: ({ id }) => later(() => scopes.visible$(id)).pipe(switchMap((visible$) => visible$)) }),
  };
};
