import type { WriteLimits } from './changeset.js';
import { describeValue, TidemarkError } from './errors.js';
import type { Key } from './value.js';

/** Each limit of a write: what is counted, and what to do with more. */
const writeLimitAdvice: Readonly<Record<keyof WriteLimits, readonly [what: string, advice: string]>> = {
  changesetBytesMax: ['bytes of changes', 'Write less in one transaction.'],
  operationsMax: ['operations', 'Write less in one transaction.'],
  valuesMax: ['values', 'Write less in one transaction.'],
  elementsMax: ['elements', 'Keep them as objects of their own.'],
  objectBytesMax: ['bytes', 'Keep a part of it in objects of their own.'],
};

/**
 * A write is larger than the server accepts. Nothing was changed.
 *
 * @example
 * ```ts
 * await realm.write((tx) => tx.create('Photo', photo)).catch((error: unknown) => {
 *   if (error instanceof WriteLimitError) showMessage(error.advice);
 *   else throw error;
 * });
 * ```
 */
export class WriteLimitError extends TidemarkError {
  override readonly name = 'WriteLimitError';
  readonly code = 'write-limit';
  /** One sentence that says what to do. */
  readonly advice: string;
  constructor(
    /** The limit. docs/hosting.md lists all of them. */
    readonly limit: keyof WriteLimits,
    /** The largest value that the server accepts. */
    readonly most: number,
    /** The value that the write has. */
    readonly received: number,
    /** The object, or its list, set or dictionary. `undefined`: the whole transaction. */
    readonly target?: { readonly type: string; readonly key: Key; readonly property?: string },
  ) {
    const [what, advice] = writeLimitAdvice[limit];
    const name = target
      ? `${target.type}[${describeValue(target.key)}]${target.property === undefined ? '' : `.${target.property}`}`
      : 'The transaction';
    super(`${name} has ${received} ${what}; the server accepts at most ${most} (${limit}). ${advice}`);
    this.advice = advice;
  }
}
