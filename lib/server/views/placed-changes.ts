import type { Version } from '../../model/version.js';
import type { TouchReceiver } from './change-collector.js';
import type { SharedPage } from '../sessions/shared-page.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { ServedView } from './served-view.js';
import { ViewDifference } from './view-difference.js';

/** The placed view of a session, and its changes that were not sent. Plain state that one feed owns. */
export class PlacedChanges implements TouchReceiver {
  /** The changes of the view after what was sent; `null` while they are not sent by themselves. */
  changes: ViewDifference | null = null;

  /**
   * @param source - The view; `null`: the client gets the next view as a whole.
   * @param number - Its number.
   * @param to - The version up to which `changes` are collected.
   * @param storedScope - The id of the scope that the device has stored with its objects, whether or not it is known.
   */
  constructor(
    public source: ServedView | null,
    public number: Version | null,
    public to: Version,
    public storedScope: string | null,
  ) {}

  /** Whether the changes can be sent to a user with this scope. Otherwise the user may not see all of them. */
  isSentIn(scope: ServedScope | null): boolean {
    return this.source !== null && this.source.scope === (scope?.id ?? null);
  }

  /** Collects the changes of a view after a version. */
  collect(source: ServedView, after: Version): void {
    this.source = source;
    this.changes = new ViewDifference(source);
    this.to = after;
  }

  /** The client gets the next view as a whole. */
  lose(): void {
    this.source = this.changes = null;
  }

  /** Notes a page of the history whose touches were added. Returns whether it has changes that were not collected. */
  receivedPage(page: SharedPage): boolean {
    const { changes, to } = this;
    if (changes === null || page.upTo <= to) return false;
    // What was passed over before the first one has not concerned the view.
    if (page.after > to && !changes.operations.isEmpty) changes.operations.lose();
    if (changes.size === 0) changes.operations.clear();
    else changes.operations.add(page, to);
    this.to = page.upTo;
    return true;
  }

  add(...[version, touch, watched, isOwn]: Parameters<TouchReceiver['add']>): void {
    if (version > this.to) this.changes?.add(touch.text, touch, touch.change, watched, isOwn);
  }

  addOwn(...[version, text, name]: Parameters<TouchReceiver['addOwn']>): void {
    if (version > this.to) this.changes?.addOutside(text, name);
  }
}
