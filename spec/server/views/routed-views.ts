import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { textOf, type Value } from '../../../lib/model/value.js';
import type { WatchedType } from '../../../lib/server/history/watched-properties.js';
import { ServedView } from '../../../lib/server/views/served-view.js';

export const watched: WatchedType = {
  since: 0,
  properties: ['list', 'done'].map((name) => ({ name, since: 0, isIndexed: true })),
};
/** The watched types of a realm. */
export const types = new Map([
  ['Task', watched],
  ['Note', watched],
]);

/** Returns a view with numbers of its subscriptions that no other has. */
export const viewOf = (...filters: readonly (readonly [type: string, filter: StoredFilter])[]): ServedView =>
  new ServedView(
    filters.map(([type, filter], at) => ({
      ...{ id: Math.floor(Math.random() * 100) + at, type, filter },
      text: textOf(filter as Value),
      properties: ['list', 'done'],
    })),
  );
