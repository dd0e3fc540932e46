import { encodeOperations } from '../lib/merge/operation-codec.js';
import { encodeClient } from '../lib/protocol/codec.js';
import type { Bind, ClientMessage, Upload } from '../lib/protocol/messages.js';
import { createBoundaryBody, createBoundaryFrame } from './boundary-frames.js';
import type { SeededRandom } from './seeded-random.js';
import type { SessionState, CheckedConnection } from './checked-connection.js';
import { pickUnusualValue, randomBytes, mutateBytes, mutateFrameValue } from './mutate-frames.js';
import type { Recording } from './recorded-messages.js';

/**
 * A realm with a long history, of which new replicas receive a snapshot. Users named `reader…` may read it; no user may
 * write.
 */
export const oldRealm = 'old';
/** The realm of the healthy devices, to which other users have no access. */
export const healthyRealm = 'healthy';

const tokens = ['writer-a', 'writer-a', 'writer-a', 'writer-b', 'reader-a', 'nobody', 'later:writer-a', 'later:nobody'];
const noTokens = ['expired', 'forged', 'banned', 'brief', ''];

/** The start of a connection. */
export type Start =
  | 'unbound'
  | 'bound'
  | 'bound to several'
  | 'waiting to be bound'
  | 'reading'
  | 'being refused'
  | 'unbound again'
  | 'turned away'
  | 'closing';

export const starts: readonly Start[] = [
  ...(['unbound', 'bound', 'bound to several', 'waiting to be bound', 'reading', 'being refused'] as const),
  ...(['unbound again', 'turned away'] as const),
];

export const createBind = (more: Partial<Bind>): Bind => ({
  ...{ type: 'bind', session: 1, realm: 'team', replica: 'a', token: 'writer-a', history: null },
  ...{ downloadedTo: 0, acknowledged: 0, includeOwn: false, runs: [{ id: 'run', lastVersion: 0 }] },
  ...more,
});

export const createUpload = (version: number, text: string, key = 'a', session = 1): Upload => ({
  type: 'upload',
  session,
  changesets: [
    {
      version,
      time: 1,
      count: version,
      body: encodeOperations([{ kind: 'create', type: 'Note', key, values: { text } }]),
    },
  ],
});

/** The messages that bring a connection into its start state. */
export const openingMessages = (start: Start, realm: string, replica: string): readonly ClientMessage[] => {
  switch (start) {
    case 'unbound':
      return [];
    case 'bound':
    case 'closing':
      return [createBind({ realm, replica }), createUpload(1, 'one')];
    case 'bound to several':
      return [
        createBind({ realm, replica }),
        createBind({ realm: `${realm}-b`, session: 2, replica }),
        createBind({ realm, session: 3, replica: `${replica}3` }),
      ];
    case 'waiting to be bound':
      return [createBind({ realm, replica, token: 'later:writer-a' })];
    case 'reading':
      return [createBind({ realm: oldRealm, replica, token: 'reader-a' })];
    case 'being refused':
      return [createBind({ realm, replica }), createUpload(1, 'bad'), createUpload(2, 'later')];
    case 'unbound again':
      return [createBind({ realm, replica }), { type: 'unbind', session: 1 }];
    case 'turned away':
      return [createBind({ realm: healthyRealm, replica })];
  }
};

const pickSession = (
  chance: SeededRandom,
  { sessions }: CheckedConnection,
): readonly [number, SessionState | undefined] =>
  chance.isLikely(0.97) && sessions.size > 0 ? chance.pick([...sessions]) : [1 + chance.below(4), undefined];

