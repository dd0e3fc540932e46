import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defaultIfEmpty, firstValueFrom, lastValueFrom, type Observable, tap, toArray } from 'rxjs';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { isLeft } from '../../lib/model/result.js';
import type { Changeset, ServerChangeset } from '../../lib/model/changeset.js';
import { touchesOf } from '../../lib/server/history/touches.js';
import { openHistory } from '../../lib/server/history/storage-history.js';
import { levelStorage } from '../../lib/storage/level.js';
import { readLogPages } from '../../lib/log/read-log-pages.js';
import type { History } from '../../lib/server/history/history.js';
import { createSeededRandom, type SeededRandom } from '../../fuzz/seeded-random.js';
import { useBuiltLibrary, startServerProcess, type ServerProcess } from './server-process.js';
import { connectRawClient } from './raw-client.js';
import { createBind } from './test-kit.js';

/** `KILLS=200 npm run test:system -- spec/server/crash` runs longer, and `SEED=…` chooses other moments. */
const kills = Number(process.env['KILLS'] ?? 20);
const seed = Number(process.env['SEED'] ?? 2026);
const writersMany = 4;
const pagesInFlight = 8;

/** Each changeset has an object of its own, so that a snapshot is never smaller. */
const written = (replica: string, version: number): Changeset => ({
  version,
  time: 0,
  count: version,
  body: encodeOperations([
    { kind: 'create', type: 'Note', key: `${replica} ${version}`, values: { text: `${replica} ${version}` } },
  ]),
});

const textOf = ({ body }: ServerChangeset): unknown => {
  const operations = decodeOperations(body);
  if (isLeft(operations)) return operations.left;
  const [first] = operations.right;
  return first?.kind === 'create' ? first.values['text'] : undefined;
};

/** The knowledge of one replica across all processes of the server. */
interface Replica {
  readonly replica: string;
  history: string | null;
  /** Changesets of its own that the server acknowledged as durable. */
  acknowledged: number;
  /** Changesets of other replicas, in the order of their arrival. */
  readonly arrived: ServerChangeset[];
  downloaded: number;
}

const fresh = (replica: string): Replica => ({ replica, history: null, acknowledged: 0, arrived: [], downloaded: 0 });

/** Syncs until the connection breaks: receives messages, and uploads as fast as the window allows when it writes. */
const synced = async (
  self: Replica,
  port: number,
  chance: SeededRandom | null,
  onAccepted: () => void,
): Promise<void> => {
  const client = await connectRawClient(port);
  const { replica, history, acknowledged, downloaded } = self;
  const inFlight: number[] = [];
  let next = 0;
  const fill = (): void => {
    while (chance !== null && inFlight.length < pagesInFlight) {
      const length = 1 + chance.below(3);
      const changesets = Array.from({ length }, (_, index) => written(replica, next + index));
      client.sendMessage({ type: 'upload', session: 1, changesets });
      next += length;
      inFlight.push(next - 1);
    }
  };
  client.onMessage((message) => {
    if (message.type === 'accepted') {
      self.acknowledged = message.version;
      while (inFlight[0] !== undefined && inFlight[0] <= message.version) inFlight.shift();
      fill();
      onAccepted();
    }
    if (message.type === 'bound') {
      self.history = message.history;
      next = message.accepted + 1;
      fill();
    }
    if (message.type === 'download') {
      self.arrived.push(...message.changesets);
      self.downloaded = message.upTo;
      client.sendMessage({ type: 'received', session: 1, version: message.upTo });
    }
  });
  client.sendMessage(createBind({ replica, history, acknowledged, downloadedTo: downloaded }));
  await client.closed;
  expect(client.received.filter(({ type }) => type === 'error')).toEqual([]);
  const bound = client.received.find(({ type }) => type === 'bound');
  if (bound?.type !== 'bound') return;
  expect(bound.accepted).toBeGreaterThanOrEqual(acknowledged);
  expect(bound.head).toBeGreaterThanOrEqual(downloaded); // No replica ever received a changeset that was not durable.
};

