/* The server of the demo, in its own process: `tidemark/server` on LevelDB. */
import { allowAnyone, createSyncServer } from 'tidemark/server';

const { storage, port } = JSON.parse(process.argv[2] ?? '{}') as { storage: string; port: number };
const server = createSyncServer({ storage, authenticate: allowAnyone, authorize: () => 'write' });
const { port: openPort } = await server.listen({ port, host: '127.0.0.1' });

process.on('message', () => {
  void server.close().then(() => process.disconnect());
});
process.send?.({ kind: 'ready', port: openPort });
process.on('disconnect', () => process.exit(0)); // Also when the demo itself is killed.
