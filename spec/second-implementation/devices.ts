import fc from 'fast-check';
import { of } from 'rxjs';
import { createSyncClient, isSome, memoryStorage, openRealm, systemClock, type Realm } from '../../lib/index.js';
import type { SyncServer } from '../../lib/server/index.js';
import { serverWire } from '../../lib/protocol/message-wire.js';
import type { MergedObject } from './merged-object.js';
import { Replica } from './replica.js';
import { Session } from './session.js';
import { canonicalJsonOf } from './canonical-values.js';
import { anyDouble, anyEntryKey, anyInteger, textOf } from '../model/arbitrary-values.js';
import { waitForValue } from '../wait-for.js';

/*
 * The changes that both implementations make, and the objects that both show.
 */

export const schema = {
  Note: {
    primaryKey: 'id',
    properties: {
      id: 'int',
      title: 'string',
      extra: 'mixed',
      votes: 'counter',
      items: 'string[]',
      steps: { type: 'string[]', default: () => ['one', 'two'] },
      tags: 'string<>',
      sizes: 'double{}',
    },
  },
} as const;

type Schema = typeof schema;
type Mixed = string | number | boolean | null | readonly number[];

/** One change of a device. If its object does not exist, only a create has an effect. */
export interface Change {
  readonly does:
    | 'create'
    | 'delete'
    | 'title'
    | 'extra'
    | 'insert'
    | 'move'
    | 'replace'
    | 'remove'
    | 'put'
    | 'drop'
    | 'tag'
    | 'untag'
    | 'empty'
    | 'add';
  readonly key: number;
  readonly list: 'items' | 'steps';
  readonly part: 'items' | 'steps' | 'tags' | 'sizes';
  readonly from: number;
  readonly to: number;
  readonly texts: readonly string[];
  readonly extra: Mixed;
}

/** Mostly one of a few words, so that devices write the same. */
const anyWord = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom('a', 'b', 'é"', 'dd') },
  {
    weight: 1,
    arbitrary: fc.oneof(
      anyEntryKey.filter(({ length }) => length < 4_000),
      fc.constantFrom('', 'toString'),
    ),
  },
);

export const anyChange: fc.Arbitrary<Change> = fc.record({
  does: fc.constantFrom<Change['does'][]>(
    ...(['create', 'create', 'delete', 'title', 'extra', 'insert', 'insert', 'insert', 'move', 'move'] as const),
    ...(['replace', 'remove', 'put', 'put', 'drop', 'tag', 'tag', 'untag', 'empty', 'add', 'add'] as const),
  ),
  key: fc.integer({ min: -1, max: 1 }),
  list: fc.constantFrom('items', 'steps'),
  part: fc.constantFrom('items', 'steps', 'tags', 'sizes'),
  from: fc.nat(5),
  to: fc.nat(5),
  texts: fc.array(anyWord, { minLength: 1, maxLength: 3 }),
  extra: fc.oneof(fc.constant(null), fc.boolean(), anyInteger, anyDouble, textOf(0, 300), fc.array(fc.nat(9))),
});

/** A device with one of the two implementations. */
export interface Device {
  readonly name: string;
  readonly write: (changes: readonly Change[]) => Promise<void>;
  readonly connect: () => void;
  readonly disconnect: () => void;
  /** Uploads all pending changes, and downloads the server's history up to that time. */
  readonly settle: () => Promise<void>;
  readonly contents: () => unknown;
  readonly close: () => Promise<void>;
}

export class TidemarkDevice implements Device {
  readonly name = 'tidemark';
  private constructor(
    private readonly client: ReturnType<typeof createSyncClient>,
    private readonly realm: Realm<Schema>,
  ) {}

