import { merge, tap, type Observable } from 'rxjs';
import { bytesOf } from '../../../lib/model/changeset.js';
import { openHistory } from '../../../lib/server/history/storage-history.js';
import type { History } from '../../../lib/server/history/history.js';
import { createProjector } from '../../../lib/server/history/projector.js';
import type { HistoryRecord } from '../../../lib/server/history/history-record.js';
import { createDelayQueue } from '../../../lib/server/realms/delay-queue.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import { createChangeset } from '../test-kit.js';

/** Creates a history with one changeset, and its projector. */
const working = (m: MarbleHelpers, lagBytesMax: number) => {
  let opened: History | undefined;
  openHistory(memoryStorage(), 'team', m.clock).subscribe((history) => (opened = history));
  if (!opened) throw new Error('a memory opens at once');
  const history = opened;
  const append = (): void => {
    const one = createChangeset(history.log.head + 1);
    const recorded: HistoryRecord = { ...one, origin: 'a', total: history.bytes + bytesOf(one) };
    const none = { replicas: new Map(), rejected: [], runs: [] };
    history.append({ after: history.log.head, changesets: [recorded], ...none }).subscribe();
  };
  append();
  const leases = { isHeld: () => false, moved: () => undefined };
  const { clock } = m;
  const quietQueue = createDelayQueue({
    ...{ scheduler: clock.scheduler, delayMs: serverLimits.projectionQuietMs },
    onDue: (act: () => void) => act(),
  });
  const projector = createProjector({ history, leases, clock, lagBytesMax, quietQueue, failed: () => undefined });
  /**
   * Emits the versions of the projection while a diagram plays: `a` a change, `p` a page of many that a reader
   * receives, `w` a reader waits for the projection.
   */
  const moved = (drawn: string): Observable<unknown> => {
    const acts: Readonly<Record<string, () => void>> = {
      a: append,
      p: projector.postpone,
      w: projector.requestCatchUp,
    };
    const happening$ = m.hot(drawn).pipe(tap((letter) => acts[letter]?.()));
    return merge(projector.moved$, projector.working$, happening$);
  };
  return { moved };
};

describe('the objects of a realm', () => {
  it(
    'go on when no client has written for a while',
    marbles((m) => {
      const happens = '-w-------a';
      const expected = '-w-------a 4999ms 2';
      const { moved } = working(m, 1_000_000);
      m.expectObservable(moved(happens), '6s !').toBe(expected, { w: 'w', a: 'a', 2: 2 });
    }),
  );

  it(
    'wait while a session is sent many pages',
    marbles((m) => {
      const happens = '-w 4s p 4s p 4s p';
      const expected = '-w 4s p 4s p 4s p 4999ms 1';
      const { moved } = working(m, 1_000_000);
      m.expectObservable(moved(happens), '20s !').toBe(expected, { w: 'w', p: 'p', 1: 1 });
    }),
  );

  it(
    'go on during uploads when they are far behind',
    marbles((m) => {
      const happens = '--w';
      const expected = '1-w';
      const { moved } = working(m, 1);
      m.expectObservable(moved(happens), '1s !').toBe(expected, { w: 'w', 1: 1 });
    }),
  );

  it(
    'wait for a download even when they are far behind, but not for ever',
    marbles((m) => {
      // Far behind at the ninth change. A page is sent in each second of a minute and a half.
      const page = 'p 999ms ';
      const happens = `paaaaaaaaa 990ms ${page.repeat(90)}`;
      const expected = `paaaaaaaaa 990ms ${page.repeat(59)}(vp) 996ms ${page.repeat(30)}`;
      const { moved } = working(m, 30);
      m.expectObservable(moved(happens), '92s !').toBe(expected, { p: 'p', a: 'a', v: 10 });
    }),
  );
});
