import { catchError, concat, concatMap, defer, from, type Observable, of, throwError } from 'rxjs';
import type { ObjectName } from '../../model/changeset.js';
import { UnreadableChangeError } from '../../model/errors.js';
import type { SetAsideReport } from '../../model/set-aside-report.js';
import type { Version } from '../../model/version.js';
import type { Download, Snapshot } from '../../protocol/messages.js';
import { createProtocolViolation } from '../connection/disconnect.js';
import type { SessionEvent } from '../state/session-events.js';
import { runAction, type Conversation } from './conversation-ports.js';

/** Asks for the next page of a snapshot. */
export const requestSnapshotPage = (
  { answers, session }: Conversation,
  version: Version,
  after: ObjectName | null,
): void => {
  answers.next({ type: 'fetch', session, version, after });
};

/** What a page has set aside is shown, and the server is told that something was: nothing ends. */
export const reportSetAside =
  ({ answers, session }: Conversation, isTold = true) =>
  (stored: Observable<SetAsideReport>): Observable<SessionEvent> =>
    stored.pipe(
      concatMap(({ version, errors }) => {
        if (isTold) answers.next({ type: 'fault', session, version, code: 'schema' });
        return from(errors.map((error): SessionEvent => ({ type: 'trouble', error })));
      }),
    );

/** The server hears of what cannot be read, too: it may know more about it, and must not wait for our answer (E10). */
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

/** The pages are only collected: of the snapshot readers see all or nothing. */
export const handleSnapshot = (conversation: Conversation, page: Snapshot): Observable<SessionEvent> => {
  const { realm, session, answers, cursors, snapshotBuffer, clock } = conversation;
  const { version, objects, remaining, bytes } = page;
  if (version !== cursors.fetching)
    return throwError(() => createProtocolViolation(`snapshot: nobody asked for one of ${version}`));
  const wrong = snapshotBuffer.add(page);
  if (wrong !== null) return throwError(() => createProtocolViolation(`snapshot: ${wrong}`));
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
  cursors.seen = version;
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
  const { realm, session, answers, cursors, clock } = conversation;
  if (cursors.fetching !== null) {
    return throwError(() => createProtocolViolation(`download: before the snapshot of ${cursors.fetching}`));
  }
  if (page.upTo <= cursors.seen) {
    return throwError(() =>
      createProtocolViolation(`download: up to ${page.upTo}, but ${cursors.seen} is already here`),
    );
  }
  const first = page.changesets[0]?.version ?? page.upTo;
  if (first <= cursors.seen) {
    return throwError(() => createProtocolViolation(`download: from ${first}, but ${cursors.seen} is already here`));
  }
  cursors.seen = page.upTo;
  return concat(
    realm.integrate(page).pipe(reportUnreadable(conversation), reportSetAside(conversation)),
    defer(() => {
      const { upTo: version, remaining: behind, bytes, remainingBytes } = page;
      return of<SessionEvent>({ type: 'downloaded', version, behind, bytes, remainingBytes, at: clock.now() });
    }),
    runAction(() => answers.next({ type: 'received', session, version: page.upTo })),
  );
};
