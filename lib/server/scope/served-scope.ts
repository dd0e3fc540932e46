import { canonicalFilterOf } from '../../filter/canonical-filter.js';
import { createFilterTest, createReader, type FilterTest } from '../../filter/filter-test.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { isAlive, propertyValueOf, type ObjectState } from '../../merge/object-state.js';
import type { ObjectName } from '../../model/changeset.js';

/** The objects that a user may see, when these are not all. */
export class ServedScope {
  private readonly tests: ReadonlyMap<string, FilterTest>;

  /**
   * @param id - Identifies the scope among those of one user. Does not depend on the filters.
   * @param filters - The filters of the visible types, by their names.
   */
  constructor(
    readonly id: string,
    readonly filters: ReadonlyMap<string, StoredFilter>,
  ) {
    this.tests = new Map([...filters].map(([type, filter]) => [type, createFilterTest(filter)]));
  }

  /** Returns the filter for the visible objects of a type among those that a filter selects. */
  limit(type: string, filter: StoredFilter): StoredFilter {
    return canonicalFilterOf(['and', filter, this.filters.get(type) ?? false]);
  }

  /** Whether an object exists with this state, and is visible. */
  hasState(name: ObjectName, state: ObjectState): boolean {
    const test = this.tests.get(name.type);
    return (
      test !== undefined &&
      isAlive(state) &&
      test(createReader(name.key, (property) => propertyValueOf(state, property)))
    );
  }
}

/** Whether an object exists, and a user may not see it. `scope` is `null` for a user who sees everything. */
export const isHidden = (scope: ServedScope | null, name: ObjectName, state: ObjectState | undefined): boolean =>
  scope !== null && state !== undefined && isAlive(state) && !scope.hasState(name, state);
