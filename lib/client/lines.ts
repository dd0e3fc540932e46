import { concatMap, EMPTY, isObservable, lastValueFrom, type Observable } from 'rxjs';
import { InvalidArgumentError } from '../model/errors.js';
import type { Imported, Importing } from '../store/import.js';

/** Lines, one after the other; where they can be asked for, they are when those before are durable. */
export type Lines = Observable<string> | Iterable<string> | AsyncIterable<string>;

const isIterable = (given: unknown): given is Iterable<string> | AsyncIterable<string> =>
  typeof given === 'object' && given !== null && (Symbol.iterator in given || Symbol.asyncIterator in given);

/** Imports lines one by one, and lets go of them when one is wrong. */
export const importedFrom = async ({ take, end }: Importing, lines: Lines): Promise<Imported> => {
  if (isObservable(lines)) {
    await lastValueFrom(lines.pipe(concatMap((line) => take(line) ?? EMPTY)), { defaultValue: undefined });
  } else if (isIterable(lines)) {
    for await (const line of lines) {
      const writing = take(line);
      if (writing) await lastValueFrom(writing, { defaultValue: undefined });
    }
  } else {
    // A text can be iterated too, character by character.
    throw new InvalidArgumentError('lines', 'lines, as an Observable or to be iterated', lines);
  }
  return lastValueFrom(end());
};
