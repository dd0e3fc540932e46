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
      'letters, -, |, #, groups in brackets, and times like 1.5s',
      '"5"',
    ],
    [createRecordingText('at 0ms', 'sync (a-p)'), 6, 'letters in a group', '"-"'],
    [createRecordingText('at 0ms', 'sync (a'), 6, 'a group that is closed', '"(a"'],
    [createRecordingText('at 0ms', 'sync a)'), 6, 'groups that are opened and closed', '"a)"'],
    [createRecordingText('at 0ms', 'sync x'), 6, 'a line "sync x: …" below, for what x means', '"x"'],
    [
      createRecordingText('at 0ms', 'sync d'),
      6,
      'active or paused or inactive or dying or waitingForAccessToken',
      '"disconnected"',
    ],
    [
      createRecordingText('at 9ms', 'sync a', 'at 0ms', 'sync p'),
      8,
      'nothing before 9ms, of which line 6 has told',
      '"0ms"',
    ],
    [createRecordingText('at 0ms', 'sync |', 'at 1ms', 'sync p'), 8, 'nothing behind the end in line 6', '"paused"'],
    [
      createRecordingText('at 0ms', 'status a', 'status a: sync=active'),
      6,
      'connection=disconnected or connecting or connected',
      '"sync=active"',
    ],
    [
      createRecordingText('at 0ms', 'status a', `status a: ${callingStatusText} retry`),
      6,
      'words like name=value',
      '"retry"',
    ],
    [
      createRecordingText('at 0ms', 'status a', `status a: ${callingStatusText.replace('attempt=1', 'attempt=-1')}`),
      6,
      'attempt=a number',
      '"attempt=-1"',
    ],
    [createRecordingText('at 0ms', 'status a', 'status a: same'), 6, 'words like name=value', '"same"'],
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
      'each of sync, connection, pending, downloaded, synced, stalled once at most',
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
      'each of sync, connection, attempt, pending, downloaded, synced, stalled once at most',
      '"attempt=2"',
    ],
    [
      createRecordingText('at 0ms', 'status (ab)', `status a: ${callingStatusText}`, 'status b: retry=never'),
      6,
      'each of sync, connection, pending, downloaded, synced, stalled once at most',
      '"retry=never"',
    ],
    [
      createRecordingText('at 0ms', 'errors a', 'errors a: storage of=9'),
      6,
      'nothing behind storage',
      '"storage of=9"',
    ],
    [
      createRecordingText('at 0ms', 'sync a', 'at 11m', 'sync p'),
      8,
      'nothing behind 10m, where the recording ends',
      '"660000ms"',
    ],
  ])('is refused with the line and what should be there: %#', (report, line, expected, received) => {
    const error = failureOf(() => play(report));
    expect(error).toBeInstanceOf(RecordingError);
    expect(error.message).toBe(`line ${line} of the recording must be ${expected}, received ${received}`);
    expect(error).toMatchObject({ line, expected, code: 'recording' });
  });
});
