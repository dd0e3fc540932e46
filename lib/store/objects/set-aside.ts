import { BehaviorSubject, map, type Observable } from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import type { SetAsideObject } from '../../model/changeset.js';
import { ObjectSetAsideError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import { limits } from '../../model/limits.js';
import type { Shapes } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import type { Version } from '../../model/version.js';
import { findStateMismatch } from '../../merge/check-schema-fit.js';

/**
 * The objects whose merged state this schema cannot show. Merging knows no schema, so they are stored and go on being
 * merged; readers do not see them until they fit.
 */
export interface SetAside {
  /** Looks at a state that is on its way, or was just read. What does not fit is remembered by the state itself. */
  readonly check: (type: string, key: Key, state: ObjectState) => SetAsideObject | null;
  /** Where a state does not fit that was checked before; `null`: nowhere. */
  readonly misfitOf: (state: ObjectState) => SetAsideObject | null;
  /** The stored object that is set aside under a key; `null`: there is none. */
  readonly find: (type: string, key: Key) => SetAsideObject | null;
  /** An object has been stored, or read, like this. */
  readonly settle: (type: string, key: Key, misfit: SetAsideObject | null) => void;
  readonly all: () => readonly SetAsideObject[];
  readonly count: (type: string) => number;
  readonly isEmpty: () => boolean;
  /** The present ones, then every change. Never errors; completes with the realm. */
  readonly all$: Observable<readonly SetAsideObject[]>;
  /** Tells what has changed since the last time. */
  readonly flush: () => void;
  /**
   * The errors to show of these objects: each object once as long as the realm is open, some of them, then one for all
   * others.
   */
  readonly errorsOf: (objects: readonly SetAsideObject[]) => readonly ObjectSetAsideError[];
  readonly close: () => void;
}

/** Reports each object once, up to a limit. */
const createReporter = (): SetAside['errorsOf'] => {
  const reported = new Set<string>();
  const report = (object: SetAsideObject): readonly ObjectSetAsideError[] => {
    const name = JSON.stringify([object.type, object.key]);
    if (reported.has(name) || reported.size > limits.setAsideErrorsMax) return [];
    reported.add(name);
    return [new ObjectSetAsideError(reported.size > limits.setAsideErrorsMax ? null : object)];
  };
  return (objects) => objects.flatMap(report);
};

export const createSetAside = (shapes: Shapes): SetAside => {
  const misfits = new WeakMap<ObjectState, SetAsideObject>();
  const tables = new Map<string, Map<Key, SetAsideObject>>();
  const changes = new BehaviorSubject<null>(null);
  let hasChanged = false;
  const all = (): readonly SetAsideObject[] => [...tables.values()].flatMap((table) => [...table.values()]);
  return {
    check: (type, key, state) => {
      const shape = shapes.get(type);
      const misfit = shape ? findStateMismatch(shape, key, state) : null;
      if (misfit === null) return null;
      const object = Object.freeze({ type, key, ...misfit });
      misfits.set(state, object);
      return object;
    },
    misfitOf: (state) => misfits.get(state) ?? null,
    find: (type, key) => tables.get(type)?.get(key) ?? null,
    settle: (type, key, misfit) => {
      const table = tables.get(type);
      if (misfit === null) {
        if (table?.delete(key)) hasChanged = true;
        return;
      }
      if (table) table.set(key, misfit);
      else tables.set(type, new Map([[key, misfit]]));
      hasChanged = true;
    },
    all,
    isEmpty: () => [...tables.values()].every(({ size }) => size === 0),
    count: (type) => tables.get(type)?.size ?? 0,
    all$: changes.pipe(map(() => Object.freeze(all()))),
    flush: () => {
      if (!hasChanged) return;
      hasChanged = false;
      changes.next(null);
    },
    errorsOf: createReporter(),
    close: () => changes.complete(),
  };
};

/**
 * What a session is told of objects that have just been set aside; `undefined`: nothing that it was not told before.
 */
export const reportOf = (
  { setAside }: { readonly setAside: SetAside },
  misfits: readonly SetAsideObject[],
  version: () => Version,
): SetAsideReport | undefined => {
  const errors = misfits.length === 0 ? [] : setAside.errorsOf(misfits);
  return errors.length === 0 ? undefined : { version: version(), errors };
};
