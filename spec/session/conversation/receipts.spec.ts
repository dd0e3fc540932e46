import { Observable } from 'rxjs';
import { limits } from '../../../lib/model/limits.js';
import { createReceipts } from '../../../lib/session/conversation/receipts.js';
import { type MarbleHelpers, marbles } from '../../../lib/testing/index.js';

/** Downloads by their letters: the version up to which each goes, and its bytes. */
const downloads = { a: [1, 100], b: [2, 100], c: [3, 100], h: [4, limits.receiptBytesMax / 2] } as const;

/** The versions that are confirmed while these downloads are stored. */
const confirmed = (m: MarbleHelpers, stored: string) =>
  new Observable<number>((subscriber) => {
    const receipts = createReceipts(m.clock, (version) => subscriber.next(version));
    subscriber.add(
      m.cold(stored, downloads).subscribe(([version, bytes]) => {
        receipts.add(version, bytes);
      }),
    );
    subscriber.add(receipts.stop);
  });
const versions = { 1: 1, 2: 2, 3: 3, 4: 4 };

describe('the receipts of a session', () => {
  it(
    'confirm all downloads of a second at once, and none again',
    marbles((m) => {
      m.expectObservable(confirmed(m, '-a 500ms b'), '10s !').toBe('- 1000ms 2', versions);
      m.expectObservable(confirmed(m, '-a 1500ms b'), '10s !').toBe('- 1000ms 1 1500ms 2', versions);
    }),
  );

  it(
    'confirm at once when a quarter of the server’s window is stored, and then wait a second again',
    marbles((m) => {
      m.expectObservable(confirmed(m, '-h-h'), '10s !').toBe('---4', versions);
      m.expectObservable(confirmed(m, '-h-h-a'), '10s !').toBe('---4- 1000ms 1', versions);
    }),
  );

  it(
    'count at least a kilobyte for each download, so that small ones do not fill the window',
    marbles((m) => {
      const most = Math.ceil(limits.receiptBytesMax / (limits.downloadBytesMore + 100));
      m.expectObservable(confirmed(m, `(${'a'.repeat(most)})`), '10s !').toBe('1', versions);
    }),
  );

  it(
    'send nothing more after the conversation has ended',
    marbles((m) => {
      m.expectObservable(confirmed(m, '-a'), '-----!').toBe('');
    }),
  );
});
