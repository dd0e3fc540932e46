import { defer, type Observable, of, ReplaySubject, share, switchMap, tap } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { PropertySpec, PropertyType, Schema } from '../model/schema.js';
import { WrongRealmError } from '../store/claim.js';
import type { ClientCore } from './core.js';
import { open, type Opened, type OpenPlan } from './opened.js';

/** A realm that is open, or opening, with what it was opened with. */
export interface OpenRealm {
  readonly plan: OpenPlan;
  readonly opened$: Observable<Opened>;
}

/** By place: one place holds one realm. */
export type OpenRealms = Map<unknown, OpenRealm>;

/** The realms that are open with a client. */
export const realmsOf = ({ open }: ClientCore): OpenRealms => open as OpenRealms;

/** The local realms that are open in this process. Those that sync are kept by their clients. */
const localRealms: OpenRealms = new Map();

const typeIn = (spec: PropertyType | PropertySpec | undefined): string | undefined =>
  typeof spec === 'object' ? spec.type : spec;

/** Functions cannot be compared: what they give is the app's. */
const defaultIn = (spec: PropertyType | PropertySpec | undefined): string => {
  const value = typeof spec === 'object' ? spec.default : undefined;
  return typeof value === 'function' ? 'a function' : JSON.stringify([value]);
};

const named = <A>(one: Readonly<Record<string, A>>, other: Readonly<Record<string, A>>): readonly string[] => [
  ...new Set([...Object.keys(one), ...Object.keys(other)]),
];

const different = (what: string, found: unknown, asked: unknown): InvalidArgumentError =>
  new InvalidArgumentError(what, `${String(found)}, with which this realm is open`, asked);

/** The first difference of two schemas. */
const schemaDifference = (found: Schema, asked: Schema): InvalidArgumentError | null => {
  for (const type of named(found, asked)) {
    const [before, after] = [found[type], asked[type]];
    const place = `schema.${type}`;
    if (!before || !after) return different(place, before ? 'the type' : 'no such type', after ?? 'no such type');
    if (before.primaryKey !== after.primaryKey)
      return different(`${place}.primaryKey`, before.primaryKey, after.primaryKey);
    for (const name of named(before.properties, after.properties)) {
      const [one, other] = [before.properties[name], after.properties[name]];
      if (typeIn(one) !== typeIn(other))
        return different(`${place}.${name}`, typeIn(one) ?? 'no such property', typeIn(other) ?? 'no such property');
      if (defaultIn(one) !== defaultIn(other))
        return different(`${place}.${name}.default`, defaultIn(one).slice(1, -1), defaultIn(other).slice(1, -1));
    }
  }
  return null;
};

/** What keeps a handle from being one of a realm that was opened with another plan; `null`: nothing. */
const difference = (found: OpenPlan, asked: OpenPlan): Error | null => {
  const [one, other] = [found.sync, asked.sync];
  if (one && other) {
    if (one.realmName !== other.realmName) return new WrongRealmError(one.realmName, other.realmName);
    if (one.immediately !== other.immediately) {
      const policy = (immediately: boolean): string => (immediately ? 'immediately' : 'afterChangesUploaded');
      return different('sync.stopPolicy', policy(one.immediately), policy(other.immediately));
    }
    if (one.clientReset !== other.clientReset) return different('sync.clientReset', one.clientReset, other.clientReset);
    if (one.anyUser !== other.anyUser) {
      const [found, asked] = [one, other].map(({ anyUser }) => (anyUser ? 'read' : 'refuse'));
      return different('sync.otherUser', found, asked);
    }
  }
  if (found.migration?.version !== asked.migration?.version)
    return different('schemaVersion', found.migration?.version ?? 0, asked.migration?.version ?? 0);
  if (found.clock !== asked.clock) return different('clock', 'the clock', asked.clock);
  return schemaDifference(found.schema, asked.schema);
};

/** Who opened it first may be gone by then. */
const whenReleased = (released$: Observable<unknown>, forget: () => void): void => {
  // eslint-disable-next-line rxjs-x/no-ignored-subscription -- it ends with the realm, and never errors
  released$.subscribe({ next: forget, error: forget });
};

/** Opens a realm once for all who ask, until it is released or cannot be opened. */
const opening = (realms: OpenRealms, plan: OpenPlan): Observable<Opened> => {
  const forget = (): void => {
    if (realms.get(plan.place)?.opened$ === opened$) realms.delete(plan.place);
  };
  const opened$: Observable<Opened> = open(plan).pipe(
    tap({
      next: ({ released$ }) => {
        whenReleased(released$, forget);
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
  realms.set(plan.place, { plan, opened$ });
  return opened$;
};

/**
 * The one opened realm behind all handles of it. A realm that is being released is waited for, and opened again. So is one that nobody holds
 * and that only uploads what is left, when it is asked for with another plan: what is left waits in its storage. Errors when somebody holds it
 * with another plan.
 */
export const entered = (plan: OpenPlan): Observable<Opened> =>
  defer(() => {
    const realms = plan.sync ? realmsOf(plan.sync.core) : localRealms;
    const clearing$ = plan.sync?.core.discards.clearing.get(plan.place);
    if (clearing$) return clearing$.pipe(switchMap(() => entered(plan)));
    const found = realms.get(plan.place);
    if (!found) return opening(realms, plan);
    return found.opened$.pipe(
      switchMap((opened) => {
        const reason = difference(found.plan, plan);
        if (reason && opened.isHeld()) throw reason;
        if (reason) opened.abandon();
        else if (opened.enter()) return of(opened);
        return opened.released$.pipe(switchMap(() => entered(plan)));
      }),
    );
  });