/** Downloads everything up to the head. */
const caughtUp = async (self: Replica, port: number): Promise<void> => {
  const client = await connectRawClient(port);
  const { replica, history, acknowledged, downloaded } = self;
  client.onMessage((message) => {
    if (message.type !== 'download') return;
    self.arrived.push(...message.changesets);
    client.sendMessage({ type: 'received', session: 1, version: message.upTo });
  });
  client.sendMessage(createBind({ replica, history, acknowledged, downloadedTo: downloaded }));
  await client.until(({ type }) => type === 'bound');
  client.sendMessage({ type: 'mark', session: 1, request: 1 });
  await client.until(({ type }) => type === 'mark');
  client.disconnect();
};

/** Runs one server process, and kills it after a number of acknowledgements or a moment later. */
const life = async (server: ServerProcess, chance: SeededRandom, replicas: readonly Replica[]): Promise<void> => {
  let left = 1 + chance.below(150);
  const delay = chance.isLikely(0.5) ? chance.below(8) : 0;
  const countAccepted = (): void => {
    left -= 1;
    if (left !== 0) return;
    if (delay > 0) setTimeout(() => void server.kill(), delay);
    else void server.kill();
  };
  await Promise.all(
    replicas.map((self) => synced(self, server.port, self.replica.startsWith('writer') ? chance : null, countAccepted)),
  );
  await server.kill();
};

/** Opens the history of the realm while no server runs. */
const withHistory = async (folder: string, work: (history: History) => Observable<unknown>): Promise<unknown> => {
  const storage = await firstValueFrom(levelStorage(folder));
  const history = await firstValueFrom(openHistory(storage, 'team', { random: Math.random }));
  const result = await lastValueFrom(work(history).pipe(defaultIfEmpty(null)));
  await lastValueFrom(storage.close(), { defaultValue: null });
  return result;
};

/** Checks that each changeset of a history has the values of its object before and after it. */
const checkTouches = async (folder: string, versions: number): Promise<void> => {
  await withHistory(folder, ({ log, watchedProperties }) => {
    expect(watchedProperties.types.get('Note')).toMatchObject({ since: 0, properties: [{ name: 'text', since: 0 }] });
    return readLogPages(log.floor, (after) => log.page(after)).pipe(
      toArray(),
      tap((pages) => {
        const records = pages.flatMap(({ entries }) => entries);
        expect(records.length).toBe(versions);
        for (const record of records)
          expect(touchesOf(record)?.map(({ change }) => change)).toEqual([{ before: null, after: [textOf(record)] }]);
      }),
    );
  });
};

describe(`a server that is killed ${kills} times while ${writersMany} clients upload and one reads`, () => {
  const code = useBuiltLibrary();
  let storage: string;
  beforeAll(() => {
    storage = mkdtempSync(join(tmpdir(), 'tidemark-crash-'));
  });
  afterAll(() => {
    rmSync(storage, { recursive: true, force: true });
  });

  it(
    `has everything it acknowledged, once and in order, and nothing that was not written, with all watched values, and all of it reaches all devices (seed ${seed})`,
    async () => {
      const chance = createSeededRandom(seed);
      const writers = Array.from({ length: writersMany }, (_, index) => fresh(`writer-${index}`));
      const reader = fresh('reader');
      const replicas = [...writers, reader];
      await withHistory(storage, (history) => history.watchedProperties.watch('Note', ['text'], 0));
      for (let kill = 0; kill < kills; kill += 1) await life(await startServerProcess(code, storage), chance, replicas);

      const server = await startServerProcess(code, storage);
      const whole = fresh('whole');
      for (const self of [whole, ...replicas]) await caughtUp(self, server.port);
      await server.kill();
      const history = whole.arrived;
      await checkTouches(storage, history.length);
      expect(history.map(({ version }) => version)).toEqual(history.map((_, index) => index + 1));
      for (const { replica, acknowledged } of writers) {
        const own = history.filter(({ origin }) => origin === replica).map(textOf);
        expect(acknowledged).toBeGreaterThan(kills);
        expect(own.length).toBeGreaterThanOrEqual(acknowledged);
        expect(own).toEqual(own.map((_, index) => `${replica} ${index + 1}`));
      }
      for (const { replica, arrived } of replicas) {
        const others = history.filter(({ origin }) => origin !== replica).map(({ version }) => version);
        expect(arrived.map(({ version }) => version)).toEqual(others);
      }
    },
    60_000 + kills * 10_000,
  );
});
