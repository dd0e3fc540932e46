import type { SubscriptionSet } from './subscription-set.js';

/**
 * The state of the latest set of subscriptions.
 *
 * - `pending`: the server has not answered yet, also while the device is offline.
 * - `bootstrapping`: the server has answered, and its objects are on the way.
 * - `complete`: readers see exactly the objects of the set that the server had, and follow them from then on.
 */
export type ViewState = 'pending' | 'bootstrapping' | 'complete';

/**
 * The state of one subscription: that of the latest set, or `rejected` with a reason, or `removed` for good. A
 * subscription that was complete stays so while the set changes around it.
 */
export type SubscriptionState = ViewState | 'rejected' | 'removed';

/** The reason for which a server does not serve a subscription. */
export interface SubscriptionRejection {
  /** The reason as a code, such as `too-many-properties`. */
  readonly code: string;
  /** The reason in words. */
  readonly text: string;
}

/** The set whose objects readers see. */
export interface PlacedSet {
  readonly version: number;
  /** The numbers of its subscriptions, without those that were rejected. */
  readonly ids: ReadonlySet<number>;
}

/** The state of a realm's subscriptions. */
export interface SubscriptionStatus {
  /** The latest set. Stored. */
  readonly set: SubscriptionSet;
  /** The set of which the objects are; `null` before the first, and after a client reset. Stored. */
  readonly placed: PlacedSet | null;
  /** Version of the set whose objects are on the way; `null`: of none. */
  readonly arriving: number | null;
  /** The rejected subscriptions of the latest set, by their numbers. */
  readonly rejections: ReadonlyMap<number, SubscriptionRejection>;
}

export type SubscriptionEvent =
  /** The app has changed the set. */
  | { readonly type: 'updated'; readonly set: SubscriptionSet }
  /** The server has answered: with the number of objects on the way, and the rejected subscriptions. */
  | {
      readonly type: 'answered';
      readonly version: number;
      readonly objects: number;
      readonly rejections: ReadonlyMap<number, SubscriptionRejection>;
    }
  /** The objects of a set are stored, and readers see them. */
  | { readonly type: 'placed'; readonly placed: PlacedSet }
  /** The connection was lost, or the session paused. `isKept`: the objects that have come go on from there. */
  | { readonly type: 'disconnected'; readonly isKept: boolean }
  /** A client reset: every object comes again. */
  | { readonly type: 'reset' };

const noRejections: ReadonlyMap<number, SubscriptionRejection> = new Map();

/** Returns the state before anything has happened since the realm was opened. */
export const initialStatusOf = (set: SubscriptionSet, placed: PlacedSet | null): SubscriptionStatus => ({
  set,
  placed,
  arriving: null,
  rejections: noRejections,
});

/** Keeps the rejections of subscriptions that are in the set: they are asked again, and usually rejected again. */
const keepRejections = (
  { subscriptions }: SubscriptionSet,
  rejections: ReadonlyMap<number, SubscriptionRejection>,
): ReadonlyMap<number, SubscriptionRejection> => {
  const kept = [...rejections].filter(([id]) => subscriptions.some((each) => each.id === id));
  return kept.length === rejections.size ? rejections : new Map(kept);
};

const areSameRejections = (
  one: ReadonlyMap<number, SubscriptionRejection>,
  other: ReadonlyMap<number, SubscriptionRejection>,
): boolean =>
  one.size === other.size &&
  [...one].every(([id, { code, text }]) => other.get(id)?.code === code && other.get(id)?.text === text);

const isSamePlacedSet = (one: PlacedSet, other: PlacedSet | null): boolean =>
  one.version === other?.version && one.ids.size === other.ids.size && [...one.ids].every((id) => other.ids.has(id));

/** Returns the next state; the same object when the event changes nothing. */
export const reduceSubscriptions = (status: SubscriptionStatus, event: SubscriptionEvent): SubscriptionStatus => {
  switch (event.type) {
    case 'updated':
      return event.set === status.set
        ? status
        : { ...status, set: event.set, arriving: null, rejections: keepRejections(event.set, status.rejections) };
    case 'answered': {
      // An answer to an earlier set says nothing about the latest one.
      if (event.version !== status.set.version) return status;
      const rejections = keepRejections(status.set, event.rejections);
      const arriving = event.objects > 0 ? event.version : null;
      const isSame = arriving === status.arriving && areSameRejections(rejections, status.rejections);
      return isSame ? status : { ...status, rejections, arriving };
    }
    case 'placed':
      if (status.arriving === null && isSamePlacedSet(event.placed, status.placed)) return status;
      return {
        ...status,
        placed: event.placed,
        arriving: event.placed.version === status.arriving ? null : status.arriving,
      };
    case 'disconnected':
      return status.arriving === null || event.isKept ? status : { ...status, arriving: null };
    case 'reset':
      return { ...status, placed: null, arriving: null };
  }
};

/** Returns the state of the latest set. */
export const viewStateOf = ({ set, placed, arriving }: SubscriptionStatus): ViewState => {
  if (placed?.version === set.version) return 'complete';
  return arriving === set.version ? 'bootstrapping' : 'pending';
};

/** Returns the state of a subscription by its number. */
export const subscriptionStateOf = (status: SubscriptionStatus, id: number): SubscriptionState => {
  if (!status.set.subscriptions.some((each) => each.id === id)) return 'removed';
  if (status.rejections.has(id)) return 'rejected';
  if (status.placed?.ids.has(id)) return 'complete';
  const ofSet = viewStateOf(status);
  // It was rejected before the realm was opened, and is asked again at the next bind.
  return ofSet === 'complete' ? 'pending' : ofSet;
};
