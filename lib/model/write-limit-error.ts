import type { WriteLimits } from './changeset.js';
import { describeValue, TidemarkError } from './errors.js';
import type { Key } from './value.js';

/** What a server takes at most of one write, and what to do with more. */
const writeLimitAdvice: Readonly<Record<keyof WriteLimits, readonly [what: string, advice: string]>> = {
  changesetBytesMax: ['bytes of changes', 'Write less in one transaction.'],
  operationsMax: ['operations', 'Write less in one transaction.'],
  valuesMax: ['values', 'Write less in one transaction.'],
  elementsMax: ['elements', 'Keep them as objects of their own.'],
  objectBytesMax: ['bytes', 'Keep a part of it in objects of their own.'],
};

/** A write that is larger than the server takes. Nothing was changed. */
export class WriteLimitError extends TidemarkError {
  override readonly name = 'WriteLimitError';
  readonly code = 'write-limit';
  /** What to do, in one sentence. */
  readonly advice: string;
  constructor(
    /** Which limit: one of those that docs/hosting.md lists. */
    readonly limit: keyof WriteLimits,
    /** What is allowed. */
    readonly most: number,
    /** What was given. */
    readonly received: number,
    /** The object, or its list, set or dictionary; `undefined`: the whole transaction. */
    readonly target?: { readonly type: string; readonly key: Key; readonly property?: string },
  ) {
    const [what, advice] = writeLimitAdvice[limit];
    const name = target
      ? `${target.type}[${describeValue(target.key)}]${target.property === undefined ? '' : `.${target.property}`}`
      : 'The transaction';
    super(`${name} has ${received} ${what}; the server takes at most ${most} (${limit}). ${advice}`);
    this.advice = advice;
  }
}
