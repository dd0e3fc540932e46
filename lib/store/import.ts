import { catchError, concat, defer, EMPTY, ignoreElements, map, type Observable, of, tap } from 'rxjs';
import { InvalidArgumentError, SchemaError, TidemarkError } from '../model/errors.js';
import { checkedKey } from '../model/kinds.js';
import { checkedOptions } from '../model/limits.js';
import { checkedSchema, type Property, type Shapes } from '../model/schema.js';
import { isRecord, type Key } from '../model/value.js';
import { isVersion } from '../model/version.js';
import type { Desk } from './desk.js';
import { format } from './export.js';
import { fromJson, jsonExpected } from './portable.js';
import { type Draft, shapeIn } from './transaction.js';
import { checkedValue, ownIn } from './values.js';
import { countIn } from './views.js';
import { transact } from './write.js';

/** What becomes of an object that is there already: it is made equal to the line, stays as it is, or ends the import. */
export interface ImportOptions {
  /** `error` unless given. */
  readonly onConflict?: 'update' | 'skip' | 'error';
}

/** What an import has done, in objects. */
export interface Imported {
  readonly created: number;
  readonly updated: number;
  /** They were there, and nothing of them had to be, or was to be, changed. */
  readonly skipped: number;
}

/** An import ended at a line. What was written before it stays written. */
export class ImportError extends TidemarkError {
  override readonly name = 'ImportError';
  readonly code = 'import';
  constructor(
    /** The line that is wrong, from 1; when the realm could not be written, the first one that is not in it. */
    readonly line: number,
    /** The last line that is in the realm, durably, with all before it; 0: none. */
    readonly upTo: number,
    /** What was done with the lines up to `upTo`. */
    readonly imported: Imported,
    cause: unknown,
  ) {
    super(`line ${line}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** An import under way. */
export interface Importing {
  /** Takes the next line. `null`: go on; a stream: subscribe to it, and go on when it has completed. Throws an `ImportError`, as the stream does. */
  readonly take: (line: unknown) => Observable<never> | null;
  /** There are no more lines. Emits what was done and completes when it is durable. */
  readonly end: () => Observable<Imported>;
}

/** Objects a transaction: they are one changeset on the wire, and one emission of a live query. */
const batchObjects = 1_000;
/** Characters a transaction: its changeset stays far below `limits.changesetBytesMax`. */
const batchChars = 1024 * 1024;

interface Line {
  readonly number: number;
  readonly type: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw new InvalidArgumentError('lines', `a JSON record a line (${(thrown as SyntaxError).message})`, text);
  }
};

const parsed = (text: unknown): Readonly<Record<string, unknown>> => {
  const json: unknown = typeof text === 'string' ? jsonOf(text) : text;
  if (typeof text === 'string' && isRecord(json)) return json;
  throw new InvalidArgumentError('lines', 'a JSON record a line', json);
};

/** The mark with which some editors begin a file. */
const byteOrderMark = /^\ufeff/;

/** Refuses what would otherwise be lost. */
const only = (json: Readonly<Record<string, unknown>>, names: readonly string[]) =>
  checkedOptions('lines', json, names);

const expectedHeader = `{"tidemark":"${format}","types":{…},"objects":…} as the first line`;

/** What the first line says of those that follow. */
interface Header {
  /** Their types, as they were where they were exported. */
  readonly types: Shapes;
  /** How many there are: a file that was cut off says too many. `null`: it does not say, as one that was written by hand. */
  readonly objects: number | null;
}

const headerOf = (text: unknown): Header => {
  const { tidemark, types, objects = null } = only(parsed(text), ['tidemark', 'types', 'objects', 'setAside']);
  if (tidemark !== format) throw new InvalidArgumentError('lines', expectedHeader, tidemark);
  if (objects !== null && !isVersion(objects)) throw new InvalidArgumentError('objects', 'how many objects', objects);
  return { types: checkedSchema(types), objects };
};

const asManyAs = (objects: number, received: number): InvalidArgumentError =>
  new InvalidArgumentError('lines', `the ${objects} objects that the first line says`, received);

const valueOf = (type: string, key: Key, { name, container, kind }: Property, json: unknown): unknown => {
  const each = (one: unknown): unknown => {
    const value = fromJson(kind, one);
    if (value !== undefined) return value;
    throw new SchemaError({ type, key, property: name, expected: jsonExpected(kind), received: one });
  };
  if ((container === 'list' || container === 'set') && Array.isArray(json)) return json.map(each);
  if (container === 'dictionary' && isRecord(json)) {
    return Object.fromEntries(Object.entries(json).map(([at, one]) => [at, each(one)]));
  }
  return container === 'value' ? each(json) : json;
};

const lineOf = (types: Shapes, text: unknown, number: number): Line => {
  const { type, object } = only(parsed(text), ['type', 'object']);
  const shape = shapeIn(types, type);
  if (!isRecord(object)) throw new InvalidArgumentError('object', 'a record of properties', object);
  const { name } = shape.primaryKey;
  const key = checkedKey(shape.name, shape.primaryKey.kind, ownIn(object, name));
  const values = Object.entries(object).map(([at, json]) => {
    const property = shape.properties.get(at);
    if (property) return [at, valueOf(shape.name, key, property, json)] as const;
    const expected = `one of ${[...shape.properties.keys()].join(', ')}`;
    throw new SchemaError({ type: shape.name, key, property: at, expected, received: json });
  });
  return { number, type: shape.name, values: Object.fromEntries(values) };
};

/** Makes an object equal to a line. A counter gets the difference, so that what others add meanwhile counts too. */
const updated = (shapes: Shapes, { tx, sheet }: Draft, { type, values }: Line, key: Key): void => {
  const shape = shapeIn(shapes, type);
  const isCounter = (name: string): boolean => shape.properties.get(name)?.container === 'counter';
  const patch = Object.entries(values).filter(([name]) => name !== shape.primaryKey.name && !isCounter(name));
  tx.update(type, key, Object.fromEntries(patch));
  for (const property of shape.properties.values()) {
    const { name, container } = property;
    const state = sheet.living(type, key);
    if (container !== 'counter' || ownIn(values, name) === undefined || !state) continue;
    tx.increment(type, key, name, Number(checkedValue(type, key, property, values[name])) - countIn(state, name));
  }
};

const put = (shapes: Shapes, draft: Draft, line: Line, onConflict: string): keyof Imported => {
  const { primaryKey } = shapeIn(shapes, line.type);
  const key = checkedKey(line.type, primaryKey.kind, ownIn(line.values, primaryKey.name));
  if (onConflict === 'error' || !draft.sheet.living(line.type, key)) {
    draft.tx.create(line.type, line.values);
    return 'created';
  }
  if (onConflict === 'skip') return 'skipped';
  const before = draft.sheet.operations.length;
  updated(shapes, draft, line, key);
  return draft.sheet.operations.length === before ? 'skipped' : 'updated';
};

const choices: readonly unknown[] = ['update', 'skip', 'error'];

const checkedConflict = (options: ImportOptions): string => {
  const { onConflict = 'error' } = checkedOptions('options', options, ['onConflict']);
  if (choices.includes(onConflict)) return onConflict;
  throw new InvalidArgumentError('options.onConflict', choices.join(', '), onConflict);
};

type Refusal = (line: number, cause: unknown) => ImportError;

const nothing: Imported = { created: 0, updated: 0, skipped: 0 };

/** Writes some lines in one transaction. Emits what was done when it is durable. */
const written = (
  desk: Desk,
  lines: readonly Line[],
  { onConflict, whileOpen }: { readonly onConflict: string; readonly whileOpen: () => void },
  refusal: Refusal,
): Observable<Imported> => {
  const first = lines[0]?.number ?? 0;
  const counts = { ...nothing };
  let at = first;
  const work = (draft: Draft): void => {
    whileOpen();
    for (const line of lines) {
      at = line.number;
      counts[put(desk.shapes, draft, line, onConflict)] += 1;
    }
  };
  const failed = (thrown: unknown): never => {
    throw refusal(first, thrown);
  };
  try {
    return transact(desk, work).pipe(
      map(() => counts),
      catchError(failed),
    );
  } catch (thrown) {
    throw refusal(at, thrown);
  }
};

const sum = (a: Imported, b: Imported): Imported => ({
  created: a.created + b.created,
  updated: a.updated + b.updated,
  skipped: a.skipped + b.skipped,
});

/** Starts an import: see `Realm.import`. `whileOpen` throws when whoever imports has left. */
export const importing = (desk: Desk, options: ImportOptions, whileOpen: () => void): Importing => {
  const how = { onConflict: checkedConflict(options), whileOpen };
  let done = nothing;
  let number = 0;
  let upTo = 0;
  let header: Header | undefined;
  let objects = 0;
  let batch: Line[] = [];
  let chars = 0;

  const refusal: Refusal = (line, cause) => new ImportError(line, upTo, done, cause);

  const flush = (): Observable<never> | null => {
    const [lines, last] = [batch, number];
    batch = [];
    chars = 0;
    if (lines.length === 0) return null;
    const stored = (counts: Imported): void => {
      done = sum(done, counts);
      upTo = last;
    };
    return defer(() => written(desk, lines, how, refusal)).pipe(tap(stored), ignoreElements());
  };

  /** A line that is too large goes alone, so that an error names it. */
  const isFull = (more: number): boolean => batch.length >= batchObjects || chars + more > batchChars;

  const read = (text: unknown): void => {
    number += 1;
    if (typeof text === 'string' && text.trim() === '') return; // The end of a file, mostly.
    try {
      if (!header) header = headerOf(typeof text === 'string' ? text.replace(byteOrderMark, '') : text);
      else {
        if (objects === header.objects) throw asManyAs(objects, objects + 1);
        batch.push(lineOf(header.types, text, number));
        objects += 1;
      }
      chars += String(text).length;
    } catch (thrown) {
      throw refusal(number, thrown);
    }
  };
  const readLater = (text: unknown): Observable<never> =>
    defer(() => {
      read(text);
      return EMPTY;
    });

  return {
    take: (text) => {
      const full = isFull(String(text).length) ? flush() : null;
      if (full) return concat(full, readLater(text));
      read(text);
      return null;
    },
    end: () => {
      if (!header) throw refusal(number + 1, new InvalidArgumentError('lines', expectedHeader, undefined));
      if (header.objects !== null && objects < header.objects)
        throw refusal(number + 1, asManyAs(header.objects, objects));
      const rest = flush() ?? EMPTY;
      const all = defer(() => of(done));
      return concat(rest, all);
    },
  };
};
