import { catchError, concat, concatMap, defer, from, type Observable, of, throwError } from 'rxjs';
import type { ObjectName } from '../model/changeset.js';
import { UnreadableChangeError } from '../model/errors.js';
import type { SetAsideReport } from '../model/set-aside-report.js';
import type { Version } from '../model/version.js';
import type { Download, Snapshot } from '../protocol/messages.js';
import { violation } from './drop.js';
import type { SessionEvent } from './events.js';
import { saying, type Talk } from './talk.js';

/** Asks for the next page of a snapshot. */
export const fetch = ({ answers, session }: Talk, version: Version, after: ObjectName | null): void => {
  answers.next({ type: 'fetch', session, version, after });
};

/** What a page has set aside is shown, and the server is told that something was: nothing ends. */
export const reported =
  ({ answers, session }: Talk, isTold = true) =>
  (stored: Observable<SetAsideReport>): Observable<SessionEvent> =>
    stored.pipe(
      concatMap(({ version, errors }) => {
        if (isTold) answers.next({ type: 'fault', session, version, code: 'schema' });
        return from(errors.map((error): SessionEvent => ({ type: 'trouble', error })));
      }),
    );

/** The server hears of what cannot be read, too: it may know more about it, and must not wait for our answer (E10). */
const faulting =
  ({ answers, session }: Talk) =>
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
export const onSnapshot = (talk: Talk, page: Snapshot): Observable<SessionEvent> => {
  const { realm, session, answers, cursors, collection, clock } = talk;
  const { version, objects, remaining, bytes } = page;
  if (version !== cursors.fetching) return throwError(() => violation(`snapshot: nobody asked for one of ${version}`));
  const wrong = collection.add(page);
  if (wrong !== null) return throwError(() => violation(`snapshot: ${wrong}`));
  const { head, headBytes } = cursors.head;
  const remainingBytes = Math.max(0, headBytes - bytes);
  const last = objects.at(-1);
  if (remaining > 0 && last) {
    return concat(
      of<SessionEvent>({ type: 'collected', bytes, remainingBytes }),
      saying(() => fetch(talk, version, { type: last.type, key: last.key })),
    );
  }
  cursors.fetching = null;
  cursors.seen = version;
  return concat(
    defer(() => realm.replace({ version, objects: collection.objects(), bytes, remainingBytes })).pipe(
      faulting(talk),
      reported(talk),
    ),
    saying(collection.drop),
    defer(() =>
      of<SessionEvent>({ type: 'downloaded', version, behind: head - version, bytes, remainingBytes, at: clock.now() }),
    ),
    saying(() => answers.next({ type: 'received', session, version })),
  );
};

export const onDownload = (talk: Talk, page: Download): Observable<SessionEvent> => {
  const { realm, session, answers, cursors, clock } = talk;
  if (cursors.fetching !== null) {
    return throwError(() => violation(`download: before the snapshot of ${cursors.fetching}`));
  }
  if (page.upTo <= cursors.seen) {
    return throwError(() => violation(`download: up to ${page.upTo}, but ${cursors.seen} is already here`));
  }
  const first = page.changesets[0]?.version ?? page.upTo;
  if (first <= cursors.seen) {
    return throwError(() => violation(`download: from ${first}, but ${cursors.seen} is already here`));
  }
  cursors.seen = page.upTo;
  return concat(
    realm.integrate(page).pipe(faulting(talk), reported(talk)),
    defer(() => {
      const { upTo: version, remaining: behind, bytes, remainingBytes } = page;
      return of<SessionEvent>({ type: 'downloaded', version, behind, bytes, remainingBytes, at: clock.now() });
    }),
    saying(() => answers.next({ type: 'received', session, version: page.upTo })),
  );
};
