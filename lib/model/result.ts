/** The one door to fp-ts: its bare module names do not load in Node's ESM loader, `#fp-ts/*` (package.json) does. */
export { left, right, isLeft, isRight, type Either } from '#fp-ts/Either';
export { none, some, isNone, isSome, type Option } from '#fp-ts/Option';
