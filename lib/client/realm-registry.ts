import { defer, type Observable, of, ReplaySubject, share, switchMap, tap } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { PropertySpec, PropertyType, Schema } from '../model/schema.js';
import { WrongRealmError } from '../store/ownership/claim-owner.js';
import type { ClientCore } from './client-core.js';
import { openRunningRealm, type RunningRealm, type OpenPlan } from './running-realm.js';

/** A realm that is open or opening, with the plan that opened it. */
export interface RealmEntry {
  readonly plan: OpenPlan;
  readonly opened$: Observable<RunningRealm>;
}

/** The realms by their storage: one storage holds one realm. */
export type RealmRegistry = Map<unknown, RealmEntry>;

/** The realms that are open with a client. */
export const realmsOf = ({ openRealms }: ClientCore): RealmRegistry => openRealms as RealmRegistry;

/** The local realms of this process. Clients have the realms that sync. */
const localRealms: RealmRegistry = new Map();

const propertyTypeOf = (spec: PropertyType | PropertySpec | undefined): string | undefined =>
  typeof spec === 'object' ? spec.type : spec;

/** Functions are not compared: the app is responsible for giving the same one. */
const defaultTextOf = (spec: PropertyType | PropertySpec | undefined): string => {
  const value = typeof spec === 'object' ? spec.default : undefined;
  return typeof value === 'function' ? 'a function' : JSON.stringify([value]).slice(1, -1);
};

const namesOf = <A>(one: Readonly<Record<string, A>>, other: Readonly<Record<string, A>>): readonly string[] => [
  ...new Set([...Object.keys(one), ...Object.keys(other)]),
];

/** Creates the error for an option that differs from that of an open handle. */
const createDifferenceError = (what: string, found: unknown, asked: unknown): InvalidArgumentError =>
  new InvalidArgumentError(what, String(found), asked, {
    problem: `The realm is open already, and its ${what} is ${String(found)}, not ${String(asked)}.`,
    advice: 'Close that handle, or pass equal options.',
  });

/** The first difference of two schemas. */
const schemaDifferenceOf = (found: Schema, asked: Schema): InvalidArgumentError | null => {
  for (const type of namesOf(found, asked)) {
    const [before, after] = [found[type], asked[type]];
    const path = `schema.${type}`;
    if (!before || !after)
      return createDifferenceError(path, before ? 'present' : 'absent', after ? 'present' : 'absent');
    if (before.primaryKey !== after.primaryKey)
      return createDifferenceError(`${path}.primaryKey`, before.primaryKey, after.primaryKey);
    for (const name of namesOf(before.properties, after.properties)) {
      const [one, other] = [before.properties[name], after.properties[name]];
      if (propertyTypeOf(one) !== propertyTypeOf(other))
        return createDifferenceError(
          `${path}.${name}`,
          propertyTypeOf(one) ?? 'absent',
          propertyTypeOf(other) ?? 'absent',
        );
      if (defaultTextOf(one) !== defaultTextOf(other))
        return createDifferenceError(`${path}.${name}.default`, defaultTextOf(one), defaultTextOf(other));
    }
  }
  return null;
};

/** Returns the first difference of the plan of an open realm and that of a new handle; `null` if they are equal. */
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
      const [found, asked] = [one, other].map(({ anyUser }) => (anyUser ? 'read' : 'reject'));
      return createDifferenceError('sync.otherUser', found, asked);
    }
  }
  if (found.migration?.version !== asked.migration?.version)
    return createDifferenceError('schemaVersion', found.migration?.version ?? 0, asked.migration?.version ?? 0);
  if (found.clock !== asked.clock) return createDifferenceError('clock', 'another one', 'this one');
  return schemaDifferenceOf(found.schema, asked.schema);
};

/** Removes a released realm from the registry, even when its first subscriber has unsubscribed. */
const forgetOnRelease = (released$: Observable<unknown>, forget: () => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- ends with the realm; never errors
  released$.subscribe({ next: forget, error: forget });
};

/** Opens a realm once for all handles, until it is released or fails to open. */
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
 * Adds a handle to the realm on this storage, and opens the realm if it is not open. Waits for a realm that is being
 * released, then opens it again. Ends a realm without handles that is only uploading when the new plan differs; its
 * unsent changes stay in the storage. Errors when the plan differs from that of an open handle.
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
