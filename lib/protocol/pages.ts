import { isBytes } from '../model/built-ins.js';
import type { Changeset, ServerChangeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import { type Field, InvalidField } from './field-codec.js';

/*
 * Pages of changesets: what nearly every byte on a wire is. Written out by hand, because a table would cost more than the
 * MessagePack underneath. Bodies are views of the frame: they are stored or merged soon after, and a copy of each would
 * cost what decoding does.
 */

const rowsExpected = (least: number): string => `${least} to ${limits.pageChangesetsMax} changesets`;

const rowsOf = (value: unknown, least: number, place: string): readonly unknown[] | InvalidField =>
  Array.isArray(value) && value.length >= least && value.length <= limits.pageChangesetsMax
    ? (value as unknown[])
    : new InvalidField(place, rowsExpected(least), value);

const isBody = (value: unknown): value is Uint8Array => isBytes(value) && value.byteLength <= limits.changesetBytesMax;

/** Says which of a changeset's values does not fit; only called when one does not. */
const invalidFieldOf = (row: readonly unknown[], names: readonly string[], place: string): InvalidField => {
  const checks: Readonly<Record<string, readonly [expected: string, fits: (value: unknown) => boolean]>> = {
    time: ['a finite number', Number.isFinite],
    count: ['a whole number from 0 to 2^53 - 1', isCount],
    body: [`at most ${limits.changesetBytesMax} bytes`, isBody],
  };
  for (const [index, name] of names.entries()) {
    const check = checks[name];
    if (check && !check[1](row[index])) return new InvalidField(`${place}.${name}`, check[0], row[index]);
  }
  return new InvalidField(place, `[${names.join(', ')}]`, row);
};

const uploadNames = ['version', 'time', 'count', 'body'] as const;

/** A page on its way up: 1 changeset or more, each with the version after the last. */
export const uploadPage: Field<readonly Changeset[]> = {
  read: (value, place) => {
    const rows = rowsOf(value, 1, place);
    if (rows instanceof InvalidField) return rows;
    const changesets: Changeset[] = [];
    let expected = 0;
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (!Array.isArray(row)) return new InvalidField(`${place}[${index}]`, `[${uploadNames.join(', ')}]`, row);
      const [version, time, count, body] = row as unknown[];
      if (!isCount(version) || version < 1 || (index > 0 && version !== expected)) {
        return new InvalidField(
          `${place}[${index}].version`,
          index > 0 ? String(expected) : 'a version from 1',
          version,
        );
      }
      if (typeof time !== 'number' || !Number.isFinite(time) || !isCount(count) || !isBody(body)) {
        return invalidFieldOf(row, uploadNames, `${place}[${index}]`);
      }
      changesets.push({ version, time, count, body });
      expected = version + 1;
    }
    return changesets;
  },
  write: (changesets) => changesets.map(({ version, time, count, body }) => [version, time, count, body]),
};

const isOrigin = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= limits.idCharsMax;

const originsOf = (value: unknown, place: string): readonly string[] | InvalidField =>
  Array.isArray(value) && value.length <= limits.pageChangesetsMax && value.every(isOrigin)
    ? value
    : new InvalidField(
        place,
        `at most ${limits.pageChangesetsMax} replica ids of 1 to ${limits.idCharsMax} characters`,
        value,
      );

const downloadNames = ['version', 'origin', 'time', 'count', 'body'] as const;
const pageExpected = '[origins, changesets]';

/**
 * A page on its way down: changesets whose versions rise. Origins are said once a page, and each changeset names its
 * own by its place among them: a tenth of the bytes and a third of the time to decode.
 */
export const downloadPage: Field<readonly ServerChangeset[]> = {
  read: (value, place) => {
    const [originsGiven, rowsGiven] = Array.isArray(value) ? (value as unknown[]) : [];
    if (!Array.isArray(value) || value.length < 2) return new InvalidField(place, pageExpected, value);
    const origins = originsOf(originsGiven, `${place}.origins`);
    if (origins instanceof InvalidField) return origins;
    const rows = rowsOf(rowsGiven, 0, place);
    if (rows instanceof InvalidField) return rows;
    const changesets: ServerChangeset[] = [];
    let last = 0;
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (!Array.isArray(row)) return new InvalidField(`${place}[${index}]`, `[${downloadNames.join(', ')}]`, row);
      const [version, by, time, count, body] = row as unknown[];
      if (!isCount(version) || version <= last) {
        return new InvalidField(`${place}[${index}].version`, `a version after ${last}`, version);
      }
      const origin = typeof by === 'number' ? origins[by] : undefined;
      if (origin === undefined) {
        return new InvalidField(`${place}[${index}].origin`, `the place of one of ${origins.length} origins`, by);
      }
      if (typeof time !== 'number' || !Number.isFinite(time) || !isCount(count) || !isBody(body)) {
        return invalidFieldOf(row, downloadNames, `${place}[${index}]`);
      }
      changesets.push({ version, origin, time, count, body });
      last = version;
    }
    return changesets;
  },
  write: (changesets) => {
    const places = new Map<string, number>();
    const rows = changesets.map(({ version, origin, time, count, body }) => {
      let place = places.get(origin);
      if (place === undefined) places.set(origin, (place = places.size));
      return [version, place, time, count, body];
    });
    return [[...places.keys()], rows];
  },
};
