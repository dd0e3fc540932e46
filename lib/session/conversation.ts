import {
  concat,
  concatMap,
  defer,
  EMPTY,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  switchMap,
  take,
  tap,
  throwError,
  timeout,
} from 'rxjs';
import { bytesOf } from '../model/changeset.js';
import { CompensatingWriteError } from '../model/errors.js';
import type { Version } from '../model/version.js';
import type { Bound, ClientMessage, Refused, ServerMessage } from '../protocol/messages.js';
import { fetch, onDownload, onSnapshot, reported } from './downloads.js';
import { ofWireError, outrun, unanswered, violation } from './drop.js';
import type { SessionEvent } from './events.js';
import type { Lane } from './mux.js';
import { timeTold } from './skew.js';
import { type ConversationPorts, saying, type Talk, talkFrom } from './talk.js';

/**
 * One session on one lane, from its bind on: everything it hears is taken to heart, one message at a time, and told as an
 * event only then. Cold; never completes; errors with a `Drop`, or with what the realm could not do.
 */
export const conversation = ({ session, wire }: Lane, ports: ConversationPorts): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const talk = talkFrom(session, greeting, ports);
      const heard$ = wire(saidIn(talk)).pipe(
        timeout({
          first: ports.timeouts.connect,
          scheduler: ports.clock.scheduler,
          with: () => throwError(() => unanswered('bind')),
        }),
        concatMap((message) => takenToHeart(talk, message)),
      );
      return merge(talk.told, heard$);
    }),
  );

/** All we have to say to a fresh lane: the bind, and once it is answered what the server lacks, as it is written. */
const saidIn = (talk: Talk): Observable<ClientMessage> => {
  const { session, realm, realmName, token, greeting, bound, accepted, answers, told, pace, mark$, cursors } = talk;
  const uploads = (after: Version): Observable<ClientMessage> =>
    realm.uploads(after, accepted, pace.window).pipe(
      tap((changesets) => {
        cursors.sent = changesets.at(-1)?.version ?? cursors.sent;
        pace.said(cursors.sent);
        told.next({
          type: 'sent',
          version: cursors.sent,
          bytes: changesets.reduce((sum, each) => sum + bytesOf(each), 0),
        });
      }),
      map((changesets) => ({ type: 'upload', session, changesets })),
    );
  const marks = mark$.pipe(
    tap((request) => (cursors.asked = request)),
    map((request): ClientMessage => ({ type: 'mark', session, request })),
  );
  return merge(
    answers,
    bound.pipe(switchMap((message) => merge(uploads(message.accepted), marks))),
    of<ClientMessage>({ type: 'bind', session, realm: realmName, token, ...greeting }),
  );
};

/** Whether a message makes no sense here: a session is bound once, and before it is there is nothing to say of it. */
const isMisplaced = ({ cursors }: Talk, { type }: ServerMessage): boolean =>
  type !== 'error' && (type === 'bound') === cursors.isBound;

const takenToHeart = (talk: Talk, message: ServerMessage): Observable<SessionEvent> => {
  if (isMisplaced(talk, message)) {
    return throwError(() =>
      violation(`${message.type}: it came ${talk.cursors.isBound ? 'a second time' : 'before bound'}`),
    );
  }
  switch (message.type) {
    case 'bound':
      return onBound(talk, message);
    case 'accepted':
      return onAccepted(talk, message.version);
    case 'refused':
      return onRefused(talk, message);
    case 'download':
      return onDownload(talk, message);
    case 'mark': {
      const { request, version } = message;
      const { asked } = talk.cursors;
      if (request > asked) return throwError(() => violation(`mark: ${request}, but only ${asked} was asked for`));
      return of({ type: 'marked', request, version, at: talk.clock.now() });
    }
    case 'error':
      return throwError(() => ofWireError(message));
    case 'snapshot':
      return onSnapshot(talk, message);
    case 'copied':
      return throwError(() => outrun(message.version, message.version));
    case 'unbound': // Its answer to an `unbind` comes to nobody: that is said when the lane is left.
      return throwError(() => violation('unbound: nobody asked for it'));
    case 'pong':
      return EMPTY;
  }
};

const onBound = (talk: Talk, message: Bound): Observable<SessionEvent> => {
  const { realm, greeting, bound, cursors, collection, asked, clock } = talk;
  const { accepted, head, history, snapshot } = message;
  const told = timeTold(message.serverTime, asked, clock.now());
  if (accepted < greeting.acknowledged || head < greeting.seen) {
    return throwError(() => violation(`bound: accepted ${accepted} and head ${head} are behind what this realm knows`));
  }
  if (snapshot !== null && (snapshot <= greeting.seen || snapshot > head)) {
    return throwError(() => violation(`bound: a snapshot of ${snapshot}, but ${greeting.seen} of ${head} are here`));
  }
  cursors.isBound = true;
  cursors.sent = accepted;
  cursors.head = message;
  cursors.fetching = snapshot;
  return concat(
    // A device that was put back to an earlier state would number its new writes like those that the server already has.
    realm.outbox$.pipe(
      take(1),
      mergeMap(({ written }) => (accepted > written ? throwError(() => outrun(accepted, written)) : EMPTY)),
    ),
    greeting.history === null ? realm.adopt(history) : EMPTY,
    accepted > greeting.acknowledged ? realm.acknowledge(accepted) : EMPTY,
    realm.correct(told), // Before anything goes out: what somebody has seen keeps its stamp.
    of<SessionEvent>({
      type: 'bound',
      bound: message,
      seen: greeting.seen,
      isFresh: greeting.history === null,
      at: clock.now(),
    }),
    saying(() => {
      bound.next(message);
      if (snapshot === null) collection.drop();
      else fetch(talk, snapshot, collection.begin(history, snapshot));
    }),
  );
};

const onAccepted = ({ realm, accepted, pace, cursors, clock }: Talk, version: Version): Observable<SessionEvent> =>
  version > cursors.sent
    ? throwError(() => violation(`accepted: ${version}, but only ${cursors.sent} was uploaded`))
    : concat(
        saying(() => {
          pace.accepted(version);
          accepted.next(version);
        }),
        realm.acknowledge(version),
        defer(() => of<SessionEvent>({ type: 'accepted', at: clock.now() })),
      );

/** Told before it is taken back, so that nobody takes it for accepted; shown as an error after (E9). */
const onRefused = (talk: Talk, { version, writes, standing, code }: Refused): Observable<SessionEvent> => {
  const { realm, accepted, cursors } = talk;
  if (version > cursors.sent) {
    return throwError(() => violation(`refused: ${version}, but only ${cursors.sent} was uploaded`));
  }
  if (version <= cursors.refused) return EMPTY; // Said again, because the server did not know that we know.
  cursors.refused = version;
  const error = new CompensatingWriteError(version, writes);
  return concat(
    of<SessionEvent>({ type: 'refused', error }),
    saying(() => accepted.next(version)),
    realm.refuse({ version, writes, standing, code }).pipe(reported(talk, false)), // What stands is no version that was sent.
    of<SessionEvent>({ type: 'trouble', error }),
  );
};
