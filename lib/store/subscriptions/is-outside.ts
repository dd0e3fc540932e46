import { createFilterTest, createReader } from '../../filter/filter-test.js';
import { readFilter } from '../../filter/read-filter.js';
import { isAlive, propertyValueOf } from '../../merge/object-state.js';
import { isLeft } from '../../model/result.js';
import type { PlacedView } from '../../model/view.js';
import type { ObjectChange } from '../objects/object-change.js';

/**
 * Whether a state of the server is known to be out of the view: the answer to a rejected changeset has the states of
 * all objects that it touches. A server evaluates filters in the same way. A deleted object is not out of the view: its
 * tombstone is needed.
 */
export const isOutside = ({ number, filters }: PlacedView, { type, key, state }: ObjectChange): boolean =>
  number !== null &&
  state !== null &&
  isAlive(state) &&
  !filters.some((each) => {
    const filter = each.type === type ? readFilter(each.filter) : null;
    if (filter === null || isLeft(filter)) return false;
    return createFilterTest(filter.right)(createReader(key, (property) => propertyValueOf(state, property)));
  });
