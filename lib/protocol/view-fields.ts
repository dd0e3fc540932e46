import { limits } from '../model/limits.js';
import type { PlacedView, ViewFilter, ViewMode, ViewRejection } from '../model/view.js';
import { code, count, errorText, type Field, InvalidField, oneOf, optionalOf, ordinal, textOf } from './field-codec.js';
import type { BoundView } from './view-messages.js';

const typeName = textOf(1, limits.nameCharsMax);
const filtersExpected = `at most ${limits.subscriptionsMax} filters`;
const rejectionsExpected = `at most ${limits.subscriptionsMax} rejections`;

const elementsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

/** Returns the rows of an array that has at most one for each subscription. */
const rowsOf = (value: unknown, expected: string, path: string): readonly unknown[] | InvalidField =>
  Array.isArray(value) && value.length <= limits.subscriptionsMax
    ? (value as unknown[])
    : new InvalidField(path, expected, value);

/** Reads each row. The first invalid one is the result. */
const readRows = <Row>(
  rows: readonly unknown[] | InvalidField,
  path: string,
  readRow: (row: unknown, path: string) => Row | InvalidField,
): readonly Row[] | InvalidField => {
  if (rows instanceof InvalidField) return rows;
  const all: Row[] = [];
  for (const [index, row] of rows.entries()) {
    const read = readRow(row, `${path}[${index}]`);
    if (read instanceof InvalidField) return read;
    all.push(read);
  }
  return all;
};

const readFilterRow = (row: unknown, path: string): ViewFilter | InvalidField => {
  const [idGiven, typeGiven, filter] = elementsOf(row);
  const id = ordinal.read(idGiven, `${path}.id`);
  if (id instanceof InvalidField) return id;
  const type = typeName.read(typeGiven, `${path}.type`);
  if (type instanceof InvalidField) return type;
  // Any other value: the server checks it, and rejects this subscription only.
  return filter === undefined ? new InvalidField(path, '[id, type, filter]', row) : { id, type, filter };
};

/** The filters of a set of subscriptions: `[id, type, filter]` each. */
export const viewFilters: Field<readonly ViewFilter[]> = {
  read: (value, path) => readRows(rowsOf(value, filtersExpected, path), path, readFilterRow),
  write: (all) => all.map(({ id, type, filter }) => [id, type, filter]),
};

const readRejectionRow = (row: unknown, path: string): ViewRejection | InvalidField => {
  const [idGiven, codeGiven, textGiven] = elementsOf(row);
  const id = ordinal.read(idGiven, `${path}.id`);
  if (id instanceof InvalidField) return id;
  const reason = code.read(codeGiven, `${path}.code`);
  if (reason instanceof InvalidField) return reason;
  const text = errorText.read(textGiven, `${path}.text`);
  return text instanceof InvalidField ? text : { id, code: reason, text };
};

/** The rejected subscriptions: `[id, code, text]` each. */
export const viewRejections: Field<readonly ViewRejection[]> = {
  read: (value, path) => readRows(rowsOf(value, rejectionsExpected, path), path, readRejectionRow),
  write: (all) => all.map(({ id, code: reason, text }) => [id, reason, errorText.write(text)]),
};

/** The id of a scope. */
export const scopeId = optionalOf(textOf(1, limits.idCharsMax));

/** A position in the members of a view. Only the server knows what it means. */
export const viewPosition = optionalOf(textOf(0, limits.viewPositionCharsMax));

export const viewMode: Field<ViewMode> = oneOf('difference', 'resync');

const placedNumber = optionalOf(count);

/** The placed view of a replica: `[number, filters, scope]`. */
export const placedView: Field<PlacedView> = {
  read: (value, path) => {
    if (!Array.isArray(value)) return new InvalidField(path, '[number, filters, scope]', value);
    const [numberGiven, filtersGiven, scopeGiven] = elementsOf(value);
    const number = placedNumber.read(numberGiven, `${path}.number`);
    if (number instanceof InvalidField) return number;
    const filters = viewFilters.read(filtersGiven, `${path}.filters`);
    if (filters instanceof InvalidField) return filters;
    const scope = scopeId.read(scopeGiven, `${path}.scope`);
    return scope instanceof InvalidField ? scope : { number, filters, scope };
  },
  write: ({ number, filters, scope }) => [number, viewFilters.write(filters), scope],
};

const boundMode = oneOf('continue', 'resync');

/** The way in which a replica with a view goes on: `[mode, scope]`. */
export const boundView: Field<BoundView> = {
  read: (value, path) => {
    if (!Array.isArray(value)) return new InvalidField(path, '[mode, scope]', value);
    const [modeGiven, scopeGiven] = elementsOf(value);
    const mode = boundMode.read(modeGiven, `${path}.mode`);
    if (mode instanceof InvalidField) return mode;
    const scope = scopeId.read(scopeGiven, `${path}.scope`);
    return scope instanceof InvalidField ? scope : { mode, scope };
  },
  write: ({ mode, scope }) => [mode, scope],
};
