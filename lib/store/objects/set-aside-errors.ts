import type { SetAsideObject } from '../../model/changeset.js';
import { ObjectSetAsideError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { Version } from '../../model/version.js';
import type { SetAside } from './set-aside.js';

/*
 * Sessions report objects that were set aside; local realms do not. So this file is not in the bundle of an app that
 * has only local realms.
 */

/** The reported objects of each open realm, as JSON of type and key. */
const reportedObjects = new WeakMap<SetAside, Set<string>>();

/**
 * The errors to report for these objects. Each object is reported once while the realm is open; beyond a limit, one
 * error stands for all others.
 */
export const setAsideErrorsOf = (
  setAside: SetAside,
  objects: readonly SetAsideObject[],
): readonly ObjectSetAsideError[] => {
  const reported = reportedObjects.get(setAside) ?? new Set<string>();
  reportedObjects.set(setAside, reported);
  return objects.flatMap((object) => {
    const name = JSON.stringify([object.type, object.key]);
    if (reported.has(name) || reported.size > limits.setAsideErrorsMax) return [];
    reported.add(name);
    return [new ObjectSetAsideError(reported.size > limits.setAsideErrorsMax ? null : object)];
  });
};

/** The report to the session about newly set-aside objects; `undefined` if there is nothing new to report. */
export const reportOf = (
  { setAside }: { readonly setAside: SetAside },
  misfits: readonly SetAsideObject[],
  version: () => Version,
): SetAsideReport | undefined => {
  const errors = misfits.length === 0 ? [] : setAsideErrorsOf(setAside, misfits);
  return errors.length === 0 ? undefined : { version: version(), errors };
};
