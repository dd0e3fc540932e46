import { systemClock } from '../../../lib/clock.js';
import { createSyncServer } from '../../../lib/server/index.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { connectRawClient } from '../raw-client.js';
import { createBind } from '../test-kit.js';

describe('a server whose clock is put back by a year', () => {
  it('field report B-11: still closes a socket that sends no more messages', async () => {
    let back = 0;
    const server = createSyncServer({
      storage: memoryStorage(),
      limits: { silenceMsMax: 300 },
      clock: { ...systemClock, now: () => systemClock.now() - back },
    });
    const { port } = await server.listen({ port: 0 });
    const client = await connectRawClient(port);
    client.sendMessage(createBind());
    await client.until(({ type }) => type === 'bound');
    back = 365 * 24 * 60 * 60 * 1_000;
    expect(await client.closed).toBe(4408);
    await server.close();
  });
});
