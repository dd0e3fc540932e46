import type { Observable } from 'rxjs';
import { exportLines } from '../store/transfer/export.js';
import { createImporter, type Imported, type ImportOptions } from '../store/transfer/import.js';
import type { AnyRealm } from './any-realm.js';
import { importFrom, type ImportSource } from './import-source.js';
import { internalsOf } from './realm-handles.js';

/**
 * Exports all objects that readers see as lines of JSON. Cold: exports the objects as they are on subscription,
 * whatever is written meanwhile. Emits at most 500 objects per event-loop turn. Completes after the last line. Errors
 * with a `RealmClosedError` when the realm is closed before the subscription. Each value is one line without its line
 * end: first the types, then one object per line. Objects that are set aside are left out; the first line has their
 * number.
 *
 * @param realm - A realm that `openRealm` opened.
 * @returns A stream of lines of JSON.
 * @throws InvalidArgumentError when `realm` is not a handle of a realm.
 * @throws RealmClosedError when the handle is closed.
 *
 * @example
 * ```ts
 * exportRealm(realm).subscribe((line) => file.write(`${line}\n`));
 * ```
 *
 * @see docs/tools.md for the format.
 */
export const exportRealm = (realm: AnyRealm): Observable<string> => {
  const { store, checkOpen } = internalsOf(realm);
  checkOpen();
  return exportLines(store.context);
};

/**
 * Imports lines that `exportRealm` made, 1 000 objects per transaction. An iterable is asked for more lines only when
 * the transaction before is durable; the lines of an Observable are buffered in memory meanwhile.
 *
 * @param realm - A realm that `openRealm` opened.
 * @param lines - The lines of JSON, without their line ends.
 * @param options - `onConflict` says how an object is handled that exists already: `error` by default.
 * @returns A promise of the numbers of created, updated and skipped objects.
 * @throws ImportError (as a rejection) that names the wrong line. Transactions before it stay written.
 * @throws InvalidArgumentError (as a rejection) when `realm` is not a handle of a realm, when `lines` is not an
 * Observable or an iterable, and for an invalid option.
 *
 * @example
 * ```ts
 * const { created } = await importRealm(realm, lines, { onConflict: 'update' });
 * ```
 */
export const importRealm = async (
  realm: AnyRealm,
  lines: ImportSource,
  options: ImportOptions = {},
): Promise<Imported> => {
  const { store, checkOpen, checkOwner } = internalsOf(realm);
  const checkWritable = (): void => {
    checkOpen();
    checkOwner();
  };
  checkWritable();
  const parts = { shapes: store.context.shapes, transact: store.transact };
  return importFrom(createImporter(parts, options, checkWritable), lines);
};
