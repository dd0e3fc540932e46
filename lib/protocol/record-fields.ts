import type { RetentionCutoff, Instant, Run, WriteLimits } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import { type Field, InvalidField } from './field-codec.js';

/** A stamp without its replica: `[time, count]`. */
export const instant: Field<Instant> = {
  read: (value, path) => {
    const [time, count] = Array.isArray(value) ? (value as unknown[]) : [];
    return typeof time === 'number' && Number.isFinite(time) && isCount(count)
      ? { time, count }
      : new InvalidField(path, '[time, count]', value);
  },
  write: ({ time, count }) => [time, count],
};

/** The oldest changesets that are accepted: `[time, version]`. */
export const retentionCutoff: Field<RetentionCutoff> = {
  read: (value, path) => {
    const [time, version] = Array.isArray(value) ? (value as unknown[]) : [];
    return isCount(time) && isCount(version) ? { time, version } : new InvalidField(path, '[time, version]', value);
  },
  write: ({ time, version }) => [time, version],
};

const isRunId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.runIdCharsMax;

/** The runs of a replica in their order: `[id, lastVersion]` each. */
export const runs: Field<readonly Run[]> = {
  read: (value, path) => {
    if (!Array.isArray(value) || value.length < 1 || value.length > limits.runsMax)
      return new InvalidField(path, `1 to ${limits.runsMax} runs`, value);
    const read: Run[] = [];
    let last = 0;
    for (const row of value as unknown[]) {
      const [id, lastVersion] = Array.isArray(row) ? (row as unknown[]) : [];
      if (!isRunId(id) || !isCount(lastVersion) || lastVersion < last)
        return new InvalidField(`${path}[${read.length}]`, `[id, a version from ${last}]`, row);
      read.push({ id, lastVersion });
      last = lastVersion;
    }
    return read;
  },
  write: (all) => all.map(({ id, lastVersion }) => [id, lastVersion]),
};

const limitNames = ['changesetBytesMax', 'operationsMax', 'valuesMax', 'elementsMax', 'objectBytesMax'] as const;

/** The limits of a server: `[changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax]`. */
export const writeLimits: Field<WriteLimits> = {
  read: (value, path) => {
    const array: readonly unknown[] = Array.isArray(value) ? value : [];
    const read = limitNames.map((_, index) => array[index]);
    if (!read.every((each) => isCount(each) && each > 0))
      return new InvalidField(path, `[${limitNames.join(', ')}]`, value);
    return Object.fromEntries(limitNames.map((name, index) => [name, read[index]])) as unknown as WriteLimits;
  },
  write: (given) => limitNames.map((name) => given[name]),
};
