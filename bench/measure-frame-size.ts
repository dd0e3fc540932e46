import { firstValueFrom } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm } from 'tidemark';
import { allowAnyone, createSyncServer } from 'tidemark/server';
import { WebSocket } from 'ws';
import { item, schema, sessionOf } from './tidemark-side.js';
import type { Role } from './processes.js';

/** Frames of at least this many bytes are pages; all other frames of a short upload are far smaller. */
const pageBytesLeast = 10_000;

/** Measures the frames of this library: uploads some items over a socket. */
export const measureFrameSize: Role = async () => {
  const frames: number[] = [];
  const Weighing = class extends WebSocket {
    override send(data: Parameters<WebSocket['send']>[0]): void {
      frames.push((data as Uint8Array).byteLength);
      super.send(data);
    }
  };
  const server = createSyncServer({ storage: memoryStorage(), authenticate: allowAnyone, authorize: () => 'write' });
  const { port } = await server.listen({ port: 0, host: '127.0.0.1' });
  const client = createSyncClient({ url: `ws://127.0.0.1:${port}`, WebSocket: Weighing });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'bench' } });
  const session = sessionOf(realm);
  return {
    /** Bytes of a changeset in a frame, and the number of changesets in a page. */
    weigh: async (total = 0) => {
      session.pause();
      for (let index = 0; index < total; index++) await realm.write((tx) => tx.create('Item', item(index)));
      session.resume();
      await firstValueFrom(session.uploadComplete$);
      const pages = frames.filter((bytes) => bytes >= pageBytesLeast);
      const bytes = Math.round(pages.reduce((sum, page) => sum + page, 0) / total);
      return [bytes, Math.round(Math.max(...pages) / bytes)];
    },
    end: async () => {
      await client.close();
      await server.close();
      return 0;
    },
  };
};