/** A recorded message, usually adapted to the sessions and versions of this connection. */
const fitMessage = (
  chance: SeededRandom,
  connection: CheckedConnection,
  message: ClientMessage,
  realm: string,
): ClientMessage => {
  if (chance.isLikely(0.02) || message.type === 'ping') return message;
  const [session, state] = pickSession(chance, connection);
  const isSense = chance.isLikely(0.96);
  if (isSense && 'session' in message && message.type !== 'bind' && state?.state !== 'bound')
    return message.type === 'unbind' && state !== undefined
      ? { type: 'unbind', session }
      : { type: 'ping', sentAt: session };
  switch (message.type) {
    case 'bind': {
      const free = chance.isLikely(0.8) ? 1 + Math.max(0, ...connection.sessions.keys()) : session;
      const history = chance.isLikely(0.3) ? (state?.history ?? 'another') : null;
      return {
        ...message,
        ...{ session: free, replica: `r${chance.below(12)}`, history, includeOwn: chance.isLikely(0.2) },
        realm: chance.pick([realm, realm, realm, `${realm}-b`, oldRealm, healthyRealm, '../etc', 'no such']),
        token: chance.isLikely(0.05) ? chance.pick(noTokens) : chance.isLikely(0.8) ? null : chance.pick(tokens),
        ...(history === null
          ? {}
          : { downloadedTo: chance.pick([0, 0, 1, 2, 1_200, 2 ** 53 - 1]), acknowledged: chance.pick([0, 0, 1, 7]) }),
      };
    }
    case 'token':
      return {
        type: 'token',
        token: chance.isLikely(0.1) ? chance.pick(noTokens) : chance.isLikely(0.9) ? 'writer-a' : chance.pick(tokens),
      };
    case 'upload': {
      const first = chance.isLikely(0.85) ? (state?.next ?? 1) : 1 + chance.below(5);
      return {
        ...message,
        session,
        changesets: message.changesets.map((all, at) => ({ ...all, version: first + at })),
      };
    }
    case 'received':
      if (isSense && state?.downloadedTo === 0) return { type: 'mark', session, request: 1 };
      return { ...message, session, version: Math.max(1, isSense ? (state?.downloadedTo ?? 1) : chance.below(2_000)) };
    case 'fetch':
      if (isSense && (state?.snapshot ?? null) === null) return { type: 'mark', session, request: 1 };
      return { ...message, session, version: isSense ? (state?.snapshot ?? 1) : 1 + chance.below(2_000) };
    case 'subscribe':
    case 'next':
      // The sessions have no view: both end the connection.
      return isSense ? { type: 'mark', session, request: 1 } : { ...message, session };
    case 'mark':
      return { ...message, session, request: 1 + chance.below(1_000) };
    default:
      return { ...message, session };
  }
};

export type Kind = 'real' | 'mutated bytes' | 'mutated value' | 'bodies' | 'server frame' | 'random' | 'at the bounds';

export interface FrameOptions {
  /** The realm that this connection uses most of the time. */
  readonly realm: string;
  /** Sends only valid messages, though perhaps at a wrong time or with an unreadable body. */
  readonly isPolite: boolean;
}

/** Generates the next frame of a connection. */
export const createFrameGenerator = ({ client, server }: Recording) => {
  const byType = new Map<string, ClientMessage[]>();
  for (const message of client) byType.set(message.type, [...(byType.get(message.type) ?? []), message]);
  const types = [...byType.values()];
  const uploads = byType.get('upload') ?? [];

  return (
    chance: SeededRandom,
    connection: CheckedConnection,
    { realm, isPolite }: FrameOptions,
  ): readonly [Kind, Uint8Array] => {
    const real = (): Uint8Array => encodeClient(fitMessage(chance, connection, chance.pick(chance.pick(types)), realm));
    const roll = isPolite ? chance.pick([0, 0, 0, 80]) : chance.below(100);
    if (roll < 42) return ['real', real()];
    if (roll < 62) return ['mutated bytes', mutateBytes(chance, real(), real())];
    if (roll < 78) return ['mutated value', mutateFrameValue(chance, real())];
    if (roll < 92) {
      // A valid message with a body that may be invalid.
      const message = fitMessage(chance, connection, chance.pick(uploads), realm);
      if (message.type !== 'upload') return ['real', encodeClient(message)];
      const at = chance.below(message.changesets.length);
      const changesets = message.changesets.map((changeset, index) => {
        if (index !== at) return changeset;
        const { body } = changeset;
        const other = chance.isLikely(0.2)
          ? createBoundaryBody(chance)
          : chance.isLikely(0.1)
            ? new Uint8Array(0)
            : chance.isLikely(0.5)
              ? mutateBytes(chance, body, body)
              : mutateFrameValue(chance, body);
        return { ...changeset, body: other };
      });
      return ['bodies', encodeClient({ ...message, changesets })];
    }
    if (roll < 95) return ['server frame', chance.pick(server)];
    if (roll < 97) return ['at the bounds', createBoundaryFrame(chance)];
    return [
      'random',
      chance.isLikely(0.2)
        ? mutateFrameValue(
            chance,
            encodeClient({ type: 'token', token: String(pickUnusualValue(chance)).slice(0, 99) }),
          )
        : randomBytes(chance, 80),
    ];
  };
};
