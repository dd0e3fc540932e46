import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { ServedView } from './served-view.js';

type WatchedTypes = ReadonlyMap<string, WatchedType>;

/** Returns the version after which every changeset has what the filters of a view need. */
export const watchedSinceOf = (types: WatchedTypes, { filters }: ServedView): Version => {
  let since = 0;
  for (const { type, properties } of filters) {
    const watched = types.get(type);
    if (watched === undefined) return Infinity;
    since = Math.max(since, watched.since);
    for (const name of properties)
      since = Math.max(since, watched.properties.find((each) => each.name === name)?.since ?? Infinity);
  }
  return since;
};

/**
 * Whether the changesets after a version may lack what a view needs. `untouchedTo`: the last changeset without touches.
 */
export const isViewLost = (
  { watchedProperties }: Pick<History, 'watchedProperties'>,
  view: ServedView | null,
  from: Version,
  untouchedTo: Version,
): boolean =>
  view !== null &&
  ((untouchedTo > from && view.types.size > 0) || watchedSinceOf(watchedProperties.types, view) > from);
