import { setImmediate as turn } from 'node:timers/promises';
import { filter, firstValueFrom, lastValueFrom, map, of } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm, type Storage } from '../lib/index.js';
import { clientWire, serverWire } from '../lib/protocol/message-wire.js';
import { createServerCore, type ServerCore } from '../lib/server/server-core.js';
import { TokenRejectedError, type User } from '../lib/server/index.js';
import { checkServerOptions } from '../lib/server/check-server-options.js';
import { encodeClient } from '../lib/protocol/codec.js';
import { createBind, healthyRealm, oldRealm, createUpload } from './frame-generator.js';
import { createCheckedConnection } from './checked-connection.js';
import { withTimeLimit } from './time-limit.js';
import { schema, sessionOf } from './recorded-messages.js';

const userOf = (token: string): User => {
  if (token === 'expired') throw new TokenRejectedError('token-expired', 'too old');
  if (token === 'banned') throw new TokenRejectedError('user-refused', 'banned');
  if (token === 'brief') return { id: 'writer-a', expiresAt: Date.now() + 3 };
  if (/^(?:writer|reader|nobody|healthy)/.test(token)) return { id: token };
  throw new TokenRejectedError('token-refused', 'not ours');
};

/** The user of a token. Some tokens are accepted only later. */
const authenticate = (token: string) =>
  token.startsWith('later:') ? turn().then(() => userOf(token.slice('later:'.length))) : userOf(token);

const authorize = ({ id }: User, realm: string) => {
  if (realm === healthyRealm) return id === 'healthy' ? 'write' : 'none';
  if (realm === oldRealm) return id === 'healthy' ? 'write' : id.startsWith('nobody') ? 'none' : 'read';
  return id.startsWith('writer') ? 'write' : id.startsWith('reader') ? 'read' : 'none';
};

type Note = Readonly<Record<string, unknown>> | null;
const checkNote = (note: Note) => note?.['text'] !== 'bad' || 'that is bad';

export interface FuzzServer {
  readonly core: ServerCore;
  readonly storage: Storage;
}

/** A server with all features. Reports its failures. */
export const createFuzzServer = (failed: (error: unknown) => void): FuzzServer => {
  const storage = memoryStorage();
  const core = createServerCore(
    checkServerOptions({
      ...{ storage, authenticate, authorize },
      permit: (_, __, { after }) =>
        after?.['text'] === 'later' ? turn().then(() => checkNote(after)) : checkNote(after),
      limits: { projectionLagBytesMax: 1_024, snapshotLeaseMs: 50, restartMs: 0, restartSpreadMs: 0 },
      log: (event) => event.event === 'failed' && failed(event.error),
    }),
  );
  return { core, storage };
};

/** Ends a server. */
export const closeFuzzServer = ({ core }: FuzzServer): Promise<unknown> =>
  withTimeLimit(
    lastValueFrom(core.closing$, { defaultValue: null }).then(() =>
      lastValueFrom(core.closed$, { defaultValue: null }),
    ),
    'the closing of a server',
  );

const oldChangesets = 1_200;

/** Gives the old realm its history. */
export const fillOldRealm = async ({ core }: FuzzServer): Promise<void> => {
  const connection = createCheckedConnection(core.wire);
  connection.send(encodeClient(createBind({ realm: oldRealm, replica: 'ancestor', token: 'healthy' })));
  for (let version = 1; version <= oldChangesets; version += 1) {
    connection.send(encodeClient(createUpload(version, `text ${version}`, `note ${version % 9}`)));
    if (version % 8 === 0) while (connection.missingAnswer() !== null) await turn();
  }
  connection.disconnect();
};

/** Two devices that keep writing and reading, whatever else the server receives. */
export interface HealthyDevices {
  readonly write: () => Promise<void>;
  /**
   * Waits until both devices have all changes. Resolves with the number of objects; rejects when the devices differ.
   */
  readonly checkConverged: () => Promise<number>;
  readonly close: () => Promise<void>;
}

export const startHealthyDevices = async ({ core }: FuzzServer): Promise<HealthyDevices> => {
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
    checkConverged: async () => {
      await withTimeLimit(firstValueFrom(sessionOf(writer.realm).uploadComplete$), 'the upload of a healthy device');
      await withTimeLimit(
        firstValueFrom(sessionOf(reader.realm).downloadComplete$),
        'the download of a healthy device',
      );
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
