import { setImmediate as turn } from 'node:timers/promises';
import { filter, firstValueFrom, lastValueFrom, map, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Storage } from '../lib/index.js';
import { clientWire, serverWire } from '../lib/protocol/wires.js';
import { createCore, type Core } from '../lib/server/core.js';
import { AccessRefusedError, type User } from '../lib/server/index.js';
import { checkedServerOptions } from '../lib/server/options.js';
import { encodeClient } from '../lib/protocol/codec.js';
import { bind, healthyRealm, oldRealm, upload } from './frames.js';
import { createLine } from './line.js';
import { inTime } from './patience.js';
import { schema, sessionOf } from './recorded.js';

const userOf = (token: string): User => {
  if (token === 'expired') throw new AccessRefusedError('token-expired', 'too old');
  if (token === 'banned') throw new AccessRefusedError('user-refused', 'banned');
  if (token === 'brief') return { id: 'writer-a', expiresAt: Date.now() + 3 };
  if (/^(?:writer|reader|nobody|healthy)/.test(token)) return { id: token };
  throw new AccessRefusedError('token-refused', 'not ours');
};

/** What a token is worth; some are only worth it later. */
const authenticate = (token: string) =>
  token.startsWith('later:') ? turn().then(() => userOf(token.slice('later:'.length))) : userOf(token);

const authorize = ({ id }: User, realm: string) => {
  if (realm === healthyRealm) return id === 'healthy' ? 'write' : 'none';
  if (realm === oldRealm) return id === 'healthy' ? 'write' : id.startsWith('nobody') ? 'none' : 'read';
  return id.startsWith('writer') ? 'write' : id.startsWith('reader') ? 'read' : 'none';
};

type Note = Readonly<Record<string, unknown>> | null;
const judged = (note: Note) => note?.['text'] !== 'bad' || 'that is bad';

export interface Served {
  readonly core: Core;
  readonly storage: Storage;
}

/** A server in which everything can happen; tells of what failed in it. */
export const served = (failed: (error: unknown) => void): Served => {
  const storage = memoryStorage();
  const core = createCore(
    checkedServerOptions({
      ...{ storage, authenticate, authorize },
      permit: (_, __, { after }) => (after?.['text'] === 'later' ? turn().then(() => judged(after)) : judged(after)),
      limits: { projectionLagBytesMax: 1_024, snapshotLeaseMs: 50, restartMs: 0, restartSpreadMs: 0 },
      log: (event) => event.event === 'failed' && failed(event.error),
    }),
  );
  return { core, storage };
};

/** Ends a server. */
export const closed = ({ core }: Served): Promise<unknown> =>
  inTime(
    lastValueFrom(core.closing$, { defaultValue: null }).then(() =>
      lastValueFrom(core.closed$, { defaultValue: null }),
    ),
    'the closing of a server',
  );

const oldChangesets = 1_200;

/** Gives the old realm its past. */
export const aged = async ({ core }: Served): Promise<void> => {
  const line = createLine(core.wire);
  line.say(encodeClient(bind({ realm: oldRealm, replica: 'ancestor', token: 'healthy' })));
  for (let version = 1; version <= oldChangesets; version += 1) {
    line.say(encodeClient(upload(version, `text ${version}`, `note ${version % 9}`)));
    if (version % 8 === 0) while (line.owed() !== null) await turn();
  }
  line.drop();
};

/** Two devices that go on writing and reading on a server, whatever else it is told. */
export interface Healthy {
  readonly write: () => Promise<void>;
  /** Waits until both have everything; how many objects that is. Rejects when they differ. */
  readonly converged: () => Promise<number>;
  readonly close: () => Promise<void>;
}

export const healthy = async ({ core }: Served): Promise<Healthy> => {
  const device = async () => {
    const dial = of(clientWire(serverWire(core.wire)));
    const client = createSyncClient({ dial, accessToken: () => of('healthy') });
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: healthyRealm } });
    await firstValueFrom(sessionOf(realm).connectionState$.pipe(filter((state) => state === 'connected')));
    return { client, realm };
  };
  const [writer, reader] = [await device(), await device()];
  let written = 0;
  const textsOf = ({ realm }: typeof writer): Promise<string> =>
    firstValueFrom(realm.objects$('Note').pipe(map((all) => JSON.stringify(all.map(({ id, text }) => [id, text])))));

  return {
    write: async () => {
      written += 1;
      const id = `note ${written % 50}`;
      await writer.realm.write((tx) => {
        if (tx.get('Note', id)) tx.update('Note', id, { text: `text ${written}` });
        else tx.create('Note', { id, text: `text ${written}`, done: false });
      });
    },
    converged: async () => {
      await inTime(firstValueFrom(sessionOf(writer.realm).uploadComplete$), 'the upload of a healthy device');
      await inTime(firstValueFrom(sessionOf(reader.realm).downloadComplete$), 'the download of a healthy device');
      const [one, other] = [await textsOf(writer), await textsOf(reader)];
      if (one !== other) throw new Error(`the healthy devices differ: ${one} and ${other}`);
      if (written > 0 && !one.includes(`text ${written}"`))
        throw new Error('what the healthy device wrote last is lost');
      return (JSON.parse(one) as unknown[]).length;
    },
    close: async () => {
      await writer.client.close();
      await reader.client.close();
    },
  };
};
