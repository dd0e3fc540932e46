import type { ObjectName } from '../../model/changeset.js';
import type { TouchChange } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { ServedView } from './served-view.js';
import type { CollectedChange, SentKind } from './view-difference.js';

/** An object that changesets touched while a device is brought to another view. */
export interface ConcernedObject extends ObjectName {
  /** Whether the object was in one of the two views at some time, so that the device may have it or may get it. */
  readonly isKnown: boolean;
  /** Whether a changeset of the session's replica touched the object. */
  readonly isOwn: boolean;
  /** Whether the object was touched after the version from which on its pages are valid. */
  readonly isLate: boolean;
  /** Rises with each touch of any object. */
  readonly order: number;
}

/** Where the stored state of an object was found. */
export type FoundState = 'in' | 'out' | 'dead' | 'none';

/** Returns what is sent of an object. `wasIn`: its state is in the first view. */
export const concernedKindOf = (
  { isKnown, isOwn }: Pick<ConcernedObject, 'isKnown' | 'isOwn'>,
  found: FoundState,
  wasIn: boolean,
): SentKind => {
  if (found === 'in') return 'state';
  if (found === 'dead' && isKnown) return 'state';
  return isKnown || isOwn || wasIn ? 'leave' : 'nothing';
};

/**
 * The objects that are named once more at the end, when a device is brought from one view to another: all that were
 * touched since then, and were in one of the views before or after any of these touches. A page of members may have
 * named an object between two touches, so the first and the last touch alone do not decide.
 */
export class ConcernedObjects {
  private readonly all = new Map<string, ConcernedObject>();
  /** Objects that were touched while they were in the first view, if the device is not sent its changes. */
  private readonly changed = new Set<string>();
  private order = 0;

  /**
   * @param source - The view that the device has; `null` if the second one replaces everything.
   * @param target - The view that it gets.
   * @param version - The changesets after this version may have what the target needs.
   * @param isWithheld - Whether the device is not sent the changes of the first view any more, because its user may not
   *   see all of them. It has the objects that were in the view before the first touch, and must not learn of others.
   */
  constructor(
    private readonly source: ServedView | null,
    private readonly target: ServedView,
    private readonly version: number,
    private readonly isWithheld = false,
  ) {}

  get size(): number {
    return this.all.size;
  }

  /** Number of objects in memory. */
  get kept(): number {
    return Math.max(this.all.size, this.changed.size);
  }

  get objects(): ReadonlyMap<string, ConcernedObject> {
    return this.all;
  }

  /**
   * Whether a scan leaves out an object, because it is named at the end. An object that was only touched before the
   * scans is not left out: a client that goes on with the pages on another connection may have these changes by then,
   * so that they do not concern its view any more.
   */
  isLeftOut(text: string, isLeaving: boolean): boolean {
    if (this.isWithheld && isLeaving) return this.all.has(text) || this.changed.has(text);
    return this.all.get(text)?.isLate === true;
  }

  /** Whether the device has an object whose present state is in the first view. */
  isHeld(text: string): boolean {
    return !this.changed.has(text);
  }

  /** Takes over the objects that have changed in the view that the device has. */
  addChanges(changes: ReadonlyMap<string, CollectedChange>): void {
    for (const [text, { type, key, was, is, isOwn }] of changes)
      this.set(text, { type, key }, was === true || is === true, isOwn);
  }

  /** Adds the touch of an object of a watched type. */
  add(
    version: number,
    text: string,
    name: ObjectName,
    change: TouchChange | null,
    watched: WatchedType,
    isOwn: boolean,
  ): void {
    const { source, target } = this;
    const isTarget = version > this.version && target.types.has(name.type);
    if (!isOwn && !isTarget && source?.types.has(name.type) !== true) return;
    const isIn = (view: ServedView): boolean =>
      change !== null && (view.hasValues(name, change.before, watched) || view.hasValues(name, change.after, watched));
    const isSource = source !== null && isIn(source);
    const isHeld = isSource && this.noteHeld(text, source, name, change, watched);
    const isKnown = isHeld || (isTarget && isIn(target));
    // Without a changed value only the state decides in which view the object is.
    if (isKnown || isSource || isOwn || change === null) this.set(text, name, isKnown, isOwn, version > this.version);
  }

  /** Adds an object that the replica itself has touched. */
  addOwn(text: string, name: ObjectName): void {
    this.set(text, name, false, true);
  }

  /** Removes an object of which everything is sent, unless it was touched since then. */
  settle(text: string, { order }: ConcernedObject): void {
    if (this.all.get(text)?.order === order) this.all.delete(text);
  }

  /** Whether the device has, or may have, an object that was in the first view before or after a touch. */
  private noteHeld(
    text: string,
    source: ServedView,
    name: ObjectName,
    change: TouchChange | null,
    watched: WatchedType,
  ): boolean {
    if (!this.isWithheld) return true;
    if (this.changed.has(text)) return false;
    this.changed.add(text);
    return source.hasValues(name, change?.before ?? null, watched);
  }

  private set(text: string, { type, key }: ObjectName, isKnown: boolean, isOwn: boolean, isLate = false): void {
    const earlier = this.all.get(text);
    this.order += 1;
    this.all.set(text, {
      ...{ type, key, order: this.order },
      isKnown: isKnown || earlier?.isKnown === true,
      isOwn: isOwn || earlier?.isOwn === true,
      isLate: isLate || earlier?.isLate === true,
    });
  }
}
