import {
  concat,
  defer,
  EMPTY,
  finalize,
  map,
  mergeMap,
  Subject,
  take,
  switchMap,
  takeUntil,
  type Observable,
} from 'rxjs';
import { follow } from '../log/follow.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import {
  closeCodes,
  type Bind,
  type Fetch,
  type Mark,
  type Received,
  type ServerMessage,
} from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';
import type { Admission } from './admission.js';
import { createDownloads } from './downloads.js';
import { violation } from './failure.js';

/** What one session is sent of a realm: its objects first, when it starts from a snapshot, then the history as it goes on. */
export interface Reading {
  /** Downloads, and the marks that waited for them. Never completes by itself; errors with a `StorageError`. */
  readonly pages$: Observable<ServerMessage>;
  /** Each throws a `LineError` for what makes no sense. */
  readonly received: (message: Received) => Observable<ServerMessage>;
  readonly mark: (message: Mark) => readonly ServerMessage[];
  readonly fetch: (message: Fetch) => Observable<ServerMessage>;
  /** Nothing more is sent. */
  readonly stop: () => void;
}

export interface ReadingOptions {
  readonly bind: Bind;
  readonly admission: Admission;
  readonly pagesInFlightMax: number;
}

const telling = <A>(subject: Subject<A>, value: A): Observable<never> =>
  defer(() => {
    subject.next(value);
    return EMPTY;
  });

/** The objects, page by page, as the client asks for them. */
const createFetching = ({ bind: { session }, admission: { realm, replica, snapshot } }: ReadingOptions) => {
  const page = realm.snapshots.fetching(replica.id, snapshot ?? 0);
  let isBusy = false;
  let isDone = false; // The last page was sent.
  let isOver = false; // The client has stored all of it.
  return {
    /** Whether the client still has to store it. */
    isOpen: () => snapshot !== null && !isOver,
    end: (version: Version): void => {
      if (!isDone || version !== snapshot)
        throw violation(`received: version ${version} before all of its snapshot was sent`);
      isOver = true;
      realm.leases.end(replica.id);
    },
    fetch: ({ version, after }: Fetch): Observable<ServerMessage> => {
      if (isOver || isBusy || version !== snapshot)
        throw violation(`fetch: no objects of version ${version} are to be fetched now`);
      isBusy = true;
      return page(after).pipe(
        map(({ objects, remaining, bytes }): ServerMessage => {
          isBusy = false; // First: who hears it may fetch the next on the spot.
          isDone = remaining === 0;
          return { type: 'snapshot', session, version, objects, remaining, bytes };
        }),
      );
    },
  };
};

export const createReading = (options: ReadingOptions): Reading => {
  const { bind, admission, pagesInFlightMax } = options;
  const { realm, replica, snapshot } = admission;
  const { log } = realm.history;
  const downloads = createDownloads({
    session: bind.session,
    replica: replica.id,
    seen: bind.seen,
    head: log.head,
    own: bind.own,
  });
  const fetching = createFetching(options);
  const begun = new Subject<Version>();
  const done = new Subject<Version>();
  const stopped = new Subject<void>();

  const pagesAfter = (after: Version): Observable<ServerMessage> =>
    follow(log, { after, done$: done, pagesMax: pagesInFlightMax }).pipe(
      mergeMap((page) => {
        const own = downloads.page(page, { version: log.head, bytes: realm.history.bytes });
        const messages = own.map((message) => (message.type === 'download' ? realm.sharing.shared(message) : message));
        // Withheld: nobody will say that it was received. Told last, because the next page may come on the spot.
        return downloads.done() === page.upTo ? concat(messages, telling(done, page.upTo)) : messages;
      }),
    );

  return {
    pages$: defer(() => {
      realm.sightings.begin(replica.id, snapshot ?? bind.seen, snapshot === null ? bind.seen : null);
      const pages$ = snapshot === null ? pagesAfter(bind.seen) : begun.pipe(take(1), switchMap(pagesAfter));
      return pages$.pipe(
        takeUntil(stopped),
        finalize(() => realm.sightings.end(replica.id)),
      );
    }),
    received: ({ version }) => {
      if (fetching.isOpen()) {
        fetching.end(version);
        realm.sightings.note(replica.id, version);
        return concat(downloads.begin(version), telling(begun, version));
      }
      if (!downloads.received(version)) throw violation(`received: version ${version} was not sent`);
      realm.sightings.note(replica.id, version);
      return telling(done, downloads.done());
    },
    mark: (message) => {
      const answer = downloads.mark(message, log.head);
      if (answer !== null) return answer;
      throw hangUp(closeCodes.tooMuch, `more than ${limits.marksWaitingMax} marks without an answer`);
    },
    fetch: fetching.fetch,
    stop: () => stopped.next(),
  };
};
