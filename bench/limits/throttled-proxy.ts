import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** A TCP proxy that counts bytes, and may limit the bytes per second of each direction. */
export interface ThrottledProxy {
  readonly port: number;
  /** Bytes of the clients, and of the server, that the proxy has passed on since its start. */
  readonly bytes: () => { readonly up: number; readonly down: number };
  /** Ends all connections. */
  readonly close: () => void;
}

/** Starts a proxy in front of a local server. With `Infinity` bytes per second it only counts. */
export const startThrottledProxy = async (serverPort: number, bytesPerSecond: number): Promise<ThrottledProxy> => {
  const sockets = new Set<Socket>();
  let [up, down] = [0, 0];

  const pass = async (from: Socket, to: Socket, count: (bytes: number) => void): Promise<void> => {
    let freeAt = 0;
    for await (const chunk of from as AsyncIterable<Buffer>) {
      freeAt = Math.max(freeAt, performance.now()) + (chunk.byteLength * 1_000) / bytesPerSecond;
      const waitMs = freeAt - performance.now();
      if (waitMs >= 1) await sleep(waitMs); // Timers of Node have no shorter time.
      count(chunk.byteLength);
      if (!to.write(chunk)) await once(to, 'drain');
    }
    to.end();
  };

  const server = createServer((client) => {
    const upstream = connect(serverPort, '127.0.0.1');
    const end = (): void => {
      client.destroy();
      upstream.destroy();
      sockets.delete(client);
      sockets.delete(upstream);
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.setNoDelay(true).on('error', end).on('close', end);
    }
    pass(client, upstream, (bytes) => (up += bytes)).catch(end);
    pass(upstream, client, (bytes) => (down += bytes)).catch(end);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => ({ up, down }),
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
};
