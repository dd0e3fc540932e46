import { filter, firstValueFrom, of, tap } from 'rxjs';
import {
  createSyncClient,
  isSome,
  memoryStorage,
  openRealm,
  type ClientMessage,
  type Realm,
  type ServerMessage,
  type Wire,
} from '../lib/index.js';
import { encodeServer } from '../lib/protocol/codec.js';
import type { Bind } from '../lib/protocol/messages.js';
import { createSyncServer } from '../lib/server/index.js';
import { withTimeLimit } from './time-limit.js';

export const schema = {
  Note: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      text: 'string',
      done: 'bool',
      more: 'mixed',
      tags: 'string[]',
      words: 'string<>',
      extra: 'int{}',
      count: 'counter',
    },
  },
} as const;
export type Notes = Realm<typeof schema>;

/** Messages of a real conversation, and rare messages. */
export interface Recording {
  readonly client: readonly ClientMessage[];
  /** Frames in the other direction. */
  readonly server: readonly Uint8Array[];
}

const recordWire =
  (wire: Wire<ClientMessage, ServerMessage>, sent: ClientMessage[], received: ServerMessage[]) =>
  (sent$: Parameters<typeof wire>[0]) =>
    wire(sent$.pipe(tap((message) => sent.push(message)))).pipe(tap((message) => received.push(message)));

export const sessionOf = ({ syncSession }: Notes) => {
  if (!isSome(syncSession)) throw new Error('no session');
  return syncSession.value;
};

/** All operations on an object, each in its own transaction. */
const editObject = async (realm: Notes, id: string): Promise<void> => {
  await realm.write((tx) => tx.create('Note', { id, text: 'first', done: false }));
  await realm.write((tx) => tx.update('Note', id, { text: 'sécond', more: { a: [1, null, 'x'], b: 0.5 } }));
  await realm.write((tx) => tx.list('Note', id, 'tags').push('a', 'b', 'c'));
  await realm.write((tx) => tx.list('Note', id, 'tags').move(2, 0));
  await realm.write((tx) => tx.list('Note', id, 'tags').set(1, 'replaced'));
  await realm.write((tx) => tx.list('Note', id, 'tags').remove(0));
  await realm.write((tx) => tx.set('Note', id, 'words').add('one', 'two'));
  await realm.write((tx) => tx.set('Note', id, 'words').remove('one'));
  await realm.write((tx) => tx.dictionary('Note', id, 'extra').set('key', 7));
  await realm.write((tx) => tx.dictionary('Note', id, 'extra').clear());
  await realm.write((tx) => tx.increment('Note', id, 'count', 3));
  await realm.write((tx) => tx.create('Note', { id: `${id}-2`, text: 'good', done: true }));
  await realm.write((tx) => tx.delete('Note', `${id}-2`));
  await realm.write((tx) => tx.create('Note', { id: `${id}-3`, text: 'bad', done: true }));
};

const rareBind: Bind = {
  ...{ type: 'bind', session: 1, realm: 'a', replica: 'r', token: 'writer-a', history: null },
  ...{ downloadedTo: 0, acknowledged: 0, includeOwn: true, runs: [{ id: 'run', lastVersion: 0 }] },
};

/** Filters of a view. The wire carries any value as a filter. */
const filters = [
  { id: 1, type: 'Note', filter: ['in', 'text', 'first', 'sécond'] },
  { id: 2, type: 'Note', filter: ['and', ['gt', 'text', 'a'], ['not', ['in', 'done', true]]] },
  { id: 3, type: 'Note', filter: 'no filter' },
];

/** Hand-made messages of types that a short conversation does not have. */
const rareClientMessages: readonly ClientMessage[] = [
  { type: 'token', token: 'writer-a' },
  { type: 'token', token: 'banned' },
  { type: 'fault', session: 1, version: 1, code: 'unreadable' },
  { type: 'withdraw', session: 1, version: 1, code: 'too-large', objects: [{ type: 'Note', key: 'a' }] },
  { type: 'ping', sentAt: 1_763_884_800_123.5 },
  { type: 'fetch', session: 1, version: 1_200, after: null },
  { type: 'fetch', session: 1, version: 1_200, after: { type: 'Note', key: 'a' } },
  { type: 'fetch', session: 1, version: 1_200, after: { type: 'Note', key: 7 } },
  { type: 'unbind', session: 1 },
  { type: 'received', session: 1, version: 3 },
  { type: 'mark', session: 1, request: 1 },
  { type: 'subscribe', session: 1, number: 1, filters },
  { type: 'subscribe', session: 1, number: 2, filters: [] },
  { type: 'next', session: 1, number: 1, position: null },
  { type: 'next', session: 1, number: 1, position: 'a position' },
  rareBind,
  { ...rareBind, view: { number: null, filters: [], scope: null } },
  { ...rareBind, view: { number: 1, filters, scope: 'a scope' } },
];
const rareServerMessages: readonly ServerMessage[] = [
  { type: 'error', session: 1, code: 'internal', text: 'a text', retry: { after: 7 } },
  {
    type: 'refused',
    session: 1,
    version: 2,
    writes: [{ type: 'Note', key: 'a', reason: 'no' }],
    serverStates: [],
    code: 'not-permitted',
  },
  { type: 'copied', session: 1, version: 4 },
  { type: 'snapshot', session: 1, version: 3, objects: [], remaining: 0, bytes: 9 },
  {
    ...{ type: 'view', session: 1, number: 1, version: 3, scope: null, mode: 'difference', objects: 1 },
    rejections: [{ id: 3, code: 'bad-filter', text: 'no filter' }],
  },
  {
    ...{ type: 'members', session: 1, number: 1, objects: [], leaves: [{ type: 'Note', key: 'a' }] },
    ...{ position: null, upTo: 3, remaining: 0, bytes: 9 },
  },
  {
    ...{ type: 'parts', session: 1, changesets: [], states: [], leaves: [{ type: 'Note', key: 'a' }] },
    ...{ upTo: 4, remaining: 0, bytes: 9, remainingBytes: 0 },
  },
];

/** Plays a conversation of two devices with a server and records the messages. */
export const recordConversation = async (): Promise<Recording> => {
  const sent: ClientMessage[] = [];
  const received: ServerMessage[] = [];
  const permit = (_: unknown, __: unknown, { after }: { readonly after: Readonly<Record<string, unknown>> | null }) =>
    after?.['text'] !== 'bad' || 'that is bad';
  const server = createSyncServer({ storage: memoryStorage(), permit });
  const devices = await Promise.all(
    ['a', 'b'].map(async () => {
      const client = createSyncClient({ dial: of(recordWire(server.wire, sent, received)) });
      const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' } });
      return { client, realm };
    }),
  );
  for (const [at, { realm }] of devices.entries()) {
    await editObject(realm, `note ${at}`);
    await firstValueFrom(sessionOf(realm).uploadComplete$);
  }
  for (const { realm } of devices) {
    await firstValueFrom(sessionOf(realm).downloadComplete$);
    sessionOf(realm).pause();
    await firstValueFrom(sessionOf(realm).connectionState$.pipe(filter((state) => state !== 'connected')));
  }
  for (const { client } of devices) await client.close();
  await withTimeLimit(server.close(), 'the closing of a server');
  return { client: [...sent, ...rareClientMessages], server: [...received, ...rareServerMessages].map(encodeServer) };
};
