import type { RetentionCutoff, Instant, Run, WriteLimits } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import { count, type Field, InvalidField, ordinal, time } from './field-codec.js';

/** A record as an array of its fields, in the order in which they are listed here. Elements after them are skipped. */
export const recordOf = <A extends object>(fields: { readonly [Name in keyof A]-?: Field<A[Name]> }): Field<A> => {
  const entries = Object.entries(fields) as [keyof A & string, Field<unknown>][];
  const expected = `[${Object.keys(fields).join(', ')}]`;
  return {
    read: (value, path) => {
      if (!Array.isArray(value)) return new InvalidField(path, expected, value);
      const record: Record<string, unknown> = {};
      for (const [index, [name, { read }]] of entries.entries()) {
        const field = read((value as unknown[])[index], `${path}.${name}`);
        if (field instanceof InvalidField) return field;
        record[name] = field;
      }
      return record as A;
    },
    write: (record) => entries.map(([name, { write }]) => write(record[name])),
  };
};

/** An array of at most `max` rows. */
export const rowsOf = <Row>(what: string, { read, write }: Field<Row>, max: number): Field<readonly Row[]> => ({
  read: (value, path) => {
    if (!Array.isArray(value) || value.length > max) return new InvalidField(path, `at most ${max} ${what}`, value);
    const rows: Row[] = [];
    for (const [index, each] of (value as unknown[]).entries()) {
      const row = read(each, `${path}[${index}]`);
      if (row instanceof InvalidField) return row;
      rows.push(row);
    }
    return rows;
  },
  write: (rows) => rows.map(write),
});

/** A stamp without its replica: `[time, count]`. */
export const instant = recordOf<Instant>({ time, count });

/** The oldest changesets that are accepted: `[time, version]`. */
export const retentionCutoff = recordOf<RetentionCutoff>({ time: count, version: count });

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

/** The limits of a server: `[changesetBytesMax, operationsMax, valuesMax, elementsMax, objectBytesMax]`. */
export const writeLimits = recordOf<WriteLimits>({
  changesetBytesMax: ordinal,
  operationsMax: ordinal,
  valuesMax: ordinal,
  elementsMax: ordinal,
  objectBytesMax: ordinal,
});
