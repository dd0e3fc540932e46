import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { encodeOperations } from '../lib/merge/operation-codec.js';
import { encodeValue } from '../lib/model/msgpack.js';
import { encodeClient } from '../lib/protocol/codec.js';
import { createBind } from './frame-generator.js';

export interface Target {
  readonly port: number;
  /** A token of a user with write access to every realm except the healthy one. */
  readonly token: string;
  /** Invalid tokens: one of an unknown key, and one with a wrong signature. */
  readonly forged: readonly string[];
}

/** Runs until its process ends. */
type Attack = (target: Target) => Promise<never>;

const MiB = 1024 * 1024;

/** A frame or body: these bytes, then an array of this many values of one byte. */
const createArrayFrame = (count: number, byte: number, ...before: readonly number[]): Uint8Array => {
  const bytes = new Uint8Array(before.length + 5 + count).fill(byte);
  bytes.set([...before, 0xdd]);
  new DataView(bytes.buffer).setUint32(before.length + 1, count);
  return bytes;
};

/** Several copies of some bytes, in one chunk. */
const repeatBytes = (bytes: Uint8Array, times: number): Buffer =>
  Buffer.concat(new Array<Uint8Array>(times).fill(bytes));

/** A WebSocket frame, masked with zeros. */
const createWebSocketFrame = (opcode: number, payload: Uint8Array, isLast = true): Buffer => {
  const { byteLength: length } = payload;
  const first = (isLast ? 0x80 : 0) | opcode;
  const head = Buffer.alloc(14);
  head[0] = first;
  if (length < 126) {
    head[1] = 0x80 | length;
    return Buffer.concat([head.subarray(0, 6), payload]);
  }
  head[1] = 0xff;
  head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
};

const upgrade = [
  ...['GET / HTTP/1.1', 'Host: localhost', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13'],
  ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Protocol: tidemark.1', '', ''],
].join('\r\n');

const runForever = async (act: () => Promise<unknown>): Promise<never> => {
  for (;;) {
    await act().catch(() => undefined);
    await pause(1);
  }
};
const runConcurrently = async (times: number, act: () => Promise<unknown>): Promise<never> => {
  await Promise.all(Array.from({ length: times }, () => runForever(act)));
  throw new Error('forever is over');
};

/**
 * A socket that sends these bytes after the handshake, again and again as fast as they are accepted, until the socket
 * is closed.
 */
const sendRepeatedly = (port: number, bytes: Uint8Array, times = Infinity): Promise<void> =>
  new Promise((resolve) => {
    const socket: Socket = connect(port, '127.0.0.1');
    let left = times;
    const pour = (): void => {
      while (left > 0 && !socket.destroyed) {
        left -= 1;
        if (!socket.write(bytes)) return;
      }
    };
    socket.on('error', () => undefined).on('close', () => resolve());
    socket
      .on('drain', pour)
      .once('data', pour)
      .on('data', () => undefined);
    socket.write(upgrade);
  });

/**
 * A socket of a user who has bound these realms. Resolves when the first realm is bound, and rejects when it is not.
 */
const bindRealms = async ({ port, token }: Target, realms: readonly string[]): Promise<WebSocket> => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1');
  socket.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve).once('close', () => reject(new Error('closed')));
  });
  const replica = `mallory-${Math.random()}`;
  realms.forEach((realm, at) =>
    socket.send(encodeClient(createBind({ session: at + 1, realm, replica, token: at === 0 ? token : null }))),
  );
  await new Promise<void>((resolve, reject) => {
    socket.once('message', () => resolve()).once('close', () => reject(new Error('closed')));
  });
  return socket;
};
const waitForClose = (socket: WebSocket): Promise<void> =>
  new Promise((resolve) => socket.once('close', () => resolve()));

const realmOf = (): string => `mallory-${Math.floor(Math.random() * 20)}`;

