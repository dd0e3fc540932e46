import type { Subscription } from 'rxjs';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import {
  closeCodes,
  type Bind,
  type Fault,
  type Fetch,
  type MarkRequest,
  type Received,
  type ServerMessage,
  type WriteRejected,
} from '../../protocol/messages.js';
import type { NextMembers, Subscribe } from '../../protocol/view-messages.js';
import { createCloseError } from '../../transport/wire.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { AcceptedBind } from './bind.js';
import { DownloadCursor } from './download-cursor.js';
import { createProtocolViolation } from '../server-errors.js';
import { HistoryReader } from './history-reader.js';
import type { SharedPage } from './shared-page.js';
import type { SnapshotPage } from '../history/snapshots.js';

/** The scope of a device's objects: its id, or `null` if all objects were visible without one. */
export interface StoredScope {
  readonly id: string | null;
}

/**
 * Sends one session the data of its realm: the objects of a snapshot first, if it starts from one, then the history as
 * it grows.
 */
export interface DownloadFeed {
  /** Starts the downloads. From then on waiting marks are answered. */
  readonly start: () => void;
  /** Each of these throws a `ConnectionError` for an invalid message. */
  readonly received: (message: Received) => void;
  readonly mark: (message: MarkRequest) => void;
  readonly fetch: (message: Fetch) => void;
  readonly fault: (message: Fault) => void;
  readonly requestView: (message: Subscribe) => void;
  readonly requestMembers: (message: NextMembers) => void;
  /** Notes that the states of a rejection are sent now, and returns the message with what the client needs besides. */
  readonly noteRejection: (message: WriteRejected) => WriteRejected;
  /** Sends the objects that the user may see from now on, instead of those before. */
  readonly changeScope: (scope: ServedScope | null) => void;
  /** Sends the whole view, if the client still has that of an earlier scope. Returns that scope. */
  readonly loseEarlierScope: () => StoredScope | null;
  /** Returns the server version up to which the client has everything. */
  readonly confirmedTo: () => Version;
  /** Stops everything except objects of a snapshot that are being read. May be called again. */
  readonly stop: () => void;
}

export interface DownloadFeedOptions {
  readonly bind: Bind;
  readonly acceptedBind: AcceptedBind;
  readonly bytesInFlightMax: number;
  /** Unsubscribed with the session. */
  readonly teardown: Subscription;
  readonly send: (message: ServerMessage) => void;
  /** Called once, with a `StorageError` or the error of a snapshot that is gone. */
  readonly failed: (thrown: unknown) => void;
}

type SnapshotFetchOptions = Omit<DownloadFeedOptions, 'acceptedBind' | 'bytesInFlightMax'> & {
  readonly acceptedBind: AcceptedBind & { readonly snapshot: Version };
};

/**
 * Sends the objects of a snapshot, page by page, as the client fetches them. Subscribes to the reading of each page.
 */
const createSnapshotFetch = ({ bind: { session }, acceptedBind, teardown, send, failed }: SnapshotFetchOptions) => {
  const { realm, replica, snapshot } = acceptedBind;
  const page = realm.createSnapshotFetch(replica.id, snapshot);
  let isBusy = false;
  let isDone = false; // The last page was sent.
  return {
    end: (version: Version): void => {
      if (!isDone || version !== snapshot)
        throw createProtocolViolation(
          `received: version ${version} was acknowledged before its whole snapshot was sent.`,
        );
      realm.endLease(replica.id);
    },
    fetch: ({ version, after }: Fetch): void => {
      if (isBusy || version !== snapshot) throw createNotNowError(version);
      isBusy = true;
      const sendPage = ({ objects, remaining, bytes }: SnapshotPage): void => {
        isBusy = false; // Before the message, because the client may fetch the next page synchronously.
        isDone = remaining === 0;
        send({ type: 'snapshot', session, version, objects, remaining, bytes });
      };
      teardown.add(page(after).subscribe({ next: sendPage, error: failed }));
    },
  };
};

const createNotNowError = (version: Version): Error =>
  createProtocolViolation(`fetch: no objects of version ${version} can be fetched now.`);

const checkFetching = <A>(snapshotFetch: A | null, version: Version): A => {
  if (snapshotFetch === null) throw createNotNowError(version);
  return snapshotFetch;
};

const checkView = ({ type, session }: Subscribe | NextMembers): never => {
  throw createProtocolViolation(`${type}: session ${session} has no view.`);
};

const checkMarkAnswer = <A>(answer: A | null): A => {
  if (answer === null)
    throw createCloseError(closeCodes.tooMuch, `More than ${serverLimits.marksWaitingMax} marks wait for an answer.`);
  return answer;
};

/**
 * Creates the feed of one session: a plain object that its owner starts and stops, because a server has ten thousand
 * sessions.
 */
export const createDownloadFeed = (options: DownloadFeedOptions): DownloadFeed => {
  const { bind, acceptedBind, bytesInFlightMax, teardown, send, failed } = options;
  const { realm, replica, snapshot } = acceptedBind;
  const { history, followers, replicaCursors } = realm;
  const { log } = history;
  const { session, downloadedTo, includeOwn } = bind;
  const downloads = new DownloadCursor({ session, replica: replica.id, downloadedTo, head: log.head, includeOwn });
  /** Set while the client still has to store a snapshot. */
  let fetching =
    snapshot === null ? null : createSnapshotFetch({ ...options, acceptedBind: { ...acceptedBind, snapshot } });
  let isStopped = false;

  const receive = (page: SharedPage): void => {
    if (page.upTo < log.head) realm.postponeProjection();
    const download = downloads.downloadOf(page, { version: log.head, bytes: history.bytes });
    if (download !== null) send(download);
    for (const mark of downloads.takeReachedMarks()) send(mark);
  };
  const stop = (): void => {
    if (isStopped) return;
    isStopped = true;
    reader.stop();
    replicaCursors.end(replica.id);
  };
  const hasRoom = (): boolean => downloads.unconfirmedBytes() < bytesInFlightMax;
  const reader = new HistoryReader({ log, followers, hasRoom, receive, closed: stop, failed, teardown });
  const follow = (after: Version): void => {
    if (!isStopped) reader.start(after);
  };

  return {
    confirmedTo: () => downloads.confirmedTo,
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
      if (!downloads.noteReceived(version)) throw createProtocolViolation(`received: version ${version} was not sent.`);
      replicaCursors.note(replica.id, version);
      reader.resume();
    },
    mark: (message) => checkMarkAnswer(downloads.answerMark(message, log.head)).forEach(send),
    fetch: (message) => checkFetching(fetching, message.version).fetch(message),
    fault: ({ version }) => {
      if (!(fetching !== null && version === snapshot) && !downloads.wasSent(version))
        throw createProtocolViolation(`fault: version ${version} was not sent.`);
    },
    requestView: checkView,
    requestMembers: checkView,
    noteRejection: (message) => message,
    loseEarlierScope: () => null,
    changeScope: () => undefined, // All objects are visible: otherwise the session ends.
    stop,
  };
};
