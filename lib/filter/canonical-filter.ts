import { textOf, type Value } from '../model/value.js';
import { isGroup, isMembership, isNegation, type Membership, type Order, type StoredFilter } from './stored-filter.js';

/** The values that a property may have: those that are named, or all others. */
interface ValueSet {
  readonly values: ReadonlyMap<string, Value>;
  readonly isComplement: boolean;
}

const complementOf = ({ values, isComplement }: ValueSet): ValueSet => ({ values, isComplement: !isComplement });

const filterValues = ({ values }: ValueSet, keeps: (text: string) => boolean): ReadonlyMap<string, Value> =>
  new Map([...values].filter(([text]) => keeps(text)));

const intersectionOf = (a: ValueSet, b: ValueSet): ValueSet => {
  if (a.isComplement && b.isComplement) return { values: new Map([...a.values, ...b.values]), isComplement: true };
  if (a.isComplement) return intersectionOf(b, a);
  return { values: filterValues(a, (text) => b.values.has(text) !== b.isComplement), isComplement: false };
};

const unionOf = (a: ValueSet, b: ValueSet): ValueSet => complementOf(intersectionOf(complementOf(a), complementOf(b)));

const valueSetOf = ([, , ...values]: Membership, isComplement: boolean): ValueSet => ({
  values: new Map(values.map((value) => [textOf(value), value])),
  isComplement,
});

const membershipOf = (property: string, { values, isComplement }: ValueSet): StoredFilter => {
  if (values.size === 0) return isComplement;
  const sorted = [...values].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
  const membership: Membership = ['in', property, ...sorted];
  return isComplement ? ['not', membership] : membership;
};

/** Splits a filter in canonical form into the property and its values; `null`: it is no membership. */
const readMembership = (filter: StoredFilter): readonly [property: string, values: ValueSet] | null => {
  const inner = isNegation(filter) ? filter[1] : filter;
  return isMembership(inner) ? [inner[1], valueSetOf(inner, inner !== filter)] : null;
};

const canonicalOrder = (order: Order, isNegated: boolean): StoredFilter => {
  const [operator, property, value] = order;
  if (value !== null) return isNegated ? ['not', order] : order;
  // Null is equal to null only, and neither less nor greater.
  const isEqual = operator === 'gte' || operator === 'lte';
  return isEqual ? canonicalFilterOf(['in', property, null], isNegated) : isNegated;
};

/** Combines canonical filters, of which no two are of the same kind of group, into one. */
const canonicalGroup = (operator: 'and' | 'or', all: readonly StoredFilter[]): StoredFilter => {
  const absorbing = operator === 'or';
  const memberships = new Map<string, ValueSet>();
  const others = new Map<string, StoredFilter>();
  const add = (filter: StoredFilter): void => {
    const membership = readMembership(filter);
    if (membership === null) {
      others.set(textOf(filter), filter);
      return;
    }
    const [property, values] = membership;
    const before = memberships.get(property);
    const combine = operator === 'and' ? intersectionOf : unionOf;
    memberships.set(property, before ? combine(before, values) : values);
  };
  for (const filter of all) {
    if (isGroup(filter) && filter[0] === operator)
      filter.slice(1).forEach((each) => {
        add(each as StoredFilter);
      });
    else if (filter !== !absorbing) add(filter);
  }
  for (const [property, values] of memberships) {
    const filter = membershipOf(property, values);
    if (filter !== !absorbing) others.set(textOf(filter), filter);
  }
  if ([...others.values()].includes(absorbing)) return absorbing;
  const sorted = [...others].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, filter]) => filter);
  return sorted.length > 1 ? [operator, ...sorted] : (sorted[0] ?? !absorbing);
};

const opposites = { and: 'or', or: 'and' } as const;

/**
 * Returns the canonical form of a filter, or of its opposite. Filters that differ in order, nesting or repetition have
 * the same form: groups are flat and sorted, `not` is at single conditions only, and each group has one condition on
 * which values a property is equal to. A canonical filter is its own canonical form.
 */
export const canonicalFilterOf = (filter: StoredFilter, isNegated = false): StoredFilter => {
  if (typeof filter === 'boolean') return filter !== isNegated;
  if (isNegation(filter)) return canonicalFilterOf(filter[1], !isNegated);
  if (isMembership(filter)) return membershipOf(filter[1], valueSetOf(filter, isNegated));
  if (!isGroup(filter)) return canonicalOrder(filter, isNegated);
  const [operator, ...all] = filter;
  return canonicalGroup(
    isNegated ? opposites[operator] : operator,
    all.map((each) => canonicalFilterOf(each, isNegated)),
  );
};

/** Returns a text that two filters share exactly when they have the same canonical form. */
export const filterTextOf = (canonical: StoredFilter): string => textOf(canonical);
