import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeOperations } from '../../lib/merge/body.js';
import { isLeft } from '../../lib/model/result.js';
import type { ServerChangeset } from '../../lib/model/changeset.js';
import { built, serverProcess, type Built } from './process.js';
import { rawClient } from './raw.js';
import { bind, changeset } from './support.js';

const kills = 10;
const pagesInFlight = 8;

/** The same kills in every run: a small generator of numbers (mulberry32). */
const drawing = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

/** What one replica knows for sure, across all lives of the server. */
interface Writer {
  readonly replica: string;
  history: string | null;
  acknowledged: number;
}

/** Uploads, as fast as the window lets it, until the line breaks. Tells of every acknowledgement. */
const upload = async (writer: Writer, port: number, random: () => number, told: () => void): Promise<void> => {
  const client = await rawClient(port);
  const { replica, history, acknowledged } = writer;
  const inFlight: number[] = [];
  let next = 0;
  const fill = (): void => {
    while (inFlight.length < pagesInFlight) {
      const length = 1 + Math.floor(random() * 3);
      const changesets = Array.from({ length }, (_, index) => changeset(next + index, `${replica} ${next + index}`));
      client.say({ type: 'upload', session: 1, changesets });
      next += length;
      inFlight.push(next - 1);
    }
  };
  client.hear((message) => {
    if (message.type === 'accepted') {
      writer.acknowledged = message.version;
      while (inFlight[0] !== undefined && inFlight[0] <= message.version) inFlight.shift();
      fill();
      told();
    }
    if (message.type === 'bound') {
      writer.history = message.history;
      next = message.accepted + 1;
      fill();
    }
    if (message.type === 'download') client.say({ type: 'received', session: 1, version: message.upTo });
  });
  client.say(bind({ replica, history, acknowledged }));
  await client.closed;
  expect(client.heard.filter(({ type }) => type === 'error')).toEqual([]);
  const bound = client.heard.find(({ type }) => type === 'bound');
  if (bound?.type === 'bound') expect(bound.accepted).toBeGreaterThanOrEqual(acknowledged);
};

/** Everything in the history, as it is downloaded by somebody who has nothing. */
const historyOn = async (port: number): Promise<readonly ServerChangeset[]> => {
  const client = await rawClient(port);
  const all: ServerChangeset[] = [];
  client.hear((message) => {
    if (message.type !== 'download') return;
    all.push(...message.changesets);
    client.say({ type: 'received', session: 1, version: message.upTo });
  });
  client.say(bind({ replica: 'reader' }));
  await client.until(({ type }) => type === 'bound');
  client.say({ type: 'mark', session: 1, request: 1 });
  await client.until(({ type }) => type === 'mark');
  client.drop();
  return all;
};

const textOf = ({ body }: ServerChangeset): unknown => {
  const operations = decodeOperations(body);
  if (isLeft(operations)) return operations.left;
  const [first] = operations.right;
  return first?.kind === 'update' ? first.values['text'] : undefined;
};

describe('a server that is killed again and again while two clients upload', () => {
  let code: Built;
  let storage: string;
  beforeAll(() => {
    code = built();
    storage = mkdtempSync(join(tmpdir(), 'tidemark-crash-'));
  });
  afterAll(() => {
    code.remove();
    rmSync(storage, { recursive: true, force: true });
  });

  it('has everything it acknowledged, once and in order, and nothing that was not written', async () => {
    const random = drawing(2026);
    const writers: readonly Writer[] = ['a', 'b'].map((replica) => ({ replica, history: null, acknowledged: 0 }));
    for (let kill = 0; kill < kills; kill += 1) {
      const server = await serverProcess(code, storage);
      let left = Math.floor(random() * 200);
      const told = (): void => {
        left -= 1;
        if (left < 0) void server.kill();
      };
      await Promise.all(writers.map((writer) => upload(writer, server.port, random, told)));
      await server.kill();
    }

    const server = await serverProcess(code, storage);
    const history = await historyOn(server.port);
    await server.kill();
    expect(history.map(({ version }) => version)).toEqual(history.map((_, index) => index + 1));
    for (const { replica, acknowledged } of writers) {
      const own = history.filter(({ origin }) => origin === replica).map(textOf);
      expect(acknowledged).toBeGreaterThan(kills);
      expect(own.length).toBeGreaterThanOrEqual(acknowledged);
      expect(own).toEqual(own.map((_, index) => `${replica} ${index + 1}`));
    }
  }, 60_000);
});
