import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/**
 * A network between real sockets with faults that a spec triggers. It works on TCP, so that it does not know frames and
 * cuts them anywhere.
 */
export interface TcpProxy {
  readonly port: number;
  /** Returns the number of connections that the proxy has accepted. */
  readonly taken: () => number;
  /** Breaks all connections, with RST to both sides. */
  readonly cut: () => void;
  /**
   * Breaks all connections as soon as this many more bytes have come from the clients, also in the middle of a frame.
   */
  readonly cutAfter: (bytes: number) => void;
  /** Stops passing data on the open connections, in both directions, without notifying either side. */
  readonly stop: () => void;
  /** Sets whether new connections are broken at once. */
  readonly setRejecting: (isRejecting: boolean) => void;
  /** Ends everything. Resolves when nothing is open. */
  readonly close: () => Promise<void>;
}

interface Pair {
  readonly ends: readonly [Socket, Socket];
  isStopped: boolean;
}

/** Opens a port in front of another port of this machine. */
export const startProxy = async (target: number): Promise<TcpProxy> => {
  const pairs = new Set<Pair>();
  let [taken, left, isRejecting] = [0, Infinity, false];
  const broken = (pair: Pair): void => {
    pairs.delete(pair);
    for (const end of pair.ends) end.resetAndDestroy();
  };
  const cut = (): void => pairs.forEach(broken);

  const server = createServer((caller) => {
    caller.on('error', () => undefined);
    if (isRejecting) {
      caller.resetAndDestroy();
      return;
    }
    taken += 1;
    const called = connect(target, '127.0.0.1');
    const pair: Pair = { ends: [caller, called], isStopped: false };
    pairs.add(pair);
    const passes = (from: Socket, to: Socket, count: (bytes: number) => number): void => {
      from.on('error', () => undefined);
      from.on('data', (bytes: Buffer) => {
        if (pair.isStopped || !pairs.has(pair)) return;
        const passed = count(bytes.byteLength);
        if (passed === bytes.byteLength) {
          if (!to.write(bytes)) from.pause();
          return;
        }
        to.write(bytes.subarray(0, passed), cut);
      });
      to.on('drain', () => from.resume());
      from.on('close', () => {
        if (pair.isStopped) return;
        pairs.delete(pair);
        to.end();
      });
    };
    passes(caller, called, (bytes) => {
      const passed = Math.min(bytes, left);
      left -= passed;
      if (left > 0) return passed;
      left = Infinity;
      return passed < bytes ? passed : bytes - 1;
    });
    passes(called, caller, (bytes) => bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    port: (server.address() as AddressInfo).port,
    taken: () => taken,
    cut,
    cutAfter: (bytes) => {
      left = bytes;
    },
    stop: () => pairs.forEach((pair) => (pair.isStopped = true)),
    setRejecting: (does) => {
      isRejecting = does;
    },
    close: async () => {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
};
