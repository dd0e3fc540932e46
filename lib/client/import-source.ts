import { concatMap, EMPTY, isObservable, lastValueFrom, type Observable } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { Imported, Importer } from '../store/transfer/import.js';

/**
 * The lines that `importRealm` accepts: an Observable, an array, a generator or any other iterable of lines. An
 * iterable is asked for the next line when the import is ready for it.
 *
 * @example
 * ```ts
 * import { createInterface } from 'node:readline';
 * const lines: ImportSource = createInterface({ input: createReadStream('tasks.jsonl') });
 * ```
 */
export type ImportSource = Observable<string> | Iterable<string> | AsyncIterable<string>;

const isIterable = (given: unknown): given is Iterable<string> | AsyncIterable<string> =>
  typeof given === 'object' && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given);

/** Imports lines one by one. Stops reading the source at the first wrong line. */
export const importFrom = async ({ takeLine, end }: Importer, lines: ImportSource): Promise<Imported> => {
  if (isObservable(lines)) {
    await lastValueFrom(lines.pipe(concatMap((line) => takeLine(line) ?? EMPTY)), { defaultValue: undefined });
  } else if (isIterable(lines)) {
    for await (const line of lines) {
      const writing = takeLine(line);
      if (writing) await lastValueFrom(writing, { defaultValue: undefined });
    }
  } else {
    // A string is rejected too, although it is an iterable of characters.
    throw new InvalidArgumentError('lines', 'an Observable or an iterable of lines', lines);
  }
  return lastValueFrom(end());
};