/** A user who uploads one body after the other, each in its own session, because a rejected body ends the session. */
const uploadRepeatedly =
  (
    body: (at: number) => Uint8Array,
    waitMs: number,
    stamp: { readonly time?: number; readonly count?: number } = {},
  ): Attack =>
  (target) =>
    runConcurrently(4, async () => {
      const socket = await bindRealms(target, [realmOf()]);
      const over = waitForClose(socket);
      for (let version = 1; version <= 3 && socket.readyState === socket.OPEN; version += 1) {
        const changeset = { version, time: 1, count: version, body: body(version), ...stamp };
        socket.send(encodeClient({ type: 'upload', session: 1, changesets: [changeset] }));
        await Promise.race([over, pause(waitMs)]);
      }
      socket.terminate();
      await over;
    });

const createNote = (values: Readonly<Record<string, unknown>>): Uint8Array => encodeValue([[1, 'Note', 'a', values]]);
const createList = (elements: number): Uint8Array => {
  const keys = Array.from({ length: elements }, (_, at) => `a0${String(at).padStart(6, '0')}1`);
  return encodeValue([[4, 'Note', 'a', 'tags', [['a0', 'mallory']], keys, new Array<number>(elements).fill(1)]]);
};
const memoize = <A>(make: () => A): (() => A) => {
  let made: { readonly value: A } | null = null;
  return () => (made ??= { value: make() }).value;
};

const bodies = {
  operations: memoize(() => {
    const operation = encodeValue([10, 'N', 1, 'p']);
    const count = Math.floor((7 * MiB - 5) / operation.length);
    const body = Buffer.concat([Buffer.from([0xdd, 0, 0, 0, 0]), repeatBytes(operation, count)]);
    body.writeUInt32BE(count, 1);
    return new Uint8Array(body);
  }),
  maps: memoize(() => createArrayFrame(7 * MiB - 100, 0x80, 0x91, 0x94, 1, 0xa1, 0x4e, 1, 0x81, 0xa1, 0x70)),
  fewerMaps: memoize(() => createArrayFrame(200_000, 0x80, 0x91, 0x94, 1, 0xa1, 0x4e, 1, 0x81, 0xa1, 0x70)),
  longList: memoize(() => createList(500_000)),
  fullList: memoize(() => createList(90_000)),
};

