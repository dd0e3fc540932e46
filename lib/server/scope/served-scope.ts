import { canonicalFilterOf } from '../../filter/canonical-filter.js';
import { propertiesOf } from '../../filter/filter-properties.js';
import { createFilterTest, createReader, type FilterTest } from '../../filter/filter-test.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { isAlive, propertyValueOf, type ObjectState } from '../../merge/object-state.js';
import type { ObjectName } from '../../model/changeset.js';

/** The objects that a user may see, as a scope that has an id. */
export class ServedScope {
  private readonly tests: ReadonlyMap<string, FilterTest> | null;

  /**
   * @param id - Identifies the scope among those of one user. Does not depend on the filters.
   * @param filters - The filters of the visible types, by their names; `null`: all objects are visible.
   */
  constructor(
    readonly id: string,
    private readonly filters: ReadonlyMap<string, StoredFilter> | null,
  ) {
    this.tests = filters && new Map([...filters].map(([type, filter]) => [type, createFilterTest(filter)]));
  }

  /** Returns the filter for the visible objects of a type among those that a filter selects. */
  limit(type: string, filter: StoredFilter): StoredFilter {
    return this.filters === null ? filter : canonicalFilterOf(['and', filter, this.filters.get(type) ?? false]);
  }

  /** Returns the names of the properties by which it limits a type; `null` if it has no filter for the type. */
  propertiesOf(type: string): readonly string[] | null {
    const filter = this.filters?.get(type);
    return filter === undefined ? null : propertiesOf(filter);
  }

  /** Whether an object exists with this state, and is visible. */
  hasState(name: ObjectName, state: ObjectState): boolean {
    if (!isAlive(state)) return false;
    if (this.tests === null) return true;
    const test = this.tests.get(name.type);
    return test?.(createReader(name.key, (property) => propertyValueOf(state, property))) === true;
  }
}

/** Whether an object exists, and a user may not see it. `scope` is `null` for a user who sees everything. */
export const isHidden = (scope: ServedScope | null, name: ObjectName, state: ObjectState | undefined): boolean =>
  scope !== null && state !== undefined && isAlive(state) && !scope.hasState(name, state);
