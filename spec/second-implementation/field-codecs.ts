import type { Value } from './msgpack.js';

/** Decodes one field of a message from a MessagePack value, and encodes it. */
export interface Field<T> {
  readonly read: (raw: Value | undefined) => T;
  readonly write: (value: T) => Value;
}

export type TypeOf<F> = F extends Field<infer T> ? T : never;

function check<T extends Value>(name: string, isOne: (raw: Value | undefined) => boolean): Field<T> {
  return {
    read(raw) {
      if (!isOne(raw)) throw new Error(`expected ${name}, received ${JSON.stringify(raw)}`);
      return raw as T;
    },
    write: (value) => value,
  };
}

/** Whether a string has no lone surrogates. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

const isWhole = (raw: Value | undefined, least: number): boolean => Number.isSafeInteger(raw) && Number(raw) >= least;

export const count = check<number>('a count', (raw) => isWhole(raw, 0));
export const ordinal = check<number>('an ordinal', (raw) => isWhole(raw, 1));
export const flag = check<boolean>('a flag', (raw) => typeof raw === 'boolean');
export const time = check<number>('a time', (raw) => Number.isFinite(raw));
export const bytes = check<Uint8Array>('binary', (raw) => raw instanceof Uint8Array);
export const code = check<string>('a code', (raw) => typeof raw === 'string' && /^[a-z][a-z0-9-]{0,63}$/.test(raw));
export const key = check<string | number>('a key', (raw) =>
  typeof raw === 'string' ? raw.length >= 1 && raw.length <= 200 && isWellFormed(raw) : Number.isSafeInteger(raw),
);

export function text(longest: number, shortest = 0): Field<string> {
  return check('a text', (raw) => typeof raw === 'string' && raw.length >= shortest && raw.length <= longest);
}
export const id = text(256, 1);

export function maybe<T>(field: Field<T>): Field<T | null> {
  return {
    read: (raw) => (raw === null ? null : field.read(raw)),
    write: (value) => (value === null ? null : field.write(value)),
  };
}

/** The last element of an array, which may be missing or nil. */
export function maybeMissing<T>(field: Field<T>): Field<T | undefined> {
  return {
    read: (raw) => (raw === undefined || raw === null ? undefined : field.read(raw)),
    write: (value) => (value === undefined ? null : field.write(value)),
  };
}

export const anyValue: Field<Value> = check('a value', (raw) => raw !== undefined);

export function oneOf<T extends string>(...texts: readonly T[]): Field<T> {
  return check(`one of ${texts.join(', ')}`, (raw) => texts.some((each) => each === raw));
}

export function listOf<T>(field: Field<T>, least = 0, most = Infinity): Field<readonly T[]> {
  return {
    read(raw) {
      if (!Array.isArray(raw) || raw.length < least || raw.length > most) throw new Error('expected an array');
      return (raw as readonly Value[]).map((each) => field.read(each));
    },
    write: (values) => values.map((each) => field.write(each)),
  };
}

type Fields = Readonly<Record<string, unknown>>;
type MissableOf<F extends Fields> = { [K in keyof F]: undefined extends TypeOf<F[K]> ? K : never }[keyof F];
export type Named<F extends Fields> = { readonly [K in Exclude<keyof F, MissableOf<F>>]: TypeOf<F[K]> } & {
  readonly [K in MissableOf<F>]?: TypeOf<F[K]>;
};

/** An array whose elements are the fields in their order. Elements after the last field are skipped. */
export function positions<F extends Fields>(fields: F): Field<Named<F>> {
  const entries = Object.entries(fields) as [string, Field<unknown>][];
  return {
    read(raw) {
      if (!Array.isArray(raw)) throw new Error('expected an array');
      const named: Record<string, unknown> = {};
      entries.forEach(([name, field], n) => {
        const value = field.read((raw as readonly Value[])[n]);
        if (value !== undefined) named[name] = value;
      });
      return named as Named<F>;
    },
    write(named) {
      const values = named as Record<string, unknown>;
      const present = entries.filter(([name]) => values[name] !== undefined);
      return present.map(([name, field]) => field.write(values[name]));
    },
  };
}
