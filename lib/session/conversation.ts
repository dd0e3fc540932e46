import {
  concat,
  concatMap,
  defer,
  EMPTY,
  filter,
  forkJoin,
  from,
  ignoreElements,
  map,
  merge,
  mergeMap,
  type Observable,
  of,
  queueScheduler,
  startWith,
  subscribeOn,
  switchMap,
  take,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { endOfTurn$ } from '../clock.js';
import type { ObjectName, Refusal, RefusedWrite } from '../model/changeset.js';
import { CompensatingWriteError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Bound, ClientMessage, Refused, ServerMessage } from '../protocol/messages.js';
import { beginArrivals, dealing } from './arrivals.js';
import { fetch, onDownload, onSnapshot, reported } from './downloads.js';
import { copiedAt, ofWireError, unanswered, violation } from './drop.js';
import type { SessionEvent } from './events.js';
import type { FrameBound } from './frame-bound.js';
import type { Lane } from './mux.js';
import { timeTold } from './skew.js';
import { type ConversationPorts, saying, type Talk, talkFrom } from './talk.js';
import { answeredUpTo, uploading } from './uploads.js';

/**
 * One session on one lane, from its bind on: everything it hears is taken to heart, one message at a time, and told as an
 * event only then. Cold; never completes; errors with a `Drop`, or with what the realm could not do.
 */
export const conversation = (lane: Lane, ports: ConversationPorts): Observable<SessionEvent> =>
  ports.realm.greeting$.pipe(
    switchMap((greeting) => {
      const { session, wire, inbox } = lane;
      const talk = talkFrom(session, greeting, ports);
      beginArrivals(ports.arrivals, lane);
      const heard$ = wire(saidIn(talk, lane.frames)).pipe(
        timeout({
          first: ports.timeouts.connect,
          scheduler: ports.clock.scheduler,
          with: () => throwError(() => unanswered('bind')),
        }),
        // One that takes no time must not nest in the one before.
        concatMap(() => dealing(ports.arrivals, () => takenNext(talk, inbox)).pipe(subscribeOn(queueScheduler))),
      );
      return merge(talk.told, forgetting(talk), heard$);
    }),
  );

/** All we have to say to a fresh lane: the bind, and once it is answered what the server lacks, as it is written. */
const saidIn = (talk: Talk, frames: FrameBound): Observable<ClientMessage> => {
  const { session, realmName, token, greeting, bound, answers, mark$, cursors } = talk;
  const marks = mark$.pipe(
    tap((request) => (cursors.asked = request)),
    map((request): ClientMessage => ({ type: 'mark', session, request })),
  );
  return merge(
    answers,
    bound.pipe(switchMap((message) => merge(uploading(talk, message, frames), marks))),
    of<ClientMessage>({ type: 'bind', session, realm: realmName, token, ...greeting }),
  );
};

/** Forgets what the server has forgotten, beside everything else, as soon as everything is stored that may still speak of it. */
const forgetting = ({ bound, answers, realm, cursors }: Talk): Observable<never> =>
  bound.pipe(
    switchMap(({ horizon }) => {
      if (!horizon) return EMPTY;
      const stored$ = answers.pipe(
        map((answer) => (answer.type === 'received' ? answer.version : 0)),
        startWith(cursors.fetching === null ? cursors.seen : 0),
      );
      return stored$.pipe(
        filter((version) => version >= horizon.version),
        take(1),
        switchMap(() => realm.forget(horizon)),
      );
    }),
  );

/** Whether a message makes no sense here: a session is bound once, and before it is there is nothing to say of it. */
const isMisplaced = ({ cursors }: Talk, { type }: ServerMessage): boolean =>
  type !== 'error' && type !== 'copied' && (type === 'bound') === cursors.isBound;

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
      return onRefused(talk, [message]);
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
      return throwError(() => copiedAt(message.version));
    case 'unbound': // Its answer to an `unbind` comes to nobody: that is said when the lane is left.
      return throwError(() => violation('unbound: nobody asked for it'));
    case 'pong':
      return EMPTY;
  }
};

/** Refusals that are taken back together at most: what comes in a turn, and no more than takes some milliseconds. */
const refusalsAtOnceMax = 100;

/** Refusals that have come one after the other. */
const refusalsIn = (inbox: ServerMessage[]): readonly Refused[] => {
  const end = inbox.findIndex(({ type }) => type !== 'refused');
  return inbox.splice(0, Math.min(refusalsAtOnceMax, end === -1 ? inbox.length : end)) as Refused[];
};

