import fc from 'fast-check';
import { delay, of, switchMap } from 'rxjs';
import type { Storage } from '../../../lib/storage/storage.js';

/** An act on the connection of a client, on time, or on the server. */
export type ConnectionAct =
  | { readonly kind: 'connect'; readonly who: number; readonly messages: number }
  | { readonly kind: 'drop' | 'hold' | 'release' | 'mark' | 'forget'; readonly who: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'check' }
  | { readonly kind: 'restart' };

/** One of two clients. */
export const who = fc.constantFrom(0, 1);

export const connectionActs: readonly fc.WeightedArbitrary<ConnectionAct>[] = [
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('connect' as const),
      who,
      messages: fc.constantFrom(2, 3, 4, 5, 8, Infinity, Infinity),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom('drop', 'hold', 'hold', 'release', 'mark', 'mark', 'forget'), who }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('pass' as const), ms: fc.constantFrom(1, 2, 5, 61_000) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('check', 'restart') }) },
];

/** A storage whose reads take a while. */
export const delayed = (storage: Storage, ms: () => number, scheduler: Parameters<typeof delay>[1]): Storage => ({
  ...storage,
  range: (range) =>
    ms() === 0
      ? storage.range(range)
      : of(0).pipe(
          delay(ms(), scheduler),
          switchMap(() => storage.range(range)),
        ),
});
