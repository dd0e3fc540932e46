import { InvalidArgumentError } from '../model/errors.js';
import type { PropertySpec, PropertyType, Schema } from '../model/schema.js';
import type { OpenPlan } from './open-plan.js';

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
export const createDifferenceError = (what: string, found: unknown, wanted: unknown): InvalidArgumentError =>
  new InvalidArgumentError(what, String(found), wanted, {
    problem: `The realm is open already, and its ${what} is ${String(found)}, not ${String(wanted)}.`,
    advice: 'Close that handle, or pass equal options.',
  });

/** The first difference of two schemas. */
const schemaDifferenceOf = (found: Schema, wanted: Schema): InvalidArgumentError | null => {
  for (const type of namesOf(found, wanted)) {
    const [before, after] = [found[type], wanted[type]];
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
export const planDifferenceOf = (found: OpenPlan, wanted: OpenPlan): Error | null => {
  const { sync } = found;
  const difference = sync && wanted.sync ? sync.support.differenceOf(sync, wanted.sync) : null;
  if (difference) return difference;
  if (found.migration?.version !== wanted.migration?.version)
    return createDifferenceError('schemaVersion', found.migration?.version ?? 0, wanted.migration?.version ?? 0);
  if ((found.subscriptions === null) !== (wanted.subscriptions === null))
    return createDifferenceError(
      'subscriptions',
      found.subscriptions ? 'present' : 'absent',
      wanted.subscriptions ? 'present' : 'absent',
    );
  if (found.clock !== wanted.clock) return createDifferenceError('clock', 'another one', 'this one');
  return schemaDifferenceOf(found.schema, wanted.schema);
};
