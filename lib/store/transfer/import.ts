import { catchError, concat, defer, EMPTY, ignoreElements, map, type Observable, of, tap } from 'rxjs';
import { runAction } from '../../model/operators.js';
import { checkOneOf } from '../../model/check-arguments.js';
import { messageOf, InvalidArgumentError, SchemaError, TidemarkError } from '../../model/errors.js';
import { checkKey } from '../../model/value-types.js';
import { checkOptions } from '../../model/limits.js';
import { checkSchema, type Property, type Shapes } from '../../model/schema.js';
import { isRecord, type Key } from '../../model/value.js';
import { isRight } from '../../model/result.js';
import { isCount } from '../../model/version.js';
import { exportFormat } from './export.js';
import { fromJson } from './json-values.js';
import type { TransactionDraft } from '../transaction/transaction.js';
import { requireShape } from '../transaction/transaction-context.js';
import { checkValue, ownValueOf, createUnknownPropertyError } from '../objects/check-input.js';
import { counterValueOf } from '../objects/object-view.js';
import type { Written } from '../transaction/write.js';

/**
 * Options of `importRealm`.
 *
 * @example
 * ```ts
 * await importRealm(realm, lines, { onConflict: 'skip' });
 * ```
 */
export interface ImportOptions {
  /**
   * Treatment of an object that exists already: `update` makes it equal to the line, `skip` keeps it, `error` ends the
   * import.
   *
   * @defaultValue `'error'`
   */
  readonly onConflict?: 'update' | 'skip' | 'error';
}

/**
 * Numbers of objects that an import has processed.
 *
 * @example
 * ```ts
 * const { created, updated, skipped } = await importRealm(realm, lines, { onConflict: 'update' });
 * ```
 */
export interface Imported {
  /** Objects that did not exist before. */
  readonly created: number;
  /** Existing objects that were changed. */
  readonly updated: number;
  /** Existing objects that were not changed. */
  readonly skipped: number;
}

/**
 * An import ended at a line. Objects that were written before stay in the realm.
 *
 * @example
 * ```ts
 * try {
 *   await importRealm(realm, lines);
 * } catch (error) {
 *   if (error instanceof ImportError) console.error(`${error.upTo} lines were imported.`, error.message);
 * }
 * ```
 */
export class ImportError extends TidemarkError {
  override readonly name = 'ImportError';
  readonly code = 'import';
  constructor(
    /** The number of the invalid line, from 1. If the storage failed, the first line that is not in the realm. */
    readonly line: number,
    /** The last line that is durable in the realm, with all lines before it; 0 without one. */
    readonly upTo: number,
    /** The numbers of objects in the lines up to `upTo`. */
    readonly imported: Imported,
    cause: unknown,
  ) {
    super(`Line ${line} cannot be imported: ${messageOf(cause)}`, { cause });
  }
}

/** A running import. */
export interface Importer {
  /**
   * Takes the next line. Returns `null`, or a stream that must complete before the next line is taken. Throws an
   * `ImportError`; the stream errors with one.
   */
  readonly takeLine: (line: unknown) => Observable<never> | null;
  /** Ends the import. Emits the numbers of objects and completes when all lines are durable. */
  readonly end: () => Observable<Imported>;
}

/** Maximum number of objects in a transaction, which is one changeset and one emission of live queries. */
const batchObjectsMax = 1_000;
/** Maximum number of characters in a transaction: far below `limits.changesetBytesMax`. */
const batchCharsMax = 1024 * 1024;

interface ImportLine {
  readonly number: number;
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new InvalidArgumentError('lines', `one JSON record per line (${(thrown as SyntaxError).message})`, text);
  }
};

const parseLine = (text: unknown): Readonly<Record<string, unknown>> => {
  const json: unknown = typeof text === 'string' ? parseJson(text) : text;
  if (typeof text === 'string' && isRecord(json)) return json;
  throw new InvalidArgumentError('lines', 'one JSON record per line', json);
};

/** The byte order mark with which some editors begin a file. */
const byteOrderMark = /^\ufeff/;

