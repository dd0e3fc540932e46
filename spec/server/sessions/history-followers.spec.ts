import { BehaviorSubject, delayWhen, firstValueFrom, from, of, Subject, Subscription, throwError, toArray } from 'rxjs';
import { StorageError } from '../../../lib/model/errors.js';
import type { Download } from '../../../lib/protocol/messages.js';
import { serverWire } from '../../../lib/protocol/message-wire.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import type { History } from '../../../lib/server/history/history.js';
import { HistoryFollowers } from '../../../lib/server/sessions/history-followers.js';
import { HistoryReader } from '../../../lib/server/sessions/history-reader.js';
import { createDownload, createSharedPage, type SharedPage } from '../../../lib/server/sessions/shared-page.js';

const recordOf = (version: number): HistoryRecord => ({
  ...{
    version,
    origin: `replica-${version % 2}`,
    time: 1,
    count: 0,
    body: Uint8Array.of(version),
    total: version * 33,
  },
});
const entriesOf = (after: number, upTo: number) =>
  Array.from({ length: upTo - after }, (_, at) => recordOf(after + 1 + at));

/** A log whose pages have at most three entries; it counts reads. */
const createLog = (head: number) => {
  const head$ = new BehaviorSubject(head);
  const reads: number[] = [];
  const log = {
    get head() {
      return head$.value;
    },
    floor: 0,
    head$,
    page: (after: number) => {
      reads.push(after);
      const upTo = Math.min(head$.value, after + 3);
      return of({ entries: entriesOf(after, upTo), upTo });
    },
  };
  return { log, head$, reads, grow: (to: number) => head$.next(to) };
};

const failTest = (): never => {
  throw new Error('The session ended.');
};

/** A session that notes the pages that it receives. */
const createSession = (log: History['log'], followers: HistoryFollowers, pagesMax = Infinity) => {
  const pages: SharedPage[] = [];
  const events: unknown[] = [];
  const teardown = new Subscription();
  const reader = new HistoryReader({
    ...{ log, followers, teardown, hasRoom: () => pages.length < pagesMax },
    receive: (page) => void pages.push(page),
    closed: () => events.push('closed'),
    failed: (thrown) => events.push(thrown),
  });
  return {
    start: (after: number) => reader.start(after),
    resume: () => reader.resume(),
    stop: () => reader.stop(),
    pages,
    events,
    teardown,
    versions: () => pages.map(({ upTo }) => upTo),
  };
};

