import { catchError, map, type Observable, of } from 'rxjs';
import type { RunningRealm } from '../client/open-plan.js';
import { messageOf } from '../model/errors.js';
import { runToItsEnd } from '../model/operators.js';
import { bytesOf, type Changeset } from '../model/changeset.js';
import { decodeStoredOperations } from '../store/commit/outbox.js';
import type { RejectedTransaction } from '../store/rejected/rejected-writes-api.js';
import { countOf, formatBytes } from './explain-status.js';
import type { InspectedSession } from './inspected-session.js';
import { createButton, createPart, setText } from './parts.js';
import { formatTime } from './time-axis.js';

/** Entries of a list that are shown, and operations or objects of an entry. */
const shownMax = 50;
const partsMax = 3;

const moreOf = (count: number): readonly HTMLElement[] =>
  count > 0 ? [createPart('li', {}, `and ${count} more`)] : [];

/** Joins the texts of the first parts, and counts the others. */
const joinFirst = <A>(parts: readonly A[], noun: string, textOf: (part: A) => string): string => {
  const more = parts.length - partsMax;
  return [...parts.slice(0, partsMax).map(textOf), ...(more > 0 ? [countOf(more, noun)] : [])].join('; ');
};

const operationsOf = (changeset: Changeset): string =>
  joinFirst(
    decodeStoredOperations(changeset),
    'more operation',
    ({ kind, type, key }) => `${kind} ${type} ${String(key)}`,
  );

const toPendingItem = (changeset: Changeset, sent: number): HTMLElement =>
  createPart(
    'li',
    {},
    createPart('b', {}, `version ${changeset.version}`),
    ` ${formatTime(changeset.time, false)} · ${formatBytes(bytesOf(changeset))} · `,
    `${changeset.version <= sent ? 'sent, no answer yet' : 'not sent'}: ${operationsOf(changeset)}`,
  );

/** Reads the first pending changes of a session as items of a list. Emits once and completes; never errors. */
export const readPendingItems = ({
  store,
  member,
  isFollower,
  isOver,
}: InspectedSession): Observable<readonly HTMLElement[]> => {
  const outbox = store?.context.outbox;
  if (!outbox) {
    const text = isFollower ? 'Another tab has them.' : isOver ? 'The realm is closed.' : '';
    return of(text === '' ? [] : [createPart('li', {}, text)]);
  }
  const { floor, head } = outbox;
  if (floor === head) return of([]);
  const { sent } = member.machine.getState();
  return outbox.page(floor).pipe(
    map(({ entries }) => [
      ...entries.slice(0, shownMax).map((entry) => toPendingItem(entry, sent)),
      ...moreOf(head - floor - Math.min(shownMax, entries.length)),
    ]),
    // A changeset may be acknowledged while it is read.
    catchError((thrown: unknown) => of([createPart('li', {}, messageOf(thrown))])),
  );
};

const toRejectedItem = (
  { id, version, reasonCode, objects }: RejectedTransaction,
  realm: RunningRealm,
): HTMLElement => {
  const answer = createPart('span', { role: 'status' });
  const run = (work: () => Observable<unknown>): void => {
    const fail = (thrown: unknown): void => setText(answer, messageOf(thrown));
    try {
      realm.checkOwner();
      runToItsEnd(work(), () => undefined, fail);
    } catch (thrown) {
      fail(thrown);
    }
  };
  const label = `version ${version}`;
  return createPart(
    'li',
    {},
    createPart('b', {}, `version ${version}`),
    ` ${reasonCode}: ${joinFirst(objects, 'more object', ({ type, key, reason }) => `${type} ${String(key)}: ${reason}`)} `,
    createButton('Retry', () => run(() => realm.store.retry(id)), { 'aria-label': `Retry ${label}` }),
    createButton('Discard', () => run(() => realm.store.discard(id)), { 'aria-label': `Discard ${label}` }),
    answer,
  );
};

/** Returns the rejected writes as items of a list, the latest first, each with buttons. */
export const toRejectedItems = ({ rejected, realm }: InspectedSession): readonly HTMLElement[] =>
  realm === null
    ? []
    : [
        ...rejected
          .slice(-shownMax)
          .reverse()
          .map((each) => toRejectedItem(each, realm)),
        ...moreOf(rejected.length - shownMax),
      ];

/** Returns the numbers of a realm as names and values. */
export const numbersOf = ({
  store,
  session,
}: InspectedSession): readonly (readonly [name: string, value: string])[] => {
  const { connection, lastSyncedAt, downloaded } = session.status;
  const time = (at: number | null): string => (at === null ? 'never' : formatTime(at, false));
  const own: readonly (readonly [string, string])[] = [
    ['last in sync', time(lastSyncedAt)],
    [
      'round trip',
      connection.state === 'connected' && connection.roundTripMs !== null ? `${connection.roundTripMs} ms` : '–',
    ],
    ['server version', `${downloaded.version}${downloaded.behind ? `, ${downloaded.behind} behind` : ''}`],
  ];
  if (!store) return own;
  const { objects, setAside, tombstones, replica, cursors, rejectedWrites } = store.stats();
  return [
    ...own,
    ['client version', `${cursors.written} written, ${cursors.acknowledged} on the server`],
    [
      'objects',
      Object.entries(objects)
        .map(([type, count]) => `${count} ${type}`)
        .join(', ') || '0',
    ],
    ['deleted, set aside, rejected', `${tombstones}, ${setAside}, ${rejectedWrites}`],
    ['replica', replica],
  ];
};