  static async open(server: SyncServer, now: () => number): Promise<TidemarkDevice> {
    const client = createSyncClient({ dial: of(server.wire) });
    const clock = { ...systemClock, now };
    const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'team' }, clock });
    return new TidemarkDevice(client, realm);
  }

  async write(changes: readonly Change[]): Promise<void> {
    await this.realm.write((tx) => {
      for (const { does, key, list, part, from, to, texts, extra } of changes) {
        const note = tx.get('Note', key);
        const text = texts[0]!;
        if (!note) {
          if (does === 'create') tx.create('Note', { id: key, title: text, extra, votes: from });
          continue;
        }
        const items = tx.list('Note', key, list);
        const size = note[list].length;
        if (does === 'delete') tx.delete('Note', key);
        if (does === 'title') tx.update('Note', key, { title: text });
        if (does === 'extra') tx.update('Note', key, { extra });
        if (does === 'insert') items.insert(Math.min(from, size), ...texts);
        if (does === 'move' && size > 0) items.move(from % size, to % size);
        if (does === 'replace' && size > 0) items.set(from % size, text);
        if (does === 'remove' && size > 0) items.remove(from % size, 1);
        if (does === 'put') tx.dictionary('Note', key, 'sizes').set(text, to);
        if (does === 'drop') tx.dictionary('Note', key, 'sizes').remove(text);
        if (does === 'tag') tx.set('Note', key, 'tags').add(text);
        if (does === 'untag') tx.set('Note', key, 'tags').remove(text);
        if (does === 'add') tx.increment('Note', key, 'votes', from - 2);
        if (does !== 'empty') continue;
        if (part === 'tags') tx.set('Note', key, 'tags').clear();
        else if (part === 'sizes') tx.dictionary('Note', key, 'sizes').clear();
        else tx.list('Note', key, part).clear();
      }
    });
  }

  connect(): void {
    this.session.resume();
  }

  disconnect(): void {
    this.session.pause();
  }

  async settle(): Promise<void> {
    await waitForValue(this.session.uploadComplete$, 'uploadComplete$');
    await waitForValue(this.session.downloadComplete$, 'downloadComplete$');
  }

  contents(): unknown {
    const shown: unknown[] = [];
    for (let key = -1; key <= 6; key += 1) {
      const note = this.realm.get('Note', key);
      if (note) shown.push({ ...note, tags: [...note.tags].sort(), sizes: { ...note.sizes } });
    }
    return shown;
  }

  async close(): Promise<void> {
    await this.realm.close();
    await this.client.close();
  }

  private get session() {
    const { syncSession } = this.realm;
    if (isSome(syncSession)) return syncSession.value;
    throw new Error('this realm is synced');
  }
}

export class SecondDevice implements Device {
  readonly name = 'second';
  session: Session | null = null;

  constructor(
    private readonly server: SyncServer,
    private readonly now: () => number,
    readonly replica = new Replica(now, systemClock.random),
  ) {}

  write(changes: readonly Change[]): Promise<void> {
    this.replica.write((write) => {
      for (const { does, key, list, part, from, to, texts, extra } of changes) {
        const object = this.replica.objectOf('Note', key);
        const text = texts[0]!;
        if (!object.isThere()) {
          if (does === 'create')
            write.create('Note', key, { title: text, extra, votes: from }, { steps: ['one', 'two'] });
          continue;
        }
        const size = object.list(list).length;
        if (does === 'delete') write.delete('Note', key);
        if (does === 'title') write.update('Note', key, { title: text });
        if (does === 'extra') write.update('Note', key, { extra });
        if (does === 'insert') write.insert('Note', key, list, from, texts);
        if (does === 'move' && size > 0) write.move('Note', key, list, from % size, to % size);
        if (does === 'replace' && size > 0) write.replace('Note', key, list, from % size, text);
        if (does === 'remove' && size > 0) write.remove('Note', key, list, from % size);
        if (does === 'put') write.put('Note', key, 'sizes', text, to);
        if (does === 'drop') write.drop('Note', key, 'sizes', text);
        if (does === 'tag') write.putIntoSet('Note', key, 'tags', text);
        if (does === 'untag') write.drop('Note', key, 'tags', canonicalJsonOf(text));
        if (does === 'add') write.add('Note', key, 'votes', from - 2);
        if (does === 'empty') write.empty('Note', key, part);
      }
    });
    this.session?.flush();
    return Promise.resolve();
  }

  connect(): void {
    this.session ??= new Session(this.replica, serverWire(this.server.wire), 'team', this.now);
  }

  disconnect(): void {
    this.session?.close();
    this.session = null;
  }

  async settle(): Promise<void> {
    await this.session!.settle();
    if (this.session!.ends.length > 0) throw new Error(`ended: ${this.session!.ends.join()}`);
  }

  contents(): unknown {
    return this.replica
      .objects()
      .map(({ key, object }) => viewOf(Number(key), object))
      .sort((a, b) => a.id - b.id);
  }

  close(): Promise<void> {
    this.disconnect();
    return Promise.resolve();
  }
}

function viewOf(key: number, object: MergedObject) {
  return {
    id: key,
    title: object.value('title'),
    extra: object.value('extra'),
    votes: object.counter('votes'),
    items: object.list('items').map(({ value }) => value),
    steps: object.list('steps').map(({ value }) => value),
    tags: object
      .entries('tags')
      .map(([, value]) => value)
      .sort(),
    sizes: Object.fromEntries(object.entries('sizes')),
  };
}
