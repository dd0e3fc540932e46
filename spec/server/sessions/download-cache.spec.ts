import { firstValueFrom, from, toArray } from 'rxjs';
import type { Download } from '../../../lib/protocol/messages.js';
import { serverWire } from '../../../lib/protocol/message-wire.js';
import { createDownloadCache } from '../../../lib/server/sessions/download-cache.js';

const changeset = (version: number) => ({ version, origin: 'a', time: 1, count: 0, body: Uint8Array.of(version) });
const entries = [changeset(1), changeset(2)];
const page = (more: Partial<Download> = {}): Download => ({
  ...{ type: 'download', session: 1, changesets: [...entries], upTo: 2, remaining: 0, bytes: 66, remainingBytes: 0 },
  ...more,
});

describe('a download to many sessions', () => {
  it('is one message for all sessions that need the same', () => {
    const { reuse } = createDownloadCache();
    const first = reuse(page());
    expect(reuse(page())).toBe(first);
    for (const other of [{ session: 2 }, { upTo: 3 }, { remaining: 1 }, { bytes: 67 }, { remainingBytes: 1 }]) {
      expect(reuse(page(other))).toEqual(page(other));
    }
    const others = page({ changesets: [changeset(1), changeset(2)] });
    expect(reuse(others)).toBe(others); // The page has the same length but other changesets.
    expect(reuse(page({ changesets: [entries[0]!] }))).toEqual(page({ changesets: [entries[0]!] }));
    expect(reuse(page())).toBe(first);
  });

  it('is remembered for a moment and no longer', () => {
    const { reuse: shared } = createDownloadCache();
    const first = shared(page());
    for (let session = 2; session < 10; session += 1) shared(page({ session }));
    expect(shared(page())).not.toBe(first);
  });

  it('is encoded once, and a different message is encoded again', async () => {
    const message = page();
    const wire = serverWire(() => from([message, message, page()]));
    const [one, two, three] = await firstValueFrom(wire(from([])).pipe(toArray()));
    expect(two).toBe(one);
    expect(three).not.toBe(one);
    expect(three).toEqual(one);
  });
});
