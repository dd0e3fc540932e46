import type { ViewRejection } from '../../model/view.js';
import type { SubscriptionStatus } from './subscription-state.js';

/** The part of the state of the subscriptions that is not stored, for the tabs that follow. */
export interface ViewNews {
  /** The number of the set. */
  readonly version: number;
  /** Whether its objects are on the way. */
  readonly isArriving: boolean;
  readonly rejections: readonly ViewRejection[];
}

/** Returns the part of a state that is not stored. */
export const viewNewsOf = ({ set: { version }, arriving, rejections }: SubscriptionStatus): ViewNews => ({
  version,
  isArriving: arriving === version,
  rejections: [...rejections].map(([id, { code, text }]) => ({ id, code, text })),
});
