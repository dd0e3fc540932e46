import { concat, defer, EMPTY, map, of, switchMap, type Observable } from 'rxjs';
import { createRandomId, type Clock } from '../../clock.js';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import { serverLimits } from '../server-limits.js';
import { encodeScopes, type ScopeRecord } from './scope-records.js';
import { scopeTextOf, type ScopeFilters } from './scope.js';
import { ServedScope } from './served-scope.js';

/** The scope of a device. */
export interface DeviceScope {
  /** The id that the device has stored with its objects; `null` if it has none. */
  readonly id: string | null;
  /** The server version up to which the device has them. */
  readonly downloadedTo: Version;
}

/** The order in which a scope is stored, and a session gets it. */
export type EnterOrder = 'stored first' | 'entered first';

/** The scopes of a user and of a device of that user. */
export interface EnteredScope {
  /** The scope; `null`: all objects are visible. */
  readonly scope: ServedScope | null;
  /** The scope of the device's objects; `null` if that is not known any more, or cannot be right. */
  readonly stored: ServedScope | null;
}

/** Returns the records that a realm keeps of a user: the first one, those of everything, and the latest others. */
const limitRecords = (records: readonly ScopeRecord[]): readonly ScopeRecord[] => {
  const { scopesPerUserMax, scopesBytesMax } = serverLimits;
  let bytes = 0;
  let count = 0;
  return records.filter((each, at) => {
    bytes += encodeScopes([each]).byteLength;
    const isKept = at === 0 || each.filters === null || (count < scopesPerUserMax && bytes <= scopesBytesMax);
    if (isKept) count += 1;
    return isKept;
  });
};

/**
 * The present and former scopes of the users of one realm, so that a device that comes back after its rights have
 * changed gets the difference. Keeps those of the latest users in memory, so that two sessions do not overwrite each
 * other's.
 */
export class UserScopes {
  private readonly kept = new Map<string, readonly ScopeRecord[]>();
  /** The scopes that sessions share. */
  private readonly served = new WeakMap<ScopeRecord, ServedScope>();

  constructor(
    private readonly history: Pick<History, 'log' | 'readScopes' | 'writeScopes'>,
    private readonly clock: Pick<Clock, 'random'>,
  ) {}

  /**
   * Notes that a user has a scope from now on. Emits once and completes. Errors with a `StorageError`. A session that
   * is bound already gets it before it is stored, so that nothing is sent meanwhile. A device whose id is lost in a
   * crash gets its whole view.
   */
  enter(
    user: string,
    filters: ScopeFilters,
    device: DeviceScope,
    order: EnterOrder = 'stored first',
  ): Observable<EnteredScope> {
    return this.read(user).pipe(switchMap((before) => this.enterAmong(user, before, filters, device, order)));
  }

  /**
   * Forgets a scope, so that devices with its objects get their whole view. Emits nothing. Completes when stored.
   * Errors with a `StorageError`. `id`: that of the scope; `null`: devices without a scope, which have seen everything.
   */
  forget(user: string, id: string | null): Observable<never> {
    return this.read(user).pipe(
      switchMap((before) => {
        const rest = id === null ? this.numberEverything(before) : before.filter((each) => each.id !== id);
        if (rest === before) return EMPTY;
        this.keep(user, rest);
        return this.history.writeScopes(user, rest);
      }),
    );
  }

  /** Adds a record that gives everything an id when it is visible again, which the devices before do not have. */
  private numberEverything(before: readonly ScopeRecord[]): readonly ScopeRecord[] {
    if (before.some(({ filters }) => filters === null)) return before;
    const { head } = this.history.log;
    return [...before, { id: createRandomId(this.clock), filters: null, since: head, until: head }];
  }

  private read(user: string): Observable<readonly ScopeRecord[]> {
    return defer(() => (this.kept.has(user) ? of([]) : this.history.readScopes(user))).pipe(
      map((stored) => this.kept.get(user) ?? stored),
    );
  }

  private enterAmong(
    user: string,
    before: readonly ScopeRecord[],
    filters: ScopeFilters,
    { id, downloadedTo }: DeviceScope,
    order: EnterOrder,
  ): Observable<EnteredScope> {
    const hasId = filters !== null || before.some((each) => each.filters === null);
    const present = hasId ? this.recordOf(before, filters) : null;
    const { floor, head } = this.history.log;
    const others = before
      .filter(({ id: each }) => each !== present?.id)
      .map((each) => (each.until === null ? { ...each, until: head } : each))
      // A device that needs removed changesets gets its whole view.
      .filter(({ filters: limited, until }) => limited === null || until === null || until >= floor);
    const all = limitRecords(present === null ? others : [present, ...others]);
    // A device that claims to have what was not in its scope could learn the names of earlier or later objects.
    const wasSent = ({ since, until }: ScopeRecord): boolean =>
      since <= downloadedTo && (until === null || downloadedTo <= until);
    const stored = all.find((each) => each.id === id && wasSent(each));
    const entered = {
      scope: present === null ? null : this.servedOf(present),
      stored: stored === undefined ? null : this.servedOf(stored),
    };
    const isChanged = all.length !== before.length || all.some((each, at) => each !== before[at]);
    const entered$ = of(entered);
    if (isChanged || all.length > 0) this.keep(user, isChanged ? all : before);
    if (!isChanged) return entered$;
    const write$ = defer(() => this.history.writeScopes(user, this.kept.get(user) ?? all));
    return order === 'stored first' ? concat(write$, entered$) : concat(entered$, write$);
  }

  private recordOf(before: readonly ScopeRecord[], filters: ScopeRecord['filters']): ScopeRecord {
    const text = scopeTextOf(filters);
    // A scope that has ended has another id when it begins again: in between there may have been other objects in it.
    const known = before.find((each) => each.until === null && scopeTextOf(each.filters) === text);
    return known ?? { id: createRandomId(this.clock), filters, since: this.history.log.head, until: null };
  }

  private servedOf(record: ScopeRecord): ServedScope {
    const served = this.served.get(record) ?? new ServedScope(record.id, record.filters);
    this.served.set(record, served);
    return served;
  }

  private keep(user: string, records: readonly ScopeRecord[]): void {
    this.kept.delete(user);
    this.kept.set(user, records);
    const [oldest] = this.kept.keys();
    if (this.kept.size > serverLimits.scopedUsersKept && oldest !== undefined) this.kept.delete(oldest);
  }
}