/** Rejects unknown names, whose values would be lost. */
const checkNames = (json: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  checkOptions('lines', json, names);

const expectedHeader = `preceded by the line {"tidemark":"${exportFormat}","types":{…},"objects":…}`;

/** The first line of an export. */
interface Header {
  /** The schema of the exported realm. */
  readonly types: Shapes;
  /** Number of objects, to detect a truncated file; `null` if it is missing, as in a file that was written by hand. */
  readonly objects: number | null;
}

const parseHeader = (text: unknown): Header => {
  const { tidemark, types, objects = null } = checkNames(parseLine(text), ['tidemark', 'types', 'objects', 'setAside']);
  if (tidemark !== exportFormat) throw new InvalidArgumentError('lines', expectedHeader, tidemark);
  if (objects !== null && !isCount(objects))
    throw new InvalidArgumentError('objects', 'a whole number from 0', objects);
  return { types: checkSchema(types), objects };
};

const createCountError = (objects: number, received: number): InvalidArgumentError =>
  new InvalidArgumentError('lines', `as many as the ${objects} objects that the first line announces`, received);

const parseValue = (type: string, key: Key, { name, container, kind }: Property, json: unknown): unknown => {
  const each = (one: unknown): unknown => {
    const value = fromJson(kind, one);
    if (isRight(value)) return value.right;
    throw new SchemaError({ type, key, property: name, expected: value.left, received: one });
  };
  if ((container === 'list' || container === 'set') && Array.isArray(json)) return json.map(each);
  if (container === 'dictionary' && isRecord(json)) {
    return Object.fromEntries(Object.entries(json).map(([at, one]) => [at, each(one)]));
  }
  return container === 'value' ? each(json) : json;
};

const parseObjectLine = (types: Shapes, text: unknown, number: number): ImportLine => {
  const { type, object } = checkNames(parseLine(text), ['type', 'object']);
  const shape = requireShape(types, type);
  if (!isRecord(object)) throw new InvalidArgumentError('object', 'a record of properties', object);
  const { name } = shape.primaryKey;
  const key = checkKey(shape, ownValueOf(object, name));
  const values = Object.entries(object).map(([at, json]) => {
    const property = shape.properties.get(at);
    if (property) return [at, parseValue(shape.name, key, property, json)] as const;
    throw createUnknownPropertyError(shape, key, at, json);
  });
  return { number, type: shape.name, values: Object.fromEntries(values) };
};

/**
 * Makes an object equal to a line. A counter is incremented by the difference, so that concurrent increments count too.
 */
const updateObject = (
  shapes: Shapes,
  { tx, overlay }: TransactionDraft,
  { type, values }: ImportLine,
  key: Key,
): void => {
  const shape = requireShape(shapes, type);
  const isCounter = (name: string): boolean => shape.properties.get(name)?.container === 'counter';
  const patch = Object.entries(values).filter(([name]) => name !== shape.primaryKey.name && !isCounter(name));
  tx.update(type, key, Object.fromEntries(patch));
  for (const property of shape.properties.values()) {
    const { name, container } = property;
    const state = overlay.visibleState(type, key);
    if (container !== 'counter' || ownValueOf(values, name) === undefined || !state) continue;
    tx.increment(type, key, name, Number(checkValue(type, key, property, values[name])) - counterValueOf(state, name));
  }
};

const writeLine = (shapes: Shapes, draft: TransactionDraft, line: ImportLine, onConflict: string): keyof Imported => {
  const shape = requireShape(shapes, line.type);
  const key = checkKey(shape, ownValueOf(line.values, shape.primaryKey.name));
  if (onConflict === 'error' || !draft.overlay.visibleState(line.type, key)) {
    draft.tx.create(line.type, line.values);
    return 'created';
  }
  if (onConflict === 'skip') return 'skipped';
  const before = draft.overlay.operations.length;
  updateObject(shapes, draft, line, key);
  return draft.overlay.operations.length === before ? 'skipped' : 'updated';
};

const checkConflict = (options: ImportOptions): string => {
  const { onConflict = 'error' } = checkOptions('options of import', options, ['onConflict']);
  checkOneOf('options.onConflict', ['update', 'skip', 'error'], onConflict);
  return onConflict;
};

type CreateImportError = (line: number, cause: unknown) => ImportError;

const emptySummary: Imported = { created: 0, updated: 0, skipped: 0 };

/** The part of a realm that an import uses. */
export interface ImportParts {
  readonly shapes: Shapes;
  readonly transact: <R>(work: (draft: TransactionDraft) => R) => Observable<Written<R>>;
}

/** Writes lines in one transaction. Emits the numbers of objects when they are durable. */
const writeLines = (
  { shapes, transact }: ImportParts,
  lines: readonly ImportLine[],
  { onConflict, whileOpen }: { readonly onConflict: string; readonly whileOpen: () => void },
  createError: CreateImportError,
): Observable<Imported> => {
  const first = lines[0]?.number ?? 0;
  const counts = { ...emptySummary };
  let at = first;
  const work = (draft: TransactionDraft): void => {
    whileOpen();
    for (const line of lines) {
      at = line.number;
      counts[writeLine(shapes, draft, line, onConflict)] += 1;
    }
  };
  const rethrow = (thrown: unknown): never => {
    throw createError(first, thrown);
  };
  try {
    return transact(work).pipe(
      map(() => counts),
      catchError(rethrow),
    );
  } catch (thrown) {
    throw createError(at, thrown);
  }
};

const addSummaries = (a: Imported, b: Imported): Imported => ({
  created: a.created + b.created,
  updated: a.updated + b.updated,
  skipped: a.skipped + b.skipped,
});

/** Starts an import: see `importRealm`. `whileOpen` throws when the realm was closed. */
export const createImporter = (parts: ImportParts, options: ImportOptions, whileOpen: () => void): Importer => {
  const settings = { onConflict: checkConflict(options), whileOpen };
  let done = emptySummary;
  let number = 0;
  let upTo = 0;
  let header: Header | undefined;
  let objects = 0;
  let batch: ImportLine[] = [];
  let chars = 0;

  const createError: CreateImportError = (line, cause) => new ImportError(line, upTo, done, cause);

  const flush = (): Observable<never> | null => {
    const [lines, last] = [batch, number];
    batch = [];
    chars = 0;
    if (lines.length === 0) return null;
    const onStored = (counts: Imported): void => {
      done = addSummaries(done, counts);
      upTo = last;
    };
    return defer(() => writeLines(parts, lines, settings, createError)).pipe(tap(onStored), ignoreElements());
  };

  /**
   * Whether the batch must be written before a line of this length. A very long line is written alone, so that an error
   * names it.
   */
  const isFull = (more: number): boolean => batch.length >= batchObjectsMax || chars + more > batchCharsMax;

  const read = (text: unknown): void => {
    number += 1;
    if (typeof text === 'string' && text.trim() === '') return; // Usually the end of a file.
    try {
      if (!header) header = parseHeader(typeof text === 'string' ? text.replace(byteOrderMark, '') : text);
      else {
        if (objects === header.objects) throw createCountError(objects, objects + 1);
        batch.push(parseObjectLine(header.types, text, number));
        objects += 1;
      }
      chars += String(text).length;
    } catch (thrown) {
      throw createError(number, thrown);
    }
  };
  const readLater = (text: unknown): Observable<never> => runAction(() => read(text));

  return {
    takeLine: (text) => {
      const full = isFull(String(text).length) ? flush() : null;
      if (full) return concat(full, readLater(text));
      read(text);
      return null;
    },
    end: () => {
      if (!header) throw createError(number + 1, new InvalidArgumentError('lines', expectedHeader, undefined));
      if (header.objects !== null && objects < header.objects)
        throw createError(number + 1, createCountError(header.objects, objects));
      const rest = flush() ?? EMPTY;
      const all = defer(() => of(done));
      return concat(rest, all);
    },
  };
};
