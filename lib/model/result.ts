import { isLeft as isLeftOf, isRight as isRightOf, left as leftOf, right as rightOf } from '#fp-ts/Either';
import { isNone as isNoneOf, isSome as isSomeOf, none as noneOf, some as someOf } from '#fp-ts/Option';
import type { Either as EitherOf, Left, Right } from 'fp-ts/lib/Either.js';
import type { None, Option as OptionOf, Some } from 'fp-ts/lib/Option.js';

/*
 * The one door to fp-ts: its bare module names do not load in Node's ESM loader, `#fp-ts/*` (package.json) does. The types
 * are named by their own path, because who uses this package cannot resolve our `#` names when compiling.
 */

/** What went wrong, or what came of it. */
export type Either<E, A> = EitherOf<E, A>;
/** Something, or nothing. */
export type Option<A> = OptionOf<A>;

/** What went wrong. */
export const left: <E = never, A = never>(e: E) => Either<E, A> = leftOf;
/** What came of it. */
export const right: <E = never, A = never>(a: A) => Either<E, A> = rightOf;
export const isLeft: <E>(either: Either<E, unknown>) => either is Left<E> = isLeftOf;
export const isRight: <A>(either: Either<unknown, A>) => either is Right<A> = isRightOf;

/** Nothing. */
export const none: Option<never> = noneOf;
/** Something. */
export const some: <A>(a: A) => Option<A> = someOf;
export const isNone: (option: Option<unknown>) => option is None = isNoneOf;
/** Whether there is something: `option.value` is it. */
export const isSome: <A>(option: Option<A>) => option is Some<A> = isSomeOf;
