import { Observable, type Subscription } from 'rxjs';
import type { Version } from '../../model/version.js';
import { objectTextOf } from '../../model/object-key.js';
import type { History } from '../history/history.js';
import { objectsOf } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { HistoryFollowers } from '../sessions/history-followers.js';
import { HistoryReader } from '../sessions/history-reader.js';
import type { NamedTouch, SharedPage } from '../sessions/shared-page.js';
import type { PartsPage } from './parts-page.js';
import type { HeadReader } from './head-reader.js';
import type { ServedView } from './served-view.js';
import type { GroupMember, RoutedSession } from './view-group.js';
import type { ViewRouter } from './view-router.js';
import type { ViewSender } from './view-sender.js';

/** Takes the touches of objects, in the order of the history. */
export interface TouchReceiver {
  /** Adds the touch of an object of a watched type. `isOwn`: by the session's replica. */
  readonly add: (version: Version, touch: NamedTouch, watched: WatchedType, isOwn: boolean) => void;
  /** Adds an object that the session's replica has touched, of a type that is not watched. */
  readonly addOwn: (version: Version, text: string, name: Pick<NamedTouch, 'type' | 'key'>) => void;
}

export interface ChangeCollectorOptions {
  readonly history: Pick<History, 'log' | 'watchedProperties'>;
  readonly followers: HistoryFollowers;
  readonly router: ViewRouter;
  readonly replica: string;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
  /** Whether the session takes another page. */
  readonly hasRoom: () => boolean;
  readonly receiver: TouchReceiver;
  readonly sender: ViewSender;
  /** Called after each page, with the last version of it that has no touches; 0: all have. */
  readonly received: (page: SharedPage, untouchedTo: Version) => void;
  readonly closed: () => void;
  readonly failed: (thrown: unknown) => void;
}

/**
 * Reads the history of a realm for one session and collects what its changesets touch. Can begin again earlier, and can
 * let the router of the realm follow the history.
 */
export class ChangeCollector implements RoutedSession, HeadReader {
  /** Number of pages that were received. */
  pages = 0;
  private position: Version = 0;
  private reader: HistoryReader | null = null;
  /** Set while the router follows the history. */
  private member: GroupMember | null = null;
  private isForced = false;
  private waiting: (() => void) | null = null;

  constructor(private readonly options: ChangeCollectorOptions) {}

  /** Whether everything up to the head of the history was received. */
  get isAtHead(): boolean {
    return this.position >= this.options.history.log.head;
  }

  get replica(): string {
    return this.options.replica;
  }

  /** Starts after a version. May be called again. The session may receive the first pages before this call returns. */
  start(after: Version): void {
    const { history, followers, teardown, hasRoom, closed, failed } = this.options;
    this.stop();
    this.position = after;
    const reader = new HistoryReader({
      ...{ log: history.log, followers, teardown, closed, failed },
      hasRoom: () => this.isForced || hasRoom(),
      receive: (page) => this.receive(page),
    });
    this.reader = reader;
    reader.start(after);
  }

  resume(): void {
    this.reader?.resume();
  }

  stop(): void {
    this.reader?.stop();
    this.reader = null;
    if (this.member !== null) this.options.router.leave(this.member);
    this.member = null;
  }

  /** Lets the router follow the history for a session that has nothing to do, if everything was received. */
  rest(view: ServedView): null {
    if (this.reader === null || !this.isAtHead || !this.hasRoom()) return null;
    this.stop();
    this.member = this.options.router.join(this, view);
    return null;
  }

  /** Takes note of what the router has passed over. */
  refresh(): void {
    const { router, sender } = this.options;
    if (this.member !== null) sender.cursor.skipTo(router.positionOf(this.member));
  }

  /** Reads the history for the session itself again. */
  wake(): void {
    if (this.member !== null) this.options.router.wake(this.member);
  }

  /** Brings the session to the head, if that is possible at once. */
  catchUp(): void {
    const { router, history } = this.options;
    this.refresh();
    if (this.member !== null && router.positionOf(this.member) < history.log.head) this.wake();
  }

  /** Called by the router. */
  hasRoom(): boolean {
    return this.options.hasRoom();
  }

  /** Called by the router. */
  readItself(after: Version): void {
    if (this.member === null) return;
    this.member = null;
    this.options.sender.cursor.skipTo(after);
    this.start(after);
  }

  /** Called by the router. */
  sendShared(page: PartsPage): void {
    this.options.sender.sendShared(page);
  }

  /** Called by the router. */
  sendProgress(page: PartsPage): void {
    this.options.sender.sendProgress(page);
  }

  /** Called by the router. */
  closed(): void {
    this.options.closed();
  }

  /** Called by the router. */
  failed(thrown: unknown): void {
    this.options.failed(thrown);
  }

  /**
   * Completes as soon as everything up to the head was received. Never errors. `isForced`: also if the session takes no
   * page, because others wait for this one.
   */
  untilHead(isForced = false): Observable<never> {
    return new Observable((subscriber) => {
      this.isForced = isForced;
      this.waiting = () => {
        if (this.isAtHead) subscriber.complete();
      };
      this.resume();
      if (this.isAtHead) subscriber.complete();
      return () => {
        this.waiting = null;
        this.isForced = false;
      };
    });
  }

  private receive(page: SharedPage): void {
    const { replica, receiver, history } = this.options;
    const { types } = history.watchedProperties;
    const touches = page.readTouches();
    let untouchedTo = 0;
    page.entries.forEach((entry, at) => {
      const { version } = entry;
      const isOwn = entry.origin === replica;
      const all = touches[at] ?? null;
      if (all === null) untouchedTo = version;
      const named = new Set<string>();
      for (const touch of all ?? []) {
        const watched = types.get(touch.type);
        if (watched === undefined) continue;
        receiver.add(version, touch, watched, isOwn);
        if (isOwn) named.add(touch.text);
      }
      if (!isOwn) return;
      for (const name of objectsOf(entry.body)) {
        const text = objectTextOf(name.type, name.key);
        if (!named.has(text)) receiver.addOwn(version, text, name);
      }
    });
    this.position = page.upTo;
    this.pages += 1;
    this.options.received(page, untouchedTo);
    this.waiting?.();
  }
}
