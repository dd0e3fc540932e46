import { defer, type Observable, of, ReplaySubject, share, switchMap, tap } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { PropertySpec, PropertyType, Schema } from '../model/schema.js';
import { WrongRealmError } from '../store/ownership/claim-owner.js';
import type { ClientCore } from './client-core.js';
import { openRunningRealm, type RunningRealm, type OpenPlan } from './open-realm.js';

/** A realm that is open, or opening, with what it was opened with. */
export interface RealmEntry {
  readonly plan: OpenPlan;
  readonly opened$: Observable<RunningRealm>;
}

/** By place: one place holds one realm. */
export type RealmRegistry = Map<unknown, RealmEntry>;

/** The realms that are open with a client. */
export const realmsOf = ({ openRealms }: ClientCore): RealmRegistry => openRealms as RealmRegistry;

/** The local realms that are open in this process. Those that sync are kept by their clients. */
const localRealms: RealmRegistry = new Map();

const propertyTypeOf = (spec: PropertyType | PropertySpec | undefined): string | undefined =>
  typeof spec === 'object' ? spec.type : spec;

/** Functions cannot be compared: what they give is the app's. */
const defaultTextOf = (spec: PropertyType | PropertySpec | undefined): string => {
  const value = typeof spec === 'object' ? spec.default : undefined;
  return typeof value === 'function' ? 'a function' : JSON.stringify([value]);
};

const namesOf = <A>(one: Readonly<Record<string, A>>, other: Readonly<Record<string, A>>): readonly string[] => [
  ...new Set([...Object.keys(one), ...Object.keys(other)]),
];

const createDifferenceError = (what: string, found: unknown, asked: unknown): InvalidArgumentError =>
  new InvalidArgumentError(what, `${String(found)}, with which this realm is open`, asked);

/** The first difference of two schemas. */
const schemaDifferenceOf = (found: Schema, asked: Schema): InvalidArgumentError | null => {
  for (const type of namesOf(found, asked)) {
    const [before, after] = [found[type], asked[type]];
    const place = `schema.${type}`;
    if (!before || !after)
      return createDifferenceError(place, before ? 'the type' : 'no such type', after ?? 'no such type');
    if (before.primaryKey !== after.primaryKey)
      return createDifferenceError(`${place}.primaryKey`, before.primaryKey, after.primaryKey);
    for (const name of namesOf(before.properties, after.properties)) {
      const [one, other] = [before.properties[name], after.properties[name]];
      if (propertyTypeOf(one) !== propertyTypeOf(other))
        return createDifferenceError(
          `${place}.${name}`,
          propertyTypeOf(one) ?? 'no such property',
          propertyTypeOf(other) ?? 'no such property',
        );
      if (defaultTextOf(one) !== defaultTextOf(other))
        return createDifferenceError(
          `${place}.${name}.default`,
          defaultTextOf(one).slice(1, -1),
          defaultTextOf(other).slice(1, -1),
        );
    }
  }
  return null;
};

/** What keeps a handle from being one of a realm that was opened with another plan; `null`: nothing. */
const planDifferenceOf = (found: OpenPlan, asked: OpenPlan): Error | null => {
  const [one, other] = [found.sync, asked.sync];
  if (one && other) {
    if (one.realmName !== other.realmName) return new WrongRealmError(one.realmName, other.realmName);
    if (one.stopImmediately !== other.stopImmediately) {
      const policy = (immediately: boolean): string => (immediately ? 'immediately' : 'afterChangesUploaded');
      return createDifferenceError('sync.stopPolicy', policy(one.stopImmediately), policy(other.stopImmediately));
    }
    if (one.clientReset !== other.clientReset)
      return createDifferenceError('sync.clientReset', one.clientReset, other.clientReset);
    if (one.anyUser !== other.anyUser) {
      const [found, asked] = [one, other].map(({ anyUser }) => (anyUser ? 'read' : 'refuse'));
      return createDifferenceError('sync.otherUser', found, asked);
    }
  }
  if (found.migration?.version !== asked.migration?.version)
    return createDifferenceError('schemaVersion', found.migration?.version ?? 0, asked.migration?.version ?? 0);
  if (found.clock !== asked.clock) return createDifferenceError('clock', 'the clock', asked.clock);
  return schemaDifferenceOf(found.schema, asked.schema);
};

/** Who opened it first may be gone by then. */
const forgetOnRelease = (released$: Observable<unknown>, forget: () => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends with the realm, and never errors
  released$.subscribe({ next: forget, error: forget });
};

/** Opens a realm once for all who ask, until it is released or cannot be opened. */
const openOnce = (realms: RealmRegistry, plan: OpenPlan): Observable<RunningRealm> => {
  const forget = (): void => {
    if (realms.get(plan.location)?.opened$ === opened$) realms.delete(plan.location);
  };
  const opened$: Observable<RunningRealm> = openRunningRealm(plan).pipe(
    tap({
      next: ({ released$ }) => {
        forgetOnRelease(released$, forget);
      },
      error: forget,
    }),
    share({
      connector: () => new ReplaySubject(1),
      resetOnComplete: false,
      resetOnError: false,
      resetOnRefCountZero: false,
    }),
  );
  realms.set(plan.location, { plan, opened$ });
  return opened$;
};

/**
 * The one opened realm behind all handles of it. A realm that is being released is waited for, and opened again. So is
 * one that nobody holds and that only uploads what is left, when it is asked for with another plan: what is left waits
 * in its storage. Errors when somebody holds it with another plan.
 */
export const enterRealm = (plan: OpenPlan): Observable<RunningRealm> =>
  defer(() => {
    const realms = plan.sync ? realmsOf(plan.sync.core) : localRealms;
    const clearing$ = plan.sync?.core.discards.clearing.get(plan.location);
    if (clearing$) return clearing$.pipe(switchMap(() => enterRealm(plan)));
    const found = realms.get(plan.location);
    if (!found) return openOnce(realms, plan);
    return found.opened$.pipe(
      switchMap((opened) => {
        const reason = planDifferenceOf(found.plan, plan);
        if (reason && opened.hasHandles()) throw reason;
        if (reason) opened.closeNow();
        else if (opened.addHandle()) return of(opened);
        return opened.released$.pipe(switchMap(() => enterRealm(plan)));
      }),
    );
  });