/** Takes the next message, which may have been taken with one before it. Refusals that have come together are taken back together. */
const takenNext = (talk: Talk, inbox: ServerMessage[]): Observable<SessionEvent> => {
  const isRefused = (): boolean => talk.cursors.isBound && inbox[0]?.type === 'refused';
  if (!isRefused()) {
    const message = inbox.length === 1 ? inbox.pop() : inbox.shift();
    return message ? takenToHeart(talk, message) : EMPTY;
  }
  return concat(
    endOfTurn$.pipe(ignoreElements()),
    defer(() => onRefused(talk, refusalsIn(inbox))),
    // So many at once are to give way to what else goes on.
    defer(() => (isRefused() ? timer(0, talk.clock.scheduler) : EMPTY)).pipe(ignoreElements()),
  );
};

/**
 * Errors when the server has accepted another changeset than this realm wrote, or more: two processes may have drawn one run, when a running
 * machine was cloned. And when this realm is a copy beside another one, and has nothing left to upload: what it writes from now on is its own.
 */
const unlessCopied = ({ realm, greeting, contest }: Talk, { accepted, stamp }: Bound): Observable<never> =>
  forkJoin([realm.outbox$.pipe(take(1)), realm.stampOf(accepted)]).pipe(
    mergeMap(([{ written }, own]) => {
      const isOther = stamp !== null && own !== null && (stamp.time !== own.time || stamp.count !== own.count);
      if (accepted > written || isOther) return throwError(() => copiedAt(greeting.acknowledged));
      return contest.isContested() && written === accepted ? throwError(() => copiedAt(accepted)) : EMPTY;
    }),
  );

const onBound = (talk: Talk, message: Bound): Observable<SessionEvent> => {
  const { realm, greeting, bound, cursors, collection, asked, clock } = talk;
  const { accepted, head, history, snapshot, horizon } = message;
  const told = {
    ...timeTold(message.serverTime, asked, clock.now()),
    ...(horizon && { horizon: horizon.time }),
  };
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
    unlessCopied(talk, message),
    greeting.history === null ? realm.adopt(history) : EMPTY,
    accepted > greeting.acknowledged ? realm.acknowledge(accepted) : EMPTY,
    realm.limit(message.limits),
    realm.correct({ ...told, decided: message.decided }), // Before anything goes out: what somebody has seen keeps its stamp.
    // What the line before was told may have been stored since this one was bound: that waits no more.
    realm.outbox$.pipe(
      take(1),
      tap(({ acknowledged }) => (cursors.sent = Math.max(accepted, acknowledged))),
      ignoreElements(),
    ),
    of<SessionEvent>({
      type: 'bound',
      bound: message,
      seen: greeting.seen,
      isFresh: greeting.history === null,
      at: clock.now(),
    }),
    saying(() => {
      bound.next(message);
      bound.complete(); // There is no other; what has waited for it is let go.
      if (snapshot === null) collection.drop();
      else fetch(talk, snapshot, collection.begin(history, snapshot));
    }),
  );
};

const onAccepted = (talk: Talk, version: Version): Observable<SessionEvent> => {
  const { realm, pace, cursors, clock } = talk;
  return version > cursors.sent
    ? throwError(() => violation(`accepted: ${version}, but only ${cursors.sent} was uploaded`))
    : concat(
        saying(() => {
          pace.accepted(version);
          answeredUpTo(talk, version);
        }),
        realm.acknowledge(version),
        defer(() => of<SessionEvent>({ type: 'accepted', at: clock.now() })),
      );
};

/** Only this client knows what it has withdrawn a changeset for. */
const withReason = (standing: readonly ObjectName[], reason: string): readonly RefusedWrite[] =>
  standing.slice(0, limits.refusedReasonsMax).map(({ type, key }) => ({ type, key, reason }));

/** Told before they are taken back, so that nobody takes them for accepted; shown as errors after (E9). */
const onRefused = (talk: Talk, heard: readonly Refused[]): Observable<SessionEvent> => {
  const { realm, cursors } = talk;
  let before = cursors.refused; // Up to it they are said again, because the server did not know that we know.
  const fresh = heard.filter(({ version }) => version > before && (before = version));
  const last = fresh.at(-1);
  if (last === undefined) return EMPTY;
  if (last.version > cursors.sent) {
    return throwError(() => violation(`refused: ${last.version}, but only ${cursors.sent} was uploaded`));
  }
  cursors.refused = last.version;
  const all = fresh.map((message): Refusal => {
    const { version, writes, standing, code } = message;
    const why = cursors.withdrawn?.get(version);
    return { version, standing, code, writes: why === undefined ? writes : withReason(standing, why) };
  });
  const errors = all.map(({ version, writes, code }) => new CompensatingWriteError(version, writes, code));
  return concat(
    from(errors).pipe(map((error): SessionEvent => ({ type: 'refused', error }))),
    saying(() => answeredUpTo(talk, last.version)),
    realm.refuse(...all).pipe(reported(talk, false)), // What stands is no version that was sent.
    from(errors).pipe(map((error): SessionEvent => ({ type: 'trouble', error }))),
  );
};
