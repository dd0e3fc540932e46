import type { ObjectName } from '../../model/changeset.js';
import { objectTextOf } from '../../model/object-key.js';
import type { Version } from '../../model/version.js';
import type { WriteRejected } from '../../protocol/messages.js';
import type { Bootstrap } from './bootstrap.js';
import type { ViewDifference } from './view-difference.js';

/**
 * The objects of which a client was sent states that are later than its view: those of rejections. Such an object may
 * be in the view at the version of its state, and out of it before and after. The changes of the view alone would never
 * name it, and it would stay on the device. So the next page names it.
 */
export class EarlyStates {
  private objects: Map<string, ObjectName> | null = null;
  private version: Version = 0;

  /** Notes the states of a rejection, which are those of the head. Returns whether it has any. */
  add({ serverStates }: WriteRejected, head: Version): boolean {
    const stored = serverStates.filter(({ state }) => state !== null);
    if (stored.length === 0) return false;
    this.objects ??= new Map();
    for (const { type, key } of stored) this.objects.set(objectTextOf(type, key), { type, key });
    this.version = head;
    return true;
  }

  /** Adds them to what the next page is made of. */
  addTo(changes: ViewDifference | null, bootstrap: Bootstrap | null): void {
    for (const [text, name] of this.objects ?? []) {
      changes?.addSent(text, name);
      bootstrap?.concerned.addOwn(text, name);
    }
  }

  /** Called when a page up to a version is sent. Returns whether the client waits for it, also if it is empty. */
  endAt(upTo: Version): boolean {
    if (this.objects === null || upTo < this.version) return false;
    this.objects = null;
    return true;
  }
}
