import { concatMap, EMPTY, isObservable, lastValueFrom, type Observable } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { Imported, Importer } from '../store/transfer/import.js';

/** Lines, one after the other; where they can be asked for, they are when those before are durable. */
export type ImportSource = Observable<string> | Iterable<string> | AsyncIterable<string>;

const isIterable = (given: unknown): given is Iterable<string> | AsyncIterable<string> =>
  typeof given === 'object' && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given);

/** Imports lines one by one, and lets go of them when one is wrong. */
export const importFrom = async ({ takeLine, end }: Importer, lines: ImportSource): Promise<Imported> => {
  if (isObservable(lines)) {
    await lastValueFrom(lines.pipe(concatMap((line) => takeLine(line) ?? EMPTY)), { defaultValue: undefined });
  } else if (isIterable(lines)) {
    for await (const line of lines) {
      const writing = takeLine(line);
      if (writing) await lastValueFrom(writing, { defaultValue: undefined });
    }
  } else {
    // A text can be iterated too, character by character.
    throw new InvalidArgumentError('lines', 'lines, as an Observable or to be iterated', lines);
  }
  return lastValueFrom(end());
};
