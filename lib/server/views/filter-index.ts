import { createReader, type FilterTest, type ReadProperty } from '../../filter/filter-test.js';
import { isGroup, isMembership, kindOf, type Membership, type StoredFilter } from '../../filter/stored-filter.js';
import type { ObjectName } from '../../model/changeset.js';
import { textOf, type Value } from '../../model/value.js';
import type { TouchChange, WatchedValues } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { ServedView } from './served-view.js';

/** A filter in the index. */
interface IndexedFilter<Group> {
  readonly group: Group;
  /** `null`: every object with one of the values matches. */
  readonly test: FilterTest | null;
  /** The conditions by whose values the filter is found; `null`: it is tested with every object of the type. */
  readonly conditions: readonly Membership[] | null;
}

type FiltersByValue<Group> = Map<Value, IndexedFilter<Group>[]>;

/** Returns the key of a value in the index. Values that no filter can have are never found. */
const indexKeyOf = (value: Value): Value => (kindOf(value) === 'bytes' ? `\0${textOf(value)}` : value);

const removeFrom = <A>(all: A[], item: A): void => {
  const at = all.indexOf(item);
  const last = all.pop();
  if (last !== undefined && at < all.length && at >= 0) all[at] = last;
};

/** The filters of one type. */
class TypeFilters<Group> {
  private readonly properties = new Map<string, FiltersByValue<Group>>();
  /** The filters that every object of the type is tested with. */
  private readonly others: IndexedFilter<Group>[] = [];
  count = 0;

  add(group: Group, filter: StoredFilter, test: FilterTest): IndexedFilter<Group> {
    const conditions = this.chooseConditions(filter);
    const isWhole = conditions?.length === 1 && conditions[0] === filter;
    const added = { group, test: isWhole ? null : test, conditions };
    this.count += 1;
    if (conditions === null) this.others.push(added);
    for (const [, property, ...values] of conditions ?? [])
      for (const value of values) this.filtersOf(property, value).push(added);
    return added;
  }

  remove(added: IndexedFilter<Group>): void {
    const { conditions } = added;
    this.count -= 1;
    if (conditions === null) removeFrom(this.others, added);
    for (const [, property, ...values] of conditions ?? [])
      for (const value of values) this.removeValue(property, indexKeyOf(value), added);
  }

  /** Adds the groups with a filter that matches one of the given values of an object. */
  addMatching(reads: readonly ReadProperty[], found: Set<Group>): void {
    for (const each of this.others) addIfMatching(each, reads, found);
    for (const [property, values] of this.properties)
      for (const read of reads) {
        const filters = values.get(indexKeyOf(read(property)));
        if (filters !== undefined) for (const each of filters) addIfMatching(each, reads, found);
      }
  }

  /** Returns conditions of which each matching object fulfils at least one; `null` if a filter has no such ones. */
  private chooseConditions(filter: StoredFilter): readonly Membership[] | null {
    if (isMembership(filter)) return [filter];
    if (filter === false) return [];
    if (!isGroup(filter)) return null;
    const parts = filter.slice(1).map((part) => this.chooseConditions(part as StoredFilter));
    if (filter[0] === 'or') {
      const all = parts.flatMap((part) => part ?? []);
      return parts.includes(null) ? null : all;
    }
    let best: readonly Membership[] | null = null;
    for (const part of parts)
      if (part !== null && (best === null || this.costOf(part) < this.costOf(best))) best = part;
    return best;
  }

  /** Estimates how often filters are tested in vain: a condition that many filters share selects few of them. */
  private costOf(conditions: readonly Membership[]): number {
    let cost = 0;
    for (const [, property, ...values] of conditions)
      for (const value of values) cost += 1 + (this.properties.get(property)?.get(indexKeyOf(value))?.length ?? 0);
    return cost;
  }

  private filtersOf(property: string, value: Value): IndexedFilter<Group>[] {
    const values: FiltersByValue<Group> = this.properties.get(property) ?? new Map<Value, IndexedFilter<Group>[]>();
    this.properties.set(property, values);
    const key = indexKeyOf(value);
    const filters = values.get(key) ?? [];
    values.set(key, filters);
    return filters;
  }

  private removeValue(property: string, key: Value, added: IndexedFilter<Group>): void {
    const values = this.properties.get(property);
    const filters = values?.get(key);
    if (values === undefined || filters === undefined) return;
    removeFrom(filters, added);
    if (filters.length === 0) values.delete(key);
    if (values.size === 0) this.properties.delete(property);
  }
}

const addIfMatching = <Group>(
  { group, test }: IndexedFilter<Group>,
  reads: readonly ReadProperty[],
  found: Set<Group>,
): void => {
  if (found.has(group)) return;
  if (test === null || reads.some((read) => test(read))) found.add(group);
};

/** The filters of a group in the index, by which they are removed. */
export type IndexedView<Group> = readonly (readonly [type: string, filter: IndexedFilter<Group>])[];

/**
 * Finds the groups of sessions whose view has an object before or after a change. A filter is found by one condition on
 * which values a property is equal to, so that a change costs the same with ten and with ten thousand filters. All
 * objects of the type are tested with a filter that has no such condition.
 */
export class FilterIndex<Group> {
  private readonly types = new Map<string, TypeFilters<Group>>();

  add(group: Group, view: ServedView): IndexedView<Group> {
    const added: [string, IndexedFilter<Group>][] = [];
    for (const [type, { filters, tests }] of view.types) {
      const index = this.types.get(type) ?? new TypeFilters<Group>();
      this.types.set(type, index);
      tests.forEach((test, at) => {
        const { filter = false } = filters[at] ?? {};
        added.push([type, index.add(group, filter, test)]);
      });
    }
    return added;
  }

  remove(added: IndexedView<Group>): void {
    for (const [type, filter] of added) {
      const index = this.types.get(type);
      index?.remove(filter);
      if (index?.count === 0) this.types.delete(type);
    }
  }

  /** Whether a group selects objects of a type. */
  hasType(type: string): boolean {
    return this.types.has(type);
  }

  /** Adds the groups whose view has an object before or after a change. */
  addConcerned({ type, key }: ObjectName, change: TouchChange, watched: WatchedType, found: Set<Group>): void {
    const index = this.types.get(type);
    if (index === undefined) return;
    const { properties } = watched;
    const reads = (change.before === change.after ? [change.before] : [change.before, change.after])
      .filter((values): values is WatchedValues => values !== null)
      .map((values) => createReader(key, (property) => values[properties.findIndex(({ name }) => name === property)]));
    if (reads.length > 0) index.addMatching(reads, found);
  }
}
