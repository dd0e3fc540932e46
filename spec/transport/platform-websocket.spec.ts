import { firstValueFrom, lastValueFrom, type Observable } from 'rxjs';
import { loadWebSocket } from '../../lib/transport/platform-websocket.js';
import type { WebSocketConstructor } from '../../lib/transport/socket.js';
import { ConnectionError } from '../../lib/transport/wire.js';

/** Runs a call with other globals, which are restored before the call continues asynchronously. Returns its promise. */
const withGlobals = <A>(globals: Readonly<Record<string, unknown>>, call: () => Promise<A>): Promise<A> => {
  const before = Object.keys(globals).map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);
  try {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    return call();
  } finally {
    for (const [name, descriptor] of before) {
      Reflect.deleteProperty(globalThis, name);
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    }
  }
};

const loaded = (globals: Readonly<Record<string, unknown>>): Promise<WebSocketConstructor> =>
  withGlobals(globals, () => firstValueFrom(loadWebSocket(1_000)));

const failureOf = (call$: Observable<unknown>): Promise<unknown> =>
  lastValueFrom(call$).catch((thrown: unknown) => (thrown instanceof ConnectionError ? thrown.failure : thrown));

const Own = function () {
  throw new Error('this constructor is not called');
} as unknown as WebSocketConstructor;

// Values that bundlers substitute for `process` in browsers, besides none.
const processes: readonly (readonly [string, unknown])[] = [
  ['none', undefined],
  ['an empty one', {}],
  ['one with an environment', { env: {} }],
  ['one with no versions', { versions: {} }],
];

describe('the WebSocket of a platform', () => {
  it('is ws in Node, also where Node has its own, which has no option for the largest frame', async () => {
    const { WebSocket } = await import('ws');
    expect((await loaded({ WebSocket: Own })).prototype).toBeInstanceOf(WebSocket);
  });

  it.each(processes)("is the platform's own where process is %s", async (_, process) => {
    expect(await loaded({ process, WebSocket: Own })).toBe(Own);
  });

  it.each(processes)(
    'is unreachable with an explanation where the platform has none and process is %s',
    async (_, process) => {
      const none = { process, WebSocket: undefined };
      expect(await withGlobals(none, () => failureOf(loadWebSocket(1_000)))).toEqual({
        kind: 'unreachable',
        detail: 'this platform has no WebSocket: install "ws", or use the option WebSocket',
      });
    },
  );
});
