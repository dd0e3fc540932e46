import type { Subscription } from 'rxjs';
import { createFollower, type Follower } from '../../log/follow-log.js';
import type { LogPage } from '../../log/log.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import {
  closeCodes,
  type Bind,
  type Fault,
  type Fetch,
  type MarkRequest,
  type Received,
  type ServerMessage,
} from '../../protocol/messages.js';
import { createCloseError } from '../../transport/wire.js';
import type { AcceptedBind } from './bind.js';
import { createDownloadCursor } from './download-cursor.js';
import { createProtocolViolation } from '../server-errors.js';
import type { HistoryRecord } from '../history/history-record.js';
import type { SnapshotPage } from '../history/snapshots.js';

/**
 * What one session is sent of a realm: its objects first, when it starts from a snapshot, then the history as it goes
 * on.
 */
export interface DownloadFeed {
  /** Downloads begin, and the marks that wait for them are answered. */
  readonly start: () => void;
  /** Each of these throws a `ConnectionError` for what makes no sense. */
  readonly received: (message: Received) => void;
  readonly mark: (message: MarkRequest) => void;
  readonly fetch: (message: Fetch) => void;
  readonly fault: (message: Fault) => void;
  /** Nothing more is sent, but the objects of a snapshot that are asked for. May be called again. */
  readonly stop: () => void;
}

export interface DownloadFeedOptions {
  readonly bind: Bind;
  readonly acceptedBind: AcceptedBind;
  readonly pagesInFlightMax: number;
  /** What is let go of with the session. */
  readonly teardown: Subscription;
  readonly send: (message: ServerMessage) => void;
  /** Told, once, of a `StorageError` and of a snapshot that is gone. */
  readonly failed: (thrown: unknown) => void;
}

type SnapshotFetchOptions = Omit<DownloadFeedOptions, 'acceptedBind' | 'pagesInFlightMax'> & {
  readonly acceptedBind: AcceptedBind & { readonly snapshot: Version };
};

/**
 * The objects of a snapshot, page by page, as the client asks for them. An edge: each page is read when it is asked
 * for.
 */
const createSnapshotFetch = ({ bind: { session }, acceptedBind, teardown, send, failed }: SnapshotFetchOptions) => {
  const { realm, replica, snapshot } = acceptedBind;
  const page = realm.snapshots.createFetch(replica.id, snapshot);
  let isBusy = false;
  let isDone = false; // The last page was sent.
  return {
    end: (version: Version): void => {
      if (!isDone || version !== snapshot)
        throw createProtocolViolation(`received: version ${version} before all of its snapshot was sent`);
      realm.leases.end(replica.id);
    },
    fetch: ({ version, after }: Fetch): void => {
      if (isBusy || version !== snapshot) throw createNotNowError(version);
      isBusy = true;
      const told = ({ objects, remaining, bytes }: SnapshotPage): void => {
        isBusy = false; // First: who hears it may fetch the next on the spot.
        isDone = remaining === 0;
        send({ type: 'snapshot', session, version, objects, remaining, bytes });
      };
      teardown.add(page(after).subscribe({ next: told, error: failed }));
    },
  };
};

const createNotNowError = (version: Version): Error =>
  createProtocolViolation(`fetch: no objects of version ${version} are to be fetched now`);

const checkFetching = <A>(fetching: A | null, version: Version): A => {
  if (fetching === null) throw createNotNowError(version);
  return fetching;
};

const checkMarkAnswer = <A>(answer: A | null): A => {
  if (answer === null)
    throw createCloseError(closeCodes.tooMuch, `more than ${limits.marksWaitingMax} marks without an answer`);
  return answer;
};

/** Plain, and an owner's to start and to stop: one session has it, and a server has ten thousand sessions. */
export const createDownloadFeed = (options: DownloadFeedOptions): DownloadFeed => {
  const { bind, acceptedBind, pagesInFlightMax: pagesMax, send, failed } = options;
  const { realm, replica, snapshot } = acceptedBind;
  const { history, replicaCursors } = realm;
  const { log } = history;
  const { session, downloadedTo, includeOwn } = bind;
  const downloads = createDownloadCursor({ session, replica: replica.id, downloadedTo, head: log.head, includeOwn });
  /** While the client still has to store a snapshot. */
  let fetching =
    snapshot === null ? null : createSnapshotFetch({ ...options, acceptedBind: { ...acceptedBind, snapshot } });
  let follower: Follower | null = null;
  let isStopped = false;

  const told = (page: LogPage<HistoryRecord>): void => {
    const messages = downloads.messagesOf(page, { version: log.head, bytes: history.bytes });
    const isDone = downloads.processedTo() === page.upTo;
    if (page.upTo < log.head) realm.postponeProjection();
    for (const message of messages) send(message.type === 'download' ? realm.downloadCache.reuse(message) : message);
    // Withheld: nobody will say that it was received. Told last, because the next page may come on the spot.
    if (isDone) follower?.acknowledge(page.upTo);
  };
  const follow = (after: Version): void => {
    if (isStopped) return;
    follower = createFollower(log, { after, pagesMax }, { next: told, error: failed, complete: stop });
    follower.start();
  };
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    follower?.stop();
    replicaCursors.end(replica.id);
  };

  return {
    start: () => {
      replicaCursors.begin(replica.id, snapshot ?? downloadedTo, snapshot === null ? downloadedTo : null);
      if (snapshot === null) follow(downloadedTo);
    },
    received: ({ version }) => {
      if (fetching !== null) {
        fetching.end(version);
        fetching = null;
        replicaCursors.note(replica.id, version);
        downloads.begin(version).forEach(send);
        follow(version);
        return;
      }
      if (!downloads.noteReceived(version)) throw createProtocolViolation(`received: version ${version} was not sent`);
      replicaCursors.note(replica.id, version);
      follower?.acknowledge(downloads.processedTo());
    },
    mark: (message) => checkMarkAnswer(downloads.answerMark(message, log.head)).forEach(send),
    fetch: (message) => checkFetching(fetching, message.version).fetch(message),
    fault: ({ version }) => {
      const isSnapshot = fetching !== null && version === snapshot;
      if (!isSnapshot && !downloads.wasSent(version))
        throw createProtocolViolation(`fault: version ${version} was not sent`);
    },
    stop,
  };
};
