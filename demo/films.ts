import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Schema } from 'tidemark';

/** 3 201 films with dates, numbers and text: `movies.json` of the vega-datasets package (BSD-3-Clause). */
export const schema = {
  Film: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      released: 'date?',
      director: 'string?',
      genre: 'string?',
      rating: 'string?',
      minutes: 'int?',
      worldwideGross: 'double?',
      imdbRating: 'double?',
      imdbVotes: 'int?',
      watched: 'bool',
      note: 'string?',
    },
  },
} as const satisfies Schema;

export interface Film {
  readonly id: string;
  readonly title: string;
  readonly released: Date | null;
  readonly director: string | null;
  readonly genre: string | null;
  readonly rating: string | null;
  readonly minutes: number | null;
  readonly worldwideGross: number | null;
  readonly imdbRating: number | null;
  readonly imdbVotes: number | null;
  readonly watched: boolean;
  readonly note: string | null;
}

type Raw = Readonly<Record<string, string | number | null | undefined>>;

const textOf = (value: unknown): string | null => (typeof value === 'string' && value.length > 0 ? value : null);
const numberOf = (value: unknown): number | null =>
  typeof value === 'number' && Number.isFinite(value) ? value : null;
const integerOf = (value: unknown): number | null => (Number.isSafeInteger(value) ? (value as number) : null);

const dateOf = (value: unknown): Date | null => {
  const time = typeof value === 'string' ? Date.parse(`${value} UTC`) : NaN;
  return Number.isNaN(time) ? null : new Date(time);
};

const filmOf = (raw: Raw, index: number): Film => ({
  id: `film-${String(index).padStart(4, '0')}`,
  title: String(raw['Title'] ?? 'untitled'),
  released: dateOf(raw['Release Date']),
  director: textOf(raw['Director']),
  genre: textOf(raw['Major Genre']),
  rating: textOf(raw['MPAA Rating']),
  minutes: integerOf(raw['Running Time min']),
  worldwideGross: numberOf(raw['Worldwide Gross']),
  imdbRating: numberOf(raw['IMDB Rating']),
  imdbVotes: integerOf(raw['IMDB Votes']),
  watched: false,
  note: null,
});

/** The films in the order of the file: the numbers are the same on every device. */
export const readFilms = (): readonly Film[] => {
  const main = createRequire(import.meta.url).resolve('vega-datasets'); // The package exports its program; the data is next to it.
  const file = join(dirname(main), '..', 'data', 'movies.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as Raw[]).map(filmOf);
};
