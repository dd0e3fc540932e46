import { isBytes } from '../model/built-ins.js';
import type { Changeset, ServerChangeset } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import { isCount } from '../model/version.js';
import { type Field, InvalidField } from './field-codec.js';

/*
 * Pages of changesets, which are nearly all bytes on a wire. They are read by hand, because a table would cost more
 * than the MessagePack underneath. Bodies are views of the frame: they are stored or merged soon after, and copying
 * each would double the time of decoding.
 */

const rowsExpected = (min: number): string => `${min} to ${limits.pageChangesetsMax} changesets`;

const rowsOf = (value: unknown, min: number, path: string): readonly unknown[] | InvalidField =>
  Array.isArray(value) && value.length >= min && value.length <= limits.pageChangesetsMax
    ? (value as unknown[])
    : new InvalidField(path, rowsExpected(min), value);

const isBody = (value: unknown): value is Uint8Array => isBytes(value) && value.byteLength <= limits.changesetBytesMax;

/** Returns which value of an invalid changeset is wrong. */
const invalidFieldOf = (row: readonly unknown[], names: readonly string[], path: string): InvalidField => {
  const checks: Readonly<Record<string, readonly [expected: string, fits: (value: unknown) => boolean]>> = {
    time: ['a finite number', Number.isFinite],
    count: ['a whole number from 0 to 2^53 - 1', isCount],
    body: [`bytes, at most ${limits.changesetBytesMax}`, isBody],
  };
  for (const [index, name] of names.entries()) {
    const check = checks[name];
    if (check && !check[1](row[index])) return new InvalidField(`${path}.${name}`, check[0], row[index]);
  }
  return new InvalidField(path, `[${names.join(', ')}]`, row);
};

const uploadNames = ['version', 'time', 'count', 'body'] as const;

/** A page of an upload: one changeset or more, with consecutive versions. */
export const uploadPage: Field<readonly Changeset[]> = {
  read: (value, path) => {
    const rows = rowsOf(value, 1, path);
    if (rows instanceof InvalidField) return rows;
    const changesets: Changeset[] = [];
    let expected = 0;
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (!Array.isArray(row)) return new InvalidField(`${path}[${index}]`, `[${uploadNames.join(', ')}]`, row);
      const fields = row as readonly unknown[]; // Read by index: destructuring calls an iterator (measured).
      const version = fields[0];
      const time = fields[1];
      const count = fields[2];
      const body = fields[3];
      if (!isCount(version) || version < 1 || (index > 0 && version !== expected)) {
        return new InvalidField(
          `${path}[${index}].version`,
          index > 0 ? String(expected) : 'a version from 1',
          version,
        );
      }
      if (typeof time !== 'number' || !Number.isFinite(time) || !isCount(count) || !isBody(body)) {
        return invalidFieldOf(row, uploadNames, `${path}[${index}]`);
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

const originsOf = (value: unknown, path: string): readonly string[] | InvalidField =>
  Array.isArray(value) && value.length <= limits.pageChangesetsMax && value.every(isOrigin)
    ? value
    : new InvalidField(
        path,
        `at most ${limits.pageChangesetsMax} replica ids of 1 to ${limits.idCharsMax} characters`,
        value,
      );

const downloadNames = ['version', 'origin', 'time', 'count', 'body'] as const;
const pageExpected = '[origins, changesets]';

/** Whether a changeset has later operations of the same changeset of the history as the one before it. */
const isNextPiece = (last: ServerChangeset | undefined, next: ServerChangeset): boolean =>
  next.version === last?.version && next.origin === last.origin && next.time === last.time && next.count > last.count;

/**
 * A page of a download: changesets in the order of their versions. Origins are listed once per page, and each changeset
 * refers to its origin by index: a tenth of the bytes and a third of the decoding time.
 */
const createDownloadPage = (hasPieces: boolean): Field<readonly ServerChangeset[]> => ({
  read: (value, path) => {
    const [originsGiven, rowsGiven] = Array.isArray(value) ? (value as unknown[]) : [];
    if (!Array.isArray(value) || value.length < 2) return new InvalidField(path, pageExpected, value);
    const origins = originsOf(originsGiven, `${path}.origins`);
    if (origins instanceof InvalidField) return origins;
    const rows = rowsOf(rowsGiven, 0, path);
    if (rows instanceof InvalidField) return rows;
    const changesets: ServerChangeset[] = [];
    let last: ServerChangeset | undefined;
    for (let index = 0; index < rows.length; index += 1) {
      const row = rows[index];
      if (!Array.isArray(row)) return new InvalidField(`${path}[${index}]`, `[${downloadNames.join(', ')}]`, row);
      const fields = row as readonly unknown[]; // Read by index: destructuring calls an iterator (measured).
      const version = fields[0];
      const by = fields[1];
      const time = fields[2];
      const count = fields[3];
      const body = fields[4];
      const after = (last?.version ?? 0) - (hasPieces && last ? 1 : 0);
      if (!isCount(version) || version <= after)
        return new InvalidField(`${path}[${index}].version`, `a version after ${after}`, version);
      const origin = typeof by === 'number' ? origins[by] : undefined;
      if (origin === undefined) {
        return new InvalidField(`${path}[${index}].origin`, `the index of one of ${origins.length} origins`, by);
      }
      if (typeof time !== 'number' || !Number.isFinite(time) || !isCount(count) || !isBody(body)) {
        return invalidFieldOf(row, downloadNames, `${path}[${index}]`);
      }
      const next = { version, origin, time, count, body };
      if (version === last?.version && !isNextPiece(last, next))
        return new InvalidField(`${path}[${index}].count`, `a count after ${last.count}`, count);
      changesets.push(next);
      last = next;
    }
    return changesets;
  },
  write: (changesets) => {
    const indexes = new Map<string, number>();
    const rows = changesets.map(({ version, origin, time, count, body }) => {
      let originIndex = indexes.get(origin);
      if (originIndex === undefined) indexes.set(origin, (originIndex = indexes.size));
      return [version, originIndex, time, count, body];
    });
    return [[...indexes.keys()], rows];
  },
});

/** A page of whole changesets. */
export const downloadPage = createDownloadPage(false);

/** A page of pieces of changesets: several may have the same version, in the order of their counts. */
export const piecesPage = createDownloadPage(true);
