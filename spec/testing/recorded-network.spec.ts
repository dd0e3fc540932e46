import { map, type Observable } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm$, type SyncSession } from '../../lib/index.js';
import { marbles, play, record, type MarbleHelpers, type PlayedNetwork } from '../../lib/testing/index.js';
import { callingStatusText, createRecordingText } from './recording-texts.js';

describe('the network of a recording', () => {
  it.each([
    ['closed-by-server:1006', 'o 9ms x', {}],
    ['closed-by-server:4100', 'o 9ms A', { A: 4100 }],
    ['server-error:restarting', 'o 9ms x', {}],
    ['token-expired', 'o 9ms t', {}],
    ['timed-out:read', 'o----h', {}],
    ['paused', 'o', {}],
    ['suspended:internal', 'o', {}],
    ['failed:permission-denied', 'o', {}],
  ])('shows an open connection that ends because of %s', (reason, diagram, codes) => {
    const report = createRecordingText(
      'at 0ms',
      'status a-b-c-----d',
      `status a: ${callingStatusText}`,
      'status b: connection=connected since=+0ms ping=none',
      'status c: pending=1/10B',
      `status d: connection=disconnected reason=${reason} attempt=1 retry=+1s`,
    );
    expect(play(report).network).toEqual({ diagram, codes });
  });

  it.each<[string, string, Readonly<Record<string, number>>?]>([
    ['unreachable', '---h-----xo'],
    ['timed-out:connect', '---h 1009ms o'],
    ['closed-by-server:1006', 'o 8ms xo'],
    ['closed-by-server:4100', 'o 8ms A', { A: 4100 }],
    ['token-expired', 'o'],
    ['paused', 'o'],
  ])('shows a connection attempt that fails because of %s, and opens for the next', (reason, diagram, codes = {}) => {
    const report = createRecordingText(
      'at 3ms',
      'status a-----b 1s a--c',
      `status a: ${callingStatusText}`,
      `status b: connection=disconnected reason=${reason} attempt=1 retry=+1s`,
      'status c: connection=connected since=+0ms ping=none',
    );
    expect(play(report).network).toEqual({ diagram, codes });
  });

  it('is found in a long recording in linear time', () => {
    const calls = Array.from({ length: 20_000 }, (_, n) => [
      `at ${n * 10}ms`,
      'status a----b-c',
      `status a: ${callingStatusText}`,
      'status b: connection=connected since=+0ms ping=none',
      'status c: connection=disconnected reason=closed-by-server:1006 attempt=1 retry=+1s',
    ]);
    const { diagram } = play(createRecordingText(...calls.flat())).network;
    expect(diagram.split('x').length).toBe(20_001);
  });

  it('is empty for a session that never connected', () => {
    expect(play(createRecordingText()).network).toEqual({ diagram: '', codes: {} });
  });

  const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;
  /** Opens the session of a real client that connects over a network. */
  const calling$ = (m: MarbleHelpers, { diagram, codes }: PlayedNetwork): Observable<SyncSession> => {
    const client = createSyncClient({ dial: m.network(diagram, { codes }).dial, clock: m.clock });
    return openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } }).pipe(
      map(({ syncSession }) => {
        if (isSome(syncSession)) return syncSession.value;
        throw new Error('a local realm');
      }),
    );
  };

  it.each<[string, string, Readonly<Record<string, number>>, PlayedNetwork]>([
    ['goes down and comes back', 'o 5s x 10s o', {}, { diagram: 'o 5s x 6050ms o', codes: {} }],
    ['is down at first', '5s o', {}, { diagram: '1s x 2s o', codes: {} }],
    [
      'has its connections closed by the server',
      'o 20s k 10s k 10s l',
      { k: 1013, l: 4100 },
      { diagram: 'o 20s A 10s A 10s B', codes: { A: 1013, B: 4100 } },
    ],
    ['falls silent', 'o 30s h 300s o', {}, { diagram: 'o 25s h 305s o', codes: {} }],
    ['never answers', 'h 150s o', {}, { diagram: 'h 150s o', codes: {} }],
    ['is silent until it rejects connections', 'h 1700ms r 15s o', {}, { diagram: 'h 1.7s x 15s o', codes: {} }],
    [
      'rejects connections for some time',
      'o 20s k r 30s o',
      { k: 1013 },
      { diagram: 'o 20s A 999ms x 15s o', codes: { A: 1013 } },
    ],
  ])('makes a real client record the same again: the network %s', (_, diagram, codes, expected) => {
    const reportOf = (network: PlayedNetwork): string => {
      const texts: string[] = [];
      marbles(
        (m) => {
          calling$(m, network)
            .pipe(map((session) => record(session, { clock: m.clock })))
            .subscribe((recording) => {
              m.scheduler.schedule(() => texts.push(recording.text()), 600_000);
            });
        },
        { framesMax: 600_000 },
      )();
      return texts[0] ?? '';
    };
    const report = reportOf({ diagram, codes });
    const { network } = play(report);
    expect(reportOf(network)).toBe(report);
    expect(network).toEqual(expected);
  });
});
