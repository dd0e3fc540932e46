import { play, RecordingError } from '../../lib/testing/index.js';
import { callingStatusText, createRecordingText } from './recording-texts.js';
import { failureOf } from './test-kit.js';

describe('a recording that is played', () => {
  it.each<[string, number, string, string]>([
    ['', 1, '"tidemark recording 1"', '""'],
    ['tidemark recording 2', 1, '"tidemark recording 1"', '"tidemark recording 2"'],
    ['tidemark recording 1\nbegan yesterday', 2, 'a date like 2026-11-24T02:28:49.123Z', '"yesterday"'],
    ['tidemark recording 1\nbegan 2026-11-24\nuntil now', 3, 'a time like 1.5s', '"now"'],
    ['tidemark recording 1\nbegan 2026-11-24\nuntil 1s', 3, 'the letters of states: "letters d disconnected, …"', '""'],
    [createRecordingText('sync a'), 5, 'a line that begins with "at"', '"sync a"'],
    [createRecordingText('at noon', 'sync a'), 5, 'a time like 1.5s', '"noon"'],
    [
      createRecordingText('at 0ms', 'Sync a'),
      6,
      'a line that begins with "at" or one of connection, sync, status, upload, download, errors',
      '"Sync a"',
    ],
    [
      createRecordingText('at 0ms', 'sync a 5 p'),
      6,
      'a diagram of letters, -, |, #, groups in brackets, and times like 1.5s',
      '"5"',
    ],
    [createRecordingText('at 0ms', 'sync (a-p)'), 6, 'a diagram with only letters in its groups', '"-"'],
    [createRecordingText('at 0ms', 'sync (a'), 6, 'a diagram whose brackets match', '"(a"'],
    [createRecordingText('at 0ms', 'sync a)'), 6, 'a diagram whose brackets match', '"a)"'],
    [createRecordingText('at 0ms', 'sync x'), 6, 'followed by a line "sync x: …" that defines x', '"x"'],
    [
      createRecordingText('at 0ms', 'sync d'),
      6,
      'active or paused or inactive or dying or waitingForAccessToken',
      '"disconnected"',
    ],
    [createRecordingText('at 9ms', 'sync a', 'at 0ms', 'sync p'), 8, 'at or after 9ms, the time in line 6', '"0ms"'],
    [
      createRecordingText('at 0ms', 'sync |', 'at 1ms', 'sync p'),
      8,
      'empty, because line 6 ends the stream',
      '"paused"',
    ],
    [
      createRecordingText('at 0ms', 'status a', 'status a: sync=active'),
      6,
      'connection=disconnected or connecting or connected',
      '"sync=active"',
    ],
    [
      createRecordingText('at 0ms', 'status a', `status a: ${callingStatusText} retry`),
      6,
      'pairs like name=value',
      '"retry"',
    ],
    [
      createRecordingText('at 0ms', 'status a', `status a: ${callingStatusText.replace('attempt=1', 'attempt=-1')}`),
      6,
      'attempt=a number',
      '"attempt=-1"',
    ],
    [createRecordingText('at 0ms', 'status a', 'status a: same'), 6, 'pairs like name=value', '"same"'],
    [
      createRecordingText('at 0ms', 'upload a', 'upload a: bytes=1/2 changesets=0/1 estimate=1.5'),
      6,
      'estimate=a number from 0 to 1',
      '"estimate=1.5"',
    ],
    [
      createRecordingText('at 0ms', 'errors a', 'errors a: stalled since=today'),
      6,
      'since=a time from then on like -1.5s',
      '"since=today"',
    ],
    [
      createRecordingText('at 0ms', 'status (ab)', `status a: ${callingStatusText}`, 'status b: conection=connecting'),
      6,
      'pairs of the names sync, connection, pending, downloaded, synced, stalled, each at most once',
      '"conection=connecting"',
    ],
    [
      createRecordingText(
        'at 0ms',
        'status (ab)',
        `status a: ${callingStatusText}`,
        'status b: connection=connecting attempt=1 attempt=2',
      ),
      6,
      'pairs of the names sync, connection, attempt, pending, downloaded, synced, stalled, each at most once',
      '"attempt=2"',
    ],
    [
      createRecordingText('at 0ms', 'status (ab)', `status a: ${callingStatusText}`, 'status b: retry=never'),
      6,
      'pairs of the names sync, connection, pending, downloaded, synced, stalled, each at most once',
      '"retry=never"',
    ],
    [createRecordingText('at 0ms', 'errors a', 'errors a: storage of=9'), 6, 'only storage', '"storage of=9"'],
    [
      createRecordingText('at 0ms', 'sync a', 'at 11m', 'sync p'),
      8,
      'at or before 10m, where the recording ends',
      '"660000ms"',
    ],
  ])('is rejected with the line and what is expected there: %#', (report, line, expected, received) => {
    const error = failureOf(() => play(report));
    expect(error).toBeInstanceOf(RecordingError);
    expect(error.message).toBe(`Line ${line} of the recording must be ${expected}, received ${received}.`);
    expect(error).toMatchObject({ line, expected, code: 'recording' });
  });
});
