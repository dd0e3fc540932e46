import { catchError, concat, concatMap, defer, from, type Observable, of, throwError } from 'rxjs';
import { runAction } from '../../model/operators.js';
import { totalBytesOf, type ObjectName } from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { Version } from '../../model/version.js';
import type { Download, Snapshot } from '../../protocol/messages.js';
import { createProtocolViolation } from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import type { Conversation } from './conversation-ports.js';

export const requestSnapshotPage = (
  { answers, session }: Conversation,
  version: Version,
  after: ObjectName | null,
): void => {
  answers.next({ type: 'fetch', session, version, after });
};

/** Emits the errors of objects that a page has set aside, and reports the fault to the server. Nothing ends. */
export const reportSetAside =
  ({ answers, session }: Conversation, isReported = true) =>
  (stored: Observable<SetAsideReport>): Observable<SessionEvent> =>
    stored.pipe(
      concatMap(({ version, errors }) => {
        if (isReported) answers.next({ type: 'fault', session, version, code: 'schema' });
        return from(errors.map((error): SessionEvent => ({ type: 'trouble', error })));
      }),
    );

/**
 * Reports a change that cannot be applied to the server before the session ends (E10). The server's operator may know
 * more about it.
 */
const reportUnreadable =
  ({ answers, session }: Conversation) =>
  <T>(stored: Observable<T>): Observable<T> =>
    stored.pipe(
      catchError((thrown: unknown) => {
        if (thrown instanceof UnreadableChangeError) {
          answers.next({ type: 'fault', session, version: thrown.version, code: 'unreadable' });
        }
        throw thrown;
      }),
    );

/**
 * Handles a page of a snapshot. Pages are buffered until the last one, because reads see the whole snapshot or nothing.
 */
export const handleSnapshot = (conversation: Conversation, page: Snapshot): Observable<SessionEvent> => {
  const { realm, session, answers, cursors, snapshotBuffer, clock } = conversation;
  const { version, objects, remaining, bytes } = page;
  if (version !== cursors.fetching)
    return throwError(() => createProtocolViolation(`a snapshot of ${version} without a request`));
  const contradiction = snapshotBuffer.add(page);
  if (contradiction !== null) return throwError(() => createProtocolViolation(`an invalid snapshot: ${contradiction}`));
  const { head, headBytes } = cursors.head;
  const remainingBytes = Math.max(0, headBytes - bytes);
  const last = objects.at(-1);
  if (remaining > 0 && last) {
    return concat(
      of<SessionEvent>({ type: 'collected', bytes, remainingBytes }),
      runAction(() => requestSnapshotPage(conversation, version, { type: last.type, key: last.key })),
    );
  }
  cursors.fetching = null;
  cursors.downloadedTo = version;
  return concat(
    defer(() => realm.replace({ version, objects: snapshotBuffer.objects(), bytes, remainingBytes })).pipe(
      reportUnreadable(conversation),
      reportSetAside(conversation),
    ),
    runAction(snapshotBuffer.drop),
    defer(() =>
      of<SessionEvent>({ type: 'downloaded', version, behind: head - version, bytes, remainingBytes, at: clock.now() }),
    ),
    runAction(() => answers.next({ type: 'received', session, version })),
  );
};

export const handleDownload = (conversation: Conversation, page: Download): Observable<SessionEvent> => {
  const { realm, receipts, cursors, clock } = conversation;
  if (cursors.fetching !== null) {
    return throwError(() => createProtocolViolation(`a download before the snapshot of ${cursors.fetching}`));
  }
  if (page.upTo <= cursors.downloadedTo) {
    return throwError(() =>
      createProtocolViolation(`a download up to ${page.upTo}, but this realm has ${cursors.downloadedTo}`),
    );
  }
  const first = page.changesets[0]?.version ?? page.upTo;
  if (first <= cursors.downloadedTo) {
    return throwError(() =>
      createProtocolViolation(`a download from ${first}, but this realm has ${cursors.downloadedTo}`),
    );
  }
  cursors.downloadedTo = page.upTo;
  return concat(
    realm.integrate(page).pipe(reportUnreadable(conversation), reportSetAside(conversation)),
    defer(() => {
      const { upTo: version, remaining: behind, bytes, remainingBytes } = page;
      return of<SessionEvent>({ type: 'downloaded', version, behind, bytes, remainingBytes, at: clock.now() });
    }),
    runAction(() => receipts.add(page.upTo, totalBytesOf(page.changesets))),
  );
};
