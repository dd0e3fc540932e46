import { Observable, type Subscriber, type Subscription } from 'rxjs';
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
  private watching: Subscription | null = null;

  constructor(private readonly options: ScopeWatchOptions) {}

  /** Calls `scope` for the user of the session. Emits its first value, and completes. */
  begin(user: User): Observable<ScopeFilters> {
    return new Observable((subscriber) => {
      this.waiting = subscriber;
      this.renew(user);
    });
  }

  /** Calls `scope` again, with the user of a fresh token. Its earlier answer is valid until it answers. */
  renew(user: User): void {
    const { scope, schemaOf, realm, teardown, changed, failed } = this.options;
    const before = this.watching;
    const watching = watchScope(scope, schemaOf(realm), user, realm).subscribe({
      next: (filters) => {
        before?.unsubscribe();
        const { waiting } = this;
        this.waiting = null;
        if (waiting === null) changed(filters);
        else {
          waiting.next(filters);
          waiting.complete();
        }
      },
      error: (thrown: unknown) => (this.waiting === null ? failed(thrown) : this.waiting.error(thrown)),
    });
    this.watching = watching;
    teardown.add(watching);
  }
}
