import type { ObjectName } from '../../model/changeset.js';
import type { TouchChange } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import { KeptOperations } from './kept-operations.js';
import type { ServedView } from './served-view.js';

/** The effect of changesets after a version on one object. */
export interface CollectedChange extends ObjectName {
  /** Whether the object was in the view before; `null`: as long as no watched value has changed. Then as `is`. */
  readonly was: boolean | null;
  /** Whether the object is in the view after; `null`: see `was`. */
  readonly is: boolean | null;
  /** Whether the object was out of the view after any of the changes, so that the replica may have removed it. */
  readonly hasBeenOut: boolean;
  /** Whether the object does not exist after the last change of a watched value. */
  readonly isDeleted: boolean;
  /** Whether a changeset of the session's replica touched the object. */
  readonly isOwn: boolean;
  /** Whether a changeset of another replica touched the object. */
  readonly isForeign: boolean;
  /** Whether the replica may have a later state of the object, so that its state is sent again. */
  readonly isShown: boolean;
  /** Rises with each touch of any object. */
  readonly order: number;
}

/** The message about a changed object. `read`: its state decides, or is sent. `leave`: its name is sent. */
export type ChangeKind = 'read' | 'leave' | 'nothing';

/** Returns what is sent of an object, as far as the touches decide it. */
export const changeKindOf = ({ was, is, hasBeenOut, isDeleted, isOwn, isForeign }: CollectedChange): ChangeKind => {
  if (is === null) return 'read';
  // The replica has its own changes.
  if (is) return was === true && !isForeign && !hasBeenOut ? 'nothing' : 'read';
  // The delete of another replica must win against unsent changes of this one that are earlier.
  if (was === true && isDeleted && isForeign) return 'read';
  // Its own change may have brought the object to the replica, or kept it there.
  return was === true || isOwn ? 'leave' : 'nothing';
};

/**
 * Whether an object of which the state is to be sent was in the view all the time. Then the replica has all operations
 * on it before the changes, and the operations of other replicas bring it up to date as well.
 */
export const isStaying = ({ was, is, hasBeenOut, isForeign, isShown }: CollectedChange): boolean =>
  was === is && is !== false && !hasBeenOut && isForeign && !isShown;

/** The message about an object whose state was read: its state, its name, or nothing. */
export type SentKind = 'state' | 'leave' | 'nothing';

/**
 * Returns what is sent of an object of kind `read`, from its stored state: whether that is in the view, is not, or does
 * not exist.
 */
export const sentKindOf = (
  { was, is, isOwn, isForeign }: CollectedChange,
  found: 'in' | 'out' | 'dead' | 'none',
): SentKind => {
  if (is === null) {
    if (found === 'in') return isForeign ? 'state' : 'nothing';
    return isOwn ? 'leave' : 'nothing';
  }
  if (found === 'in') return 'state';
  if (was !== true && !isOwn) return 'nothing';
  return found === 'dead' && was === true ? 'state' : 'leave';
};

/**
 * The objects that changesets after a version have touched, as far as they concern a view: those that were in it before
 * or are in it after, those of which the touches do not say it, and those that the replica itself has touched.
 */
export class ViewDifference {
  private readonly all = new Map<string, CollectedChange>();
  /** The operations of the changes. */
  readonly operations = new KeptOperations();
  private order = 0;

  constructor(private readonly view: ServedView) {}

  get size(): number {
    return this.all.size;
  }

  /** The changes by the texts of the objects. */
  get changes(): ReadonlyMap<string, CollectedChange> {
    return this.all;
  }

  /** Adds the touch of an object of a watched type. `isOwn`: the changeset is of the session's replica. */
  add(text: string, name: ObjectName, change: TouchChange | null, watched: WatchedType, isOwn: boolean): void {
    if (!this.view.types.has(name.type)) {
      if (isOwn) this.addOutside(text, name);
      return;
    }
    const earlier = this.all.get(text);
    let { was = null, is = null, hasBeenOut = false, isDeleted = false } = earlier ?? {};
    if (change !== null) {
      was ??= this.view.hasValues(name, change.before, watched);
      is = this.view.hasValues(name, change.after, watched);
      isDeleted = change.after === null;
      hasBeenOut ||= !is;
    }
    this.set(text, { type: name.type, key: name.key, was, is, hasBeenOut, isDeleted }, earlier, isOwn);
  }

  /** Adds an object that the replica itself has touched, and that is not in the view before or after. */
  addOutside(text: string, { type, key }: ObjectName): void {
    const earlier = this.all.get(text);
    if (earlier === undefined)
      this.set(text, { type, key, was: false, is: false, hasBeenOut: true, isDeleted: false }, earlier, true);
  }

  /** Adds an object of which the replica was sent a state that is later than the view. Its state is read then. */
  addSent(text: string, { type, key }: ObjectName): void {
    const earlier = this.all.get(text);
    const { was = null, is = null, hasBeenOut = false, isDeleted = false } = earlier ?? {};
    this.set(text, { type, key, was, is, hasBeenOut, isDeleted }, earlier, true, true);
  }

  /** Removes an object whose state has shown that it does not concern the view, unless it was touched since then. */
  settle(text: string, { order }: CollectedChange): void {
    if (this.all.get(text)?.order === order) this.all.delete(text);
  }

  private set(
    text: string,
    change: Omit<CollectedChange, 'isOwn' | 'isForeign' | 'isShown' | 'order'>,
    earlier: CollectedChange | undefined,
    isOwn: boolean,
    isShown = false,
  ): void {
    this.order += 1;
    const next = {
      ...change,
      isOwn: isOwn || earlier?.isOwn === true,
      isForeign: !isOwn || earlier?.isForeign === true,
      isShown: isShown || earlier?.isShown === true,
      order: this.order,
    };
    // A later touch begins again, with the same result: what is left out is the same before and after.
    if (changeKindOf(next) === 'nothing') this.all.delete(text);
    else this.all.set(text, next);
  }
}