describe('the readers of a history', () => {
  it('get each page in one object, read once, when the history grows', () => {
    const { log, reads, grow } = createLog(2);
    const followers = new HistoryFollowers(log);
    const sessions = [1, 2, 3].map(() => createSession(log, followers));
    sessions.forEach(({ start }) => start(2));
    expect(reads).toEqual([]);
    grow(4);
    grow(9);
    for (const { versions, pages } of sessions) {
      expect(versions()).toEqual([4, 7, 9]);
      pages.forEach((page, at) => expect(page).toBe(sessions[0]?.pages[at]));
    }
    expect(reads).toEqual([2, 4, 7]);
  });

  it('are read a longer page after the history grew', () => {
    const { log, grow } = createLog(1);
    const followers = new HistoryFollowers(log);
    const [one, other] = [createSession(log, followers, 1), createSession(log, followers, 1)];
    other.start(1);
    one.start(0);
    grow(2);
    const late = createSession(log, followers, 1);
    late.start(0);
    expect([one.versions(), other.versions(), late.versions()]).toEqual([[1], [2], [2]]);
  });

  it('receive nothing beyond their room until they resume, and nothing after they stopped', () => {
    const { log, grow } = createLog(9);
    const followers = new HistoryFollowers(log);
    const session = createSession(log, followers, 1);
    session.start(0);
    grow(10);
    expect(session.versions()).toEqual([3]);
    session.pages.length = 0;
    session.resume();
    expect(session.versions()).toEqual([6]);
    session.stop();
    session.pages.length = 0;
    session.resume();
    grow(11);
    expect(session.versions()).toEqual([]);
  });

  it('may resume while they receive a page', () => {
    const { log } = createLog(300_000);
    const followers = new HistoryFollowers(log);
    let received = 0;
    const reader = new HistoryReader({
      ...{ log, followers, teardown: new Subscription(), hasRoom: () => true, closed: failTest, failed: failTest },
      receive: () => {
        received += 1;
        reader.resume();
      },
    });
    reader.start(0);
    expect(received).toBe(100_000);
  });

  it('fail alone', () => {
    const { log, grow } = createLog(1);
    const followers = new HistoryFollowers(log);
    const broken = new Error('broken');
    const failures: unknown[] = [];
    const failing = new HistoryReader({
      ...{ log, followers, teardown: new Subscription(), hasRoom: () => true, closed: failTest },
      receive: () => {
        throw broken;
      },
      failed: (thrown) => failures.push(thrown),
    });
    const session = createSession(log, followers);
    failing.start(1);
    session.start(1);
    grow(2);
    grow(3);
    expect(failures).toEqual([broken]);
    expect(session.versions()).toEqual([2, 3]);
  });

  it('share the read of a page that is not in memory, and continue after it', () => {
    const { log, reads } = createLog(4);
    const isRead = new Subject<void>();
    const page = (after: number) => log.page(after).pipe(delayWhen(() => isRead));
    const slow = { page, floor: 0, head: 4, head$: log.head$ };
    const followers = new HistoryFollowers(slow);
    const sessions = [1, 2, 3].map(() => createSession(slow, followers));
    sessions.forEach(({ start }) => start(0));
    sessions[2]?.teardown.unsubscribe();
    isRead.next();
    sessions[1]?.stop();
    isRead.next();
    expect(sessions.map(({ versions }) => versions())).toEqual([[3, 4], [3], []]);
    expect(reads).toEqual([0, 3]);
  });

  it('learn that a page cannot be read, and that the history was closed', () => {
    const { log, head$ } = createLog(4);
    const damaged = new StorageError('damaged');
    const broken = { ...log, head: 4, page: () => throwError(() => damaged) };
    const failing = createSession(broken, new HistoryFollowers(broken));
    failing.start(0);
    expect(failing.events).toEqual([damaged]);
    const session = createSession(log, new HistoryFollowers(log));
    session.start(4);
    head$.complete();
    expect(session.events).toEqual(['closed']);
    const late = createSession(log, new HistoryFollowers(log));
    late.start(4);
    expect(late.events).toEqual(['closed']);
  });

  it('leave the history when the last one stops', () => {
    const { log, head$ } = createLog(1);
    const followers = new HistoryFollowers(log);
    const sessions = [1, 2].map(() => createSession(log, followers));
    sessions.forEach(({ start }) => start(1));
    sessions[0]?.stop();
    expect(head$.observed).toBe(true);
    sessions[1]?.stop();
    expect(head$.observed).toBe(false);
  });
});

describe('a download to many sessions', () => {
  const head = { version: 4, bytes: 132 };
  const createPage = () => createSharedPage(0, { entries: entriesOf(0, 3), upTo: 3 });

  it('is one message for all sessions with the same number and the same head', () => {
    const page = createPage();
    const first = page.downloadFor(1, head);
    expect(first).toMatchObject({ session: 1, upTo: 3, remaining: 1, bytes: 99, remainingBytes: 33 });
    expect(page.downloadFor(1, head)).toBe(first);
    expect(page.downloadFor(2, head)).toEqual({ ...first, session: 2 });
    expect(page.downloadFor(1, head)).toBe(first);
    expect(page.downloadFor(1, { version: 5, bytes: 165 })).toMatchObject({ remaining: 2, remainingBytes: 66 });
    expect(page.bytes).toBe(99);
  });

  it('is remembered for few session numbers', () => {
    const page = createPage();
    const first = page.downloadFor(1, head);
    for (let session = 2; session < 10; session += 1) page.downloadFor(session, head);
    expect(page.downloadFor(1, head)).toEqual(first);
    expect(page.downloadFor(1, head)).not.toBe(first);
  });

  it('is encoded once, and a different message is encoded again', async () => {
    const page = { entries: entriesOf(0, 3), upTo: 3 };
    const createMessage = (): Download => createDownload(page, page.entries, 1, head);
    const message = createMessage();
    const wire = serverWire(() => from([message, message, createMessage()]));
    const [one, two, three] = await firstValueFrom(wire(from([])).pipe(toArray()));
    expect(two).toBe(one);
    expect(three).not.toBe(one);
    expect(three).toEqual(one);
  });
});
