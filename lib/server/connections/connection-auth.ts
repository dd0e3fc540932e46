import { defer, isObservable, of, ReplaySubject, share, tap, type Observable, type Subscription } from 'rxjs';
import type { Clock } from '../../clock.js';
import { limits } from '../../model/limits.js';
import { allowAnyone, userOf, type Authenticate, type User } from '../auth/access.js';
import { TokenRejectedError } from '../server-errors.js';

export interface ConnectionAuthPorts {
  readonly authenticate: Authenticate;
  readonly clock: Clock;
}

/** The connection that is authenticated. */
interface AuthenticatedConnection {
  /** Called when the last valid token has expired before the client sent a fresh one. */
  failed(error: TokenRejectedError): void;
  /** Called with the user of each valid token, unless the answer about a later token has come before. */
  renewed(user: User): void;
}

/**
 * Authenticates one connection, which belongs to one user until it ends, because its sessions were admitted for that
 * user. A class, because a server has one for each connection.
 */
export class ConnectionAuth {
  private last: string | null = null;
  private owner: User | null = null;
  /** The check of the last token, or its user. */
  private latest: Observable<User> | User | null = null;
  private checks = 0;
  private latestValid = 0; // Number of the latest valid token: the answer about an earlier token may arrive later.
  private expiry: Subscription | null = null;

  constructor(
    private readonly ports: ConnectionAuthPorts,
    private readonly connection: AuthenticatedConnection,
  ) {}

  /**
   * Emits the user of a token, or of the connection's last token for `null`. Each token is checked once. Errors with an
   * `TokenRejectedError`.
   */
  resolveUser(token: string | null): Observable<User> {
    return defer(() => {
      const { latest, last, ports } = this;
      if (latest !== null && (token === null || token === last)) return isObservable(latest) ? latest : of(latest);
      if (token === null && ports.authenticate !== allowAnyone)
        throw new TokenRejectedError('token-refused', 'No token was sent on this connection.');
      this.last = token;
      const check$ = this.checkToken(token ?? '');
      this.latest = check$;
      return check$;
    });
  }

  /** Stops the timer of the token. */
  close(): void {
    this.expiry?.unsubscribe();
    this.expiry = null;
  }

  /** Shares one check between all waiting subscribers. Later subscribers get the user; nothing else is kept. */
  private checkToken(token: string): Observable<User> {
    const number = (this.checks += 1);
    const check$ = userOf(this.ports.authenticate, token).pipe(
      tap((user) => {
        if (this.owner !== null && this.owner.id !== user.id)
          throw new TokenRejectedError('user-refused', 'The connection belongs to another user.');
        this.owner = user;
        if (this.latest === check$) this.latest = user;
        if (number < this.latestValid) return;
        this.latestValid = number;
        this.expireAt(user.expiresAt ?? Infinity);
        this.connection.renewed(user);
      }),
      share({
        connector: () => new ReplaySubject(1),
        resetOnComplete: false,
        resetOnError: true,
        resetOnRefCountZero: true,
      }),
    );
    return check$;
  }

  /** Ends the connection at a time of the wall clock, even if the clock is changed meanwhile. */
  private expireAt(time: number): void {
    this.close();
    if (time !== Infinity) this.waitUntil(time);
  }

  private waitUntil(time: number): void {
    const { clock } = this.ports;
    this.expiry = null;
    const left = time - clock.now();
    if (left <= 0)
      this.connection.failed(new TokenRejectedError('token-expired', 'The token of this connection has expired.'));
    else this.expiry = clock.scheduler.schedule(() => this.waitUntil(time), Math.min(left, limits.timerMsMax));
  }
}
