import { Observable, type Subscription } from 'rxjs';
import type { Version } from '../../model/version.js';
import { objectTextOf } from '../../model/object-key.js';
import type { History } from '../history/history.js';
import { objectsOf } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import type { HistoryFollowers } from '../sessions/history-followers.js';
import { HistoryReader } from '../sessions/history-reader.js';
import type { NamedTouch, SharedPage } from '../sessions/shared-page.js';
import type { ServedView } from './served-view.js';

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
  readonly replica: string;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
  /** Whether the session takes another page. */
  readonly hasRoom: () => boolean;
  readonly receiver: TouchReceiver;
  /** Called after each page, with the last version of it that has no touches; 0: all have. */
  readonly received: (page: SharedPage, untouchedTo: Version) => void;
  readonly closed: () => void;
  readonly failed: (thrown: unknown) => void;
}

type WatchedTypes = ReadonlyMap<string, WatchedType>;

/** Returns the version after which every changeset has what the filters of a view need. */
export const watchedSinceOf = (types: WatchedTypes, { filters }: ServedView): Version => {
  let since = 0;
  for (const { type, properties } of filters) {
    const watched = types.get(type);
    if (watched === undefined) return Infinity;
    since = Math.max(since, watched.since);
    for (const name of properties)
      since = Math.max(since, watched.properties.find((each) => each.name === name)?.since ?? Infinity);
  }
  return since;
};

/**
 * Whether the changesets after a version may lack what a view needs. `untouchedTo`: the last changeset without touches.
 */
export const isViewLost = (
  { watchedProperties }: Pick<History, 'watchedProperties'>,
  view: ServedView | null,
  from: Version,
  untouchedTo: Version,
): boolean =>
  view !== null &&
  ((untouchedTo > from && view.types.size > 0) || watchedSinceOf(watchedProperties.types, view) > from);

/** Reads the history of a realm for one session and collects what its changesets touch. Can begin again earlier. */
export class ChangeCollector {
  /** Number of pages that were received. */
  pages = 0;
  private position: Version = 0;
  private reader: HistoryReader | null = null;
  private isForced = false;
  private waiting: (() => void) | null = null;

  constructor(private readonly options: ChangeCollectorOptions) {}

  /** Whether everything up to the head of the history was received. */
  get isAtHead(): boolean {
    return this.position >= this.options.history.log.head;
  }

  get positionNow(): Version {
    return this.position;
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