/** All attacks that have stalled such a server, by name. */
export const attacks: Readonly<Record<string, Attack>> = {
  'E1 strangers: frames of 8 MiB, millions of values behind the last field': ({ port }) =>
    runConcurrently(8, () =>
      sendRepeatedly(port, createWebSocketFrame(2, createArrayFrame(8 * MiB - 10, 0x80, 0x93, 8, 1)), 20),
    ),
  'E1 strangers: frames of 64 KiB full of values': ({ port }) =>
    runConcurrently(50, () => sendRepeatedly(port, createWebSocketFrame(2, createArrayFrame(65_000, 0x90, 0x92, 8)))),
  'E1 strangers: a thousand frames of 64 KiB that never end': ({ port }) =>
    runConcurrently(1_000, () =>
      sendRepeatedly(port, createWebSocketFrame(2, new Uint8Array(65_536)).subarray(0, 65_000), 1),
    ),
  'E1 a user: frames of 8 MiB full of values': (target) =>
    runConcurrently(8, async () => {
      const socket = await bindRealms(target, [realmOf()]);
      const over = waitForClose(socket);
      socket.send(createArrayFrame(8 * MiB - 10, 0x80, 0x93, 8, 1));
      await over;
    }),
  'E1 a user: frames with as many values as may be': (target) =>
    runConcurrently(4, async () => {
      const socket = await bindRealms(target, [realmOf()]);
      const over = waitForClose(socket);
      while (socket.readyState === socket.OPEN) {
        socket.send(createArrayFrame(249_000, 0x80, 0x93, 8, 1));
        await pause(5);
      }
      await over;
    }),
  'E6 strangers: pings': ({ port }) =>
    runConcurrently(300, () =>
      sendRepeatedly(port, repeatBytes(createWebSocketFrame(2, encodeClient({ type: 'ping', sentAt: 1 })), 5_000)),
    ),
  'E6 strangers: pings of the WebSocket': ({ port }) =>
    runConcurrently(300, () => sendRepeatedly(port, repeatBytes(createWebSocketFrame(9, new Uint8Array(0)), 10_000))),
  'E6 strangers: a message in millions of pieces': ({ port }) =>
    runConcurrently(300, () =>
      sendRepeatedly(
        port,
        Buffer.concat([
          createWebSocketFrame(2, new Uint8Array(1), false),
          repeatBytes(createWebSocketFrame(0, new Uint8Array(0), false), 10_000),
        ]),
      ),
    ),
  'E6 strangers: binds': ({ port, forged }) =>
    runConcurrently(100, () =>
      sendRepeatedly(
        port,
        Buffer.concat(
          Array.from({ length: 300 }, (_, at) =>
            createWebSocketFrame(
              2,
              encodeClient(
                createBind({
                  session: at + 1,
                  realm: 'healthy',
                  replica: 'm',
                  token: forged[at % forged.length] ?? '',
                }),
              ),
            ),
          ),
        ),
      ),
    ),
  'E6 a user: pings on twenty sockets': (target) =>
    runConcurrently(20, async () => {
      const socket = await bindRealms(target, [realmOf()]);
      const over = waitForClose(socket);
      const ping = encodeClient({ type: 'ping', sentAt: 1 });
      while (socket.readyState === socket.OPEN) {
        for (let times = 0; times < 500; times += 1) socket.send(ping);
        await pause(5);
      }
      await over;
    }),
  'E7 strangers: tokens of unknown keys, and forged ones': ({ port, forged }) =>
    runConcurrently(30, () =>
      sendRepeatedly(
        port,
        createWebSocketFrame(
          2,
          encodeClient(
            createBind({
              realm: 'healthy',
              replica: 'm',
              token: forged[Math.floor(Math.random() * forged.length)] ?? '',
            }),
          ),
        ),
        1,
      ),
    ),
  'E2 a writer: changesets of millions of operations': uploadRepeatedly(bodies.operations, 1_000),
  'E2 a writer: a value of millions of empty records': uploadRepeatedly(bodies.maps, 1_000),
  'E2 a writer: values of as many empty records as may be': uploadRepeatedly(bodies.fewerMaps, 200),
  'E3 a writer: lists of half a million elements': uploadRepeatedly(bodies.longList, 1_000),
  'E3 a writer: lists as long as they may be, again and again': uploadRepeatedly(bodies.fullList, 200),
  'E4 a writer: what is no number': uploadRepeatedly(
    () => createNote({ text: Number.NaN, more: [Infinity, -Infinity] }),
    50,
  ),
  'E5 a user: a thousand realms': (target) =>
    runConcurrently(2, async () => {
      const socket = await bindRealms(
        target,
        Array.from({ length: 999 }, (_, at) => `mallory-${at}`),
      );
      await Promise.race([waitForClose(socket), pause(2_000)]);
      socket.terminate();
    }),
  'E8 a writer: stamps at their bounds': uploadRepeatedly(
    (version) => encodeOperations([{ kind: 'update', type: 'Note', key: version, values: { text: 'x' } }]),
    50,
    { count: 2 ** 53 - 1 },
  ),
  'E9 a user: reports of faults': (target) =>
    runConcurrently(10, async () => {
      const socket = await bindRealms(target, [realmOf()]);
      const over = waitForClose(socket);
      for (let version = 1; socket.readyState === socket.OPEN; version += 1) {
        socket.send(encodeValue([7, 1, version, 'no-such-kind']));
        if (version % 100 === 0) await pause(1);
      }
      await over;
    }),
};
