import type { ViewRejection } from '../../model/view.js';
import type { SubscriptionStatus } from './subscription-state.js';

/** What is not stored of the state of the subscriptions, for the tabs that follow. */
export interface ViewNews {
  /** The number of the set. */
  readonly version: number;
  /** Whether its objects are on the way. */
  readonly isArriving: boolean;
  readonly rejections: readonly ViewRejection[];
}

/** Returns what is not stored of a state. */
export const viewNewsOf = ({ set: { version }, arriving, rejections }: SubscriptionStatus): ViewNews => ({
  version,
  isArriving: arriving === version,
  rejections: [...rejections].map(([id, { code, text }]) => ({ id, code, text })),
});
