import type { Subscription } from 'rxjs';
import { createFollower, type Follower } from '../log/follow.js';
import type { LogPage } from '../log/log.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import {
  closeCodes,
  type Bind,
  type Fault,
  type Fetch,
  type Mark,
  type Received,
  type ServerMessage,
} from '../protocol/messages.js';
import { hangUp } from '../transport/wire.js';
import type { Admission } from './admission.js';
import { createDownloads } from './downloads.js';
import { violation } from './failure.js';
import type { Recorded } from './recorded.js';
import type { SnapshotPage } from './snapshots.js';

/** What one session is sent of a realm: its objects first, when it starts from a snapshot, then the history as it goes on. */
export interface Reading {
  /** Downloads begin, and the marks that wait for them are answered. */
  readonly start: () => void;
  /** Each of these throws a `LineError` for what makes no sense. */
  readonly received: (message: Received) => void;
  readonly mark: (message: Mark) => void;
  readonly fetch: (message: Fetch) => void;
  readonly fault: (message: Fault) => void;
  /** Nothing more is sent, but the objects of a snapshot that are asked for. May be called again. */
  readonly stop: () => void;
}

export interface ReadingOptions {
  readonly bind: Bind;
  readonly admission: Admission;
  readonly pagesInFlightMax: number;
  /** What is let go of with the session. */
  readonly held: Subscription;
  readonly say: (message: ServerMessage) => void;
  /** Told, once, of a `StorageError` and of a snapshot that is gone. */
  readonly failed: (thrown: unknown) => void;
}

type FetchingOptions = Omit<ReadingOptions, 'admission' | 'pagesInFlightMax'> & {
  readonly admission: Admission & { readonly snapshot: Version };
};

/** The objects of a snapshot, page by page, as the client asks for them. An edge: each page is read when it is asked for. */
const createFetching = ({ bind: { session }, admission, held, say, failed }: FetchingOptions) => {
  const { realm, replica, snapshot } = admission;
  const page = realm.snapshots.fetching(replica.id, snapshot);
  let isBusy = false;
  let isDone = false; // The last page was sent.
  return {
    end: (version: Version): void => {
      if (!isDone || version !== snapshot)
        throw violation(`received: version ${version} before all of its snapshot was sent`);
      realm.leases.end(replica.id);
    },
    fetch: ({ version, after }: Fetch): void => {
      if (isBusy || version !== snapshot) throw notNow(version);
      isBusy = true;
      const told = ({ objects, remaining, bytes }: SnapshotPage): void => {
        isBusy = false; // First: who hears it may fetch the next on the spot.
        isDone = remaining === 0;
        say({ type: 'snapshot', session, version, objects, remaining, bytes });
      };
      held.add(page(after).subscribe({ next: told, error: failed }));
    },
  };
};

const notNow = (version: Version): Error => violation(`fetch: no objects of version ${version} are to be fetched now`);

const fetchingOr = <A>(fetching: A | null, version: Version): A => {
  if (fetching === null) throw notNow(version);
  return fetching;
};

/** Plain, and an owner's to start and to stop: one session has it, and a server has ten thousand sessions. */
export const createReading = (options: ReadingOptions): Reading => {
  const { bind, admission, pagesInFlightMax: pagesMax, say, failed } = options;
  const { realm, replica, snapshot } = admission;
  const { history, sightings } = realm;
  const { log } = history;
  const { session, seen, own } = bind;
  const downloads = createDownloads({ session, replica: replica.id, seen, head: log.head, own });
  /** While the client still has to store a snapshot. */
  let fetching = snapshot === null ? null : createFetching({ ...options, admission: { ...admission, snapshot } });
  let follower: Follower | null = null;
  let isStopped = false;

  const told = (page: LogPage<Recorded>): void => {
    const messages = downloads.page(page, { version: log.head, bytes: history.bytes });
    const isDone = downloads.done() === page.upTo;
    if (page.upTo < log.head) realm.disturbed();
    for (const message of messages) say(message.type === 'download' ? realm.sharing.shared(message) : message);
    // Withheld: nobody will say that it was received. Told last, because the next page may come on the spot.
    if (isDone) follower?.done(page.upTo);
  };
  const follow = (after: Version): void => {
    if (isStopped) return;
    follower = createFollower(log, { after, pagesMax }, { next: told, error: failed, complete: stop });
    follower.start();
  };
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    follower?.leave();
    sightings.end(replica.id);
  };

  return {
    start: () => {
      sightings.begin(replica.id, snapshot ?? seen, snapshot === null ? seen : null);
      if (snapshot === null) follow(seen);
    },
    received: ({ version }) => {
      if (fetching !== null) {
        fetching.end(version);
        fetching = null;
        sightings.note(replica.id, version);
        downloads.begin(version).forEach(say);
        follow(version);
        return;
      }
      if (!downloads.received(version)) throw violation(`received: version ${version} was not sent`);
      sightings.note(replica.id, version);
      follower?.done(downloads.done());
    },
    mark: (message) => {
      const answer = downloads.mark(message, log.head);
      if (answer === null)
        throw hangUp(closeCodes.tooMuch, `more than ${limits.marksWaitingMax} marks without an answer`);
      answer.forEach(say);
    },
    fetch: (message) => fetchingOr(fetching, message.version).fetch(message),
    fault: ({ version }) => {
      const isSnapshot = fetching !== null && version === snapshot;
      if (!isSnapshot && !downloads.wasSent(version)) throw violation(`fault: version ${version} was not sent`);
    },
    stop,
  };
};
