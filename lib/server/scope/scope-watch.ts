import { Observable, Subscription, type Subscriber } from 'rxjs';
import type { User } from '../auth/access.js';
import type { SchemaOf } from '../uploads/server-schemas.js';
import { watchScope, type ScopeFilters, type ScopeOf } from './scope.js';

export interface ScopeWatchOptions {
  readonly scope: ScopeOf;
  readonly schemaOf: SchemaOf;
  readonly realm: string;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
  /** Called with each value after the first one. */
  readonly changed: (filters: ScopeFilters) => void;
  /** Called with the error of `scope`. The first value's error goes to the subscriber of `begin`. */
  readonly failed: (thrown: unknown) => void;
}

/** Watches what one session may see. Subscribes to the answer of `scope` until the session ends. */
export class ScopeWatch {
  private waiting: Subscriber<ScopeFilters> | null = null;
  private hasBegun = false;
  /** The user of the latest token. */
  private user: User | null = null;
  /** The call whose answers are valid, and a later one that has not answered yet. */
  private answered: Subscription | null = null;
  private pending: Subscription | null = null;

  constructor(private readonly options: ScopeWatchOptions) {}

  /** Calls `scope` for the user of the session, or for that of a later token. Emits its first value, and completes. */
  begin(user: User): Observable<ScopeFilters> {
    return new Observable((subscriber) => {
      this.waiting = subscriber;
      this.hasBegun = true;
      this.watch((this.user ??= user));
    });
  }

  /** Calls `scope` again, with the user of a fresh token. Its earlier answer is valid until it answers. */
  renew(user: User): void {
    if (this.user === user) return;
    this.user = user;
    if (this.hasBegun) this.watch(user);
  }

  private watch(user: User): void {
    const { scope, schemaOf, realm, teardown } = this.options;
    const watching = new Subscription();
    this.pending?.unsubscribe();
    this.pending = watching;
    teardown.add(watching);
    watching.add(
      watchScope(scope, schemaOf(realm), user, realm).subscribe({
        next: (filters) => this.take(watching, filters),
        error: (thrown: unknown) => this.fail(thrown),
      }),
    );
  }

  private take(watching: Subscription, filters: ScopeFilters): void {
    if (this.pending === watching) {
      this.answered?.unsubscribe();
      this.answered = watching;
      this.pending = null;
    }
    const { waiting } = this;
    this.waiting = null;
    if (waiting === null) this.options.changed(filters);
    else {
      waiting.next(filters);
      waiting.complete();
    }
  }

  private fail(thrown: unknown): void {
    if (this.waiting === null) this.options.failed(thrown);
    else this.waiting.error(thrown);
  }
}
