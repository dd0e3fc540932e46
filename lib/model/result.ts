import { isLeft as isLeftOf, isRight as isRightOf, left as leftOf, right as rightOf } from '#fp-ts/Either';
import { isNone as isNoneOf, isSome as isSomeOf, none as noneOf, some as someOf } from '#fp-ts/Option';
import type { Either as EitherOf, Left, Right } from 'fp-ts/lib/Either.js';
import type { None, Option as OptionOf, Some } from 'fp-ts/lib/Option.js';

/*
 * The only file that imports fp-ts. Its bare module names do not load in Node's ESM loader, but `#fp-ts/*`
 * (package.json) does. The types are imported by their own path, because users of this package cannot resolve our `#`
 * names at compile time.
 *
 * In a bundle for browsers, `#fp-ts/Either` and `#fp-ts/Option` are the module `internal` of fp-ts, from which those
 * two take these functions. They would bring all of their operators into the bundle, a hundredth of its size. A version
 * of fp-ts without that module would stop the bundler.
 */

/** An error (`left`) or a result (`right`). */
export type Either<E, A> = EitherOf<E, A>;
/**
 * A value (`some`) or no value (`none`): the `Option` of fp-ts.
 *
 * @example
 * ```ts
 * const session: Option<SyncSession> = realm.syncSession;
 * if (isSome(session)) session.value.pause();
 * ```
 */
export type Option<A> = OptionOf<A>;

/** Makes an `Either` of an error. */
export const left: <E = never, A = never>(e: E) => Either<E, A> = leftOf;
/** Makes an `Either` of a result. */
export const right: <E = never, A = never>(a: A) => Either<E, A> = rightOf;
export const isLeft: <E>(either: Either<E, unknown>) => either is Left<E> = isLeftOf;
export const isRight: <A>(either: Either<unknown, A>) => either is Right<A> = isRightOf;

/**
 * The `Option` without a value.
 *
 * @example
 * ```ts
 * const first = tasks[0] ? some(tasks[0]) : none;
 * ```
 */
export const none: Option<never> = noneOf;
/**
 * Makes an `Option` with a value.
 *
 * @param a - The value.
 * @returns The `Option`.
 *
 * @example
 * ```ts
 * const title: Option<string> = some('Buy milk');
 * ```
 */
export const some: <A>(a: A) => Option<A> = someOf;
/**
 * Whether an option has no value.
 *
 * @param option - The option.
 * @returns `true` without a value.
 *
 * @example
 * ```ts
 * if (isNone(realm.syncSession)) showMessage('This realm stays on this device.');
 * ```
 */
export const isNone: (option: Option<unknown>) => option is None = isNoneOf;
/**
 * Whether an option has a value, which is then `option.value`.
 *
 * @param option - The option.
 * @returns `true` with a value.
 *
 * @example
 * ```ts
 * if (isSome(realm.syncSession)) realm.syncSession.value.pause();
 * ```
 */
export const isSome: <A>(option: Option<A>) => option is Some<A> = isSomeOf;
