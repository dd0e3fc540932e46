import {
  anyValue,
  bytes,
  code,
  count,
  flag,
  id,
  key,
  listOf,
  maybe,
  maybeMissing,
  oneOf,
  ordinal,
  positions,
  text,
  time,
  type Field,
  type Named,
  type TypeOf,
} from './field-codecs.js';
import { pack, unpack, type Value } from './msgpack.js';

/*
 * Implements the tables of docs/PROTOCOL.md, "Messages".
 */

const realm: Field<string> = {
  ...text(128, 1),
  read(raw) {
    const name = text(128, 1).read(raw);
    if (!/^[A-Za-z0-9][A-Za-z0-9._~-]*$/.test(name) || name.endsWith('.')) throw new Error('not the name of a realm');
    return name;
  },
};
const run = positions({ id: text(32, 1), lastVersion: count });
const target = positions({ type: text(64, 1), key });
const ownChangeset = positions({ version: ordinal, time, count, body: bytes });
const stamp = positions({ time, count });
const limits = positions({
  changesetBytesMax: ordinal,
  operationsMax: ordinal,
  valuesMax: ordinal,
  elementsMax: ordinal,
  objectBytesMax: ordinal,
});

interface HistoryChangeset extends TypeOf<typeof ownChangeset> {
  readonly origin: string;
}

const page = positions({
  origins: listOf(id),
  changesets: listOf(positions({ version: ordinal, origin: count, time, count, body: bytes }), 0, 1_000),
});

const historyPage: Field<readonly HistoryChangeset[]> = {
  read(raw) {
    const { origins, changesets } = page.read(raw);
    return changesets.map((each) => {
      const origin = origins[each.origin];
      if (origin === undefined) throw new Error('no such origin');
      return { ...each, origin };
    });
  },
  write(changesets) {
    const origins = [...new Set(changesets.map(({ origin }) => origin))];
    return page.write({
      origins,
      changesets: changesets.map((each) => ({ ...each, origin: origins.indexOf(each.origin) })),
    });
  },
};

const retry: Field<'never' | 'later' | { readonly after: number }> = {
  read(raw) {
    if (raw === 'never' || raw === 'later') return raw;
    return { after: time.read(raw) };
  },
  write: (value) => (typeof value === 'string' ? value : value.after),
};

const session = ordinal;
const objects = listOf(positions({ type: text(64, 1), key, state: bytes }));
const filters = listOf(positions({ id: ordinal, type: text(64, 1), filter: anyValue }), 0, 256);
const position = maybe(text(4_096));

const clientKinds = {
  bind: [
    1,
    {
      session,
      realm,
      replica: id,
      token: maybe(text(8_192)),
      history: maybe(id),
      downloadedTo: count,
      acknowledged: count,
      includeOwn: flag,
      runs: listOf(run, 1, 1_000),
      view: maybeMissing(positions({ number: maybe(count), filters, scope: maybe(id) })),
    },
  ],
  upload: [2, { session, changesets: listOf(ownChangeset, 1, 1_000) }],
  received: [3, { session, version: ordinal }],
  mark: [4, { session, request: ordinal }],
  token: [5, { token: text(8_192) }],
  unbind: [6, { session }],
  fault: [7, { session, version: ordinal, code }],
  ping: [8, { sentAt: time }],
  fetch: [9, { session, version: ordinal, after: maybe(target) }],
  withdraw: [10, { session, version: ordinal, code, objects: listOf(target) }],
  subscribe: [11, { session, number: count, filters }],
  next: [12, { session, number: count, position }],
} as const;

const serverKinds = {
  bound: [
    33,
    {
      session,
      history: id,
      head: count,
      headBytes: count,
      accepted: count,
      serverTime: time,
      frameBytesMax: ordinal,
      snapshot: maybe(ordinal),
      stamp: maybe(stamp),
      limits,
      retentionCutoff: maybe(positions({ time: count, version: count })),
      decided: count,
      view: maybeMissing(positions({ mode: oneOf('continue', 'resync'), scope: maybe(id) })),
    },
  ],
  accepted: [34, { session, version: ordinal }],
  download: [
    35,
    { session, changesets: historyPage, upTo: ordinal, remaining: count, bytes: count, remainingBytes: count },
  ],
  mark: [36, { session, request: ordinal, version: count }],
  unbound: [37, { session }],
  pong: [38, { sentAt: time }],
  error: [39, { session: maybe(ordinal), code: text(64), text: text(500), retry }],
  snapshot: [40, { session, version: ordinal, objects, remaining: count, bytes: count }],
  refused: [
    41,
    {
      session,
      version: ordinal,
      writes: listOf(positions({ type: text(64), key, reason: text(500) })),
      serverStates: listOf(positions({ type: text(64), key, state: maybe(bytes) })),
      code,
      upTo: maybeMissing(count),
    },
  ],
  part: [42, { isLast: flag, bytes }],
  copied: [43, { session, version: count }],
  view: [
    44,
    {
      session,
      number: count,
      version: count,
      scope: maybe(id),
      mode: oneOf('difference', 'resync'),
      objects: count,
      rejections: listOf(positions({ id: ordinal, code, text: text(500) }), 0, 256),
    },
  ],
  members: [
    45,
    {
      session,
      number: count,
      objects,
      leaves: listOf(target),
      position,
      upTo: maybe(count),
      remaining: count,
      bytes: count,
    },
  ],
  parts: [
    46,
    {
      session,
      changesets: historyPage,
      states: objects,
      leaves: listOf(target),
      upTo: ordinal,
      remaining: count,
      bytes: count,
      remainingBytes: count,
    },
  ],
} as const;

type Kinds = Readonly<Record<string, readonly [number, Readonly<Record<string, unknown>>]>>;
type MessageOf<K extends Kinds> = { [T in keyof K]: { readonly type: T } & Named<K[T][1]> }[keyof K];
export type ToServer = MessageOf<typeof clientKinds>;
export type FromServer = MessageOf<typeof serverKinds>;
export type FromServerOf<T extends FromServer['type']> = Extract<FromServer, { readonly type: T }>;

/** Encodes and decodes the messages of one side as frames. */
class FrameCodec<M extends { readonly type: string }> {
  constructor(
    private readonly kinds: Kinds,
    private readonly valuesMax: number,
  ) {}

  encode(message: M): Uint8Array {
    const [kind, fields] = this.kinds[message.type]!;
    return pack([kind, ...(positions(fields).write(message as never) as readonly Value[])]);
  }

  decode(frame: Uint8Array): M {
    const raw = unpack(frame, this.valuesMax);
    if (!Array.isArray(raw)) throw new Error('a frame is an array');
    const [kind, ...rest] = raw as readonly Value[];
    for (const [type, [number, fields]] of Object.entries(this.kinds))
      if (number === kind) return { type, ...positions(fields).read(rest) } as unknown as M;
    throw new Error(`no such kind: ${JSON.stringify(kind)}`);
  }
}

export const toServer = new FrameCodec<ToServer>(clientKinds, 250_000);
export const fromServer = new FrameCodec<FromServer>(serverKinds, 2_000_000);
