import { isGroup, isNegation, keyName, type StoredFilter } from './stored-filter.js';

const addProperties = (filter: StoredFilter, names: Set<string>): void => {
  if (typeof filter === 'boolean') return;
  if (isNegation(filter)) addProperties(filter[1], names);
  else if (isGroup(filter)) for (const part of filter.slice(1)) addProperties(part as StoredFilter, names);
  else if (filter[1] !== keyName) names.add(filter[1]);
};

/** Returns the names of the properties that a filter reads, each once, without the primary key. */
export const propertiesOf = (filter: StoredFilter): readonly string[] => {
  const names = new Set<string>();
  addProperties(filter, names);
  return [...names];
};
