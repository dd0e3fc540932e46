import fc from 'fast-check';
import { map, type Observable } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm$, type SyncSession } from '../../lib/index.js';
import { createSyncServer } from '../../lib/server/index.js';
import type { Recordable } from '../../lib/session/recording/record.js';
import { marbles, play, record, type MarbleHelpers, type PlayedNetwork } from '../../lib/testing/index.js';

/*
 * Recordings of a real client with a real server on random networks. A played recording must equal the recorded
 * session.
 */
const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
const endMs = 300_000;

interface World {
  readonly network: PlayedNetwork;
  readonly latencyMs: number;
  readonly commands: readonly (readonly [at: number, command: 'write' | 'pause' | 'resume' | 'reconnect'])[];
}

const gap = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 31, max: 40_000 }));
const network: fc.Arbitrary<PlayedNetwork> = fc
  .array(fc.tuple(fc.constantFrom('o', 'x', 'h', 'r', 't', 'k', 'l'), gap), { minLength: 1, maxLength: 12 })
  .map((letters) => ({
    diagram: `${letters.map(([letter, ms]) => `${letter} ${ms}ms`).join(' ')} o`,
    codes: { k: 1013, l: 4100 },
  }));
const latencyMs = fc.integer({ min: 0, max: 50 });
const command = fc.constantFrom('write', 'pause', 'resume', 'reconnect');
const commands = fc.array(fc.tuple(fc.integer({ min: 1, max: 200_000 }), command), { maxLength: 8 });

type Observed = Readonly<Record<string, readonly (readonly [ms: number, value: unknown])[]>>;

/** Removes the parts that a recording omits: texts, and digits of an estimate that no progress bar shows. */
const withoutTexts = (value: unknown): unknown =>
  JSON.parse(
    JSON.stringify(value, (name, part: unknown) => {
      if (name === 'text' || name === 'detail') return '';
      return name === 'estimate' && typeof part === 'number' && part < 1
        ? Math.min(Number(part.toFixed(4)), 0.9999)
        : part;
    }),
  );

const watching = (m: MarbleHelpers, session: Recordable): Observed => {
  const streams: Readonly<Record<string, Observable<unknown>>> = {
    connection: session.connectionState$,
    sync: session.syncState$,
    status: session.status$,
    upload: session.progress$({ direction: 'upload', mode: 'reportIndefinitely' }),
    download: session.progress$({ direction: 'download', mode: 'reportIndefinitely' }),
    errors: session.errors$.pipe(map((error) => ({ code: error.code, since: 'since' in error && error.since }))),
  };
  const observed: Record<string, [number, unknown][]> = {};
  for (const [name, stream$] of Object.entries(streams)) {
    const values: [number, unknown][] = (observed[name] = []);
    stream$.subscribe((value) => values.push([m.clock.now(), withoutTexts(value)]));
  }
  return observed;
};

const lived = ({ network: { diagram, codes }, latencyMs: delay, commands: all }: World) => {
  const found: { report: string; observed: Observed } = { report: '', observed: {} };
  const test = (m: MarbleHelpers): void => {
    const server = createSyncServer({ storage: memoryStorage(), clock: m.clock });
    const { dial } = m.network(diagram, { codes, server, latencyMs: delay });
    const client = createSyncClient({ dial, clock: m.clock, accessToken: m.tokens('(a|)', '10ms (b|)') });
    openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } }).subscribe((realm) => {
      const session = (realm.syncSession as { readonly value: SyncSession }).value;
      const recording = record(session, { clock: m.clock });
      found.observed = watching(m, session);
      all.forEach(([at, asked], index) =>
        m.scheduler.schedule(() => {
          if (asked === 'write') void realm.write((tx) => tx.create('Task', { id: `secret${index}` }));
          else session[asked]();
        }, at),
      );
      m.scheduler.schedule(() => (found.report = recording.text()), endMs);
    });
  };
  marbles(test, { framesMax: endMs })();
  return found;
};

const playedOf = (report: string): Observed => {
  const found: { observed: Observed } = { observed: {} };
  const test = (m: MarbleHelpers): void => {
    m.scheduler.schedule(() => (found.observed = watching(m, play(report, m.clock).streams)), 0);
  };
  marbles(test, { framesMax: endMs })();
  return found.observed;
};

describe('a recording of a real client', () => {
  it('plays every value at the time at which the session emitted it, and contains no data or names', () => {
    fc.assert(
      fc.property(fc.record({ network, latencyMs, commands }), (world) => {
        const { report, observed } = lived(world);
        expect(playedOf(report)).toEqual(observed);
        expect(report).not.toMatch(/secret|Task|team/);
      }),
      { numRuns: 40 },
    );
  });
});
