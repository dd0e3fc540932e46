import { defer, EMPTY, exhaustMap, map, merge, of, take, timer } from 'rxjs';
import type { Clock } from '../../../lib/clock.js';
import { limits } from '../../../lib/model/limits.js';
import { runAction } from '../../../lib/model/operators.js';
import { type CompactionPorts, createCompactionRound } from '../../../lib/server/realms/compaction.js';
import { marbles } from '../../../lib/testing/marbles.js';

const piecesMax = 100;
const piecesInAll = piecesMax + 50;

/** The ports of a realm whose whole history may be trimmed, and the number of pieces that were trimmed. */
const trimmable = (clock: Clock): { readonly ports: CompactionPorts; readonly pieces: () => number } => {
  const log = { head: piecesInAll * limits.trimEntriesMax, floor: 0 };
  let pieces = 0;
  const trim = (to: number) =>
    runAction(() => {
      log.floor = to;
      pieces += 1;
    });
  const ports = {
    history: { log, trim, projection: { cursor: { version: log.head }, readLastTombstone: () => of(null) } },
    replicaCursors: { flush: () => EMPTY, findTrimVersion: () => defer(() => of(log.head)) },
    realm: {
      presentWorks: null,
      startWorks: () => ({ projector: { requestCatchUp: fail, runExclusive: <A>(work: A): A => work } }),
    },
    ...{ clock, retentionMs: 1_000, failed: fail },
  };
  return { ports: ports as unknown as CompactionPorts, pieces: () => pieces };
};

const fail = (thrown: unknown): never => {
  throw thrown;
};

describe('a round of compaction', () => {
  it(
    'does a bounded number of pieces of one kind of work, and leaves the rest to the next round',
    marbles(({ clock, expectObservable }) => {
      const { ports, pieces } = trimmable(clock);
      const rounds$ = timer(1_000, 1_000, clock.scheduler).pipe(exhaustMap(() => createCompactionRound(ports)));
      const counts$ = timer(1_500, 1_000, clock.scheduler).pipe(map(pieces), take(3));
      expectObservable(merge(rounds$, counts$), '4s !').toBe('1500ms a 999ms b 999ms b', {
        a: piecesMax,
        b: piecesInAll,
      });
    }),
  );
});
