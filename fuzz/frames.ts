import { encodeOperations } from '../lib/merge/body.js';
import { encodeClient } from '../lib/protocol/codec.js';
import type { Bind, ClientMessage, Upload } from '../lib/protocol/messages.js';
import { bodyAtBounds, frameAtBounds } from './bounds.js';
import type { Chance } from './chance.js';
import type { Lane, Line } from './line.js';
import { oddity, randomBytes, scarred, twistedFrame } from './mutate.js';
import type { Recording } from './recorded.js';

/** A realm with a long past, of which who comes new gets a snapshot. Users named `reader…` may read it, nobody write. */
export const oldRealm = 'old';
/** The realm of who keeps syncing all along: nobody else may. */
export const healthyRealm = 'healthy';

const tokens = ['writer-a', 'writer-a', 'writer-a', 'writer-b', 'reader-a', 'nobody', 'later:writer-a', 'later:nobody'];
const noTokens = ['expired', 'forged', 'banned', 'brief', ''];

/** How a connection begins. */
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

export const bind = (more: Partial<Bind>): Bind => ({
  ...{ type: 'bind', session: 1, realm: 'team', replica: 'a', token: 'writer-a', history: null },
  ...{ seen: 0, acknowledged: 0, own: false, runs: [{ id: 'run', upTo: 0 }] },
  ...more,
});

export const upload = (version: number, text: string, key = 'a', session = 1): Upload => ({
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

/** What a connection says to get there. */
export const opening = (start: Start, realm: string, replica: string): readonly ClientMessage[] => {
  switch (start) {
    case 'unbound':
      return [];
    case 'bound':
    case 'closing':
      return [bind({ realm, replica }), upload(1, 'one')];
    case 'bound to several':
      return [
        bind({ realm, replica }),
        bind({ realm: `${realm}-b`, session: 2, replica }),
        bind({ realm, session: 3, replica: `${replica}3` }),
      ];
    case 'waiting to be bound':
      return [bind({ realm, replica, token: 'later:writer-a' })];
    case 'reading':
      return [bind({ realm: oldRealm, replica, token: 'reader-a' })];
    case 'being refused':
      return [bind({ realm, replica }), upload(1, 'bad'), upload(2, 'later')];
    case 'unbound again':
      return [bind({ realm, replica }), { type: 'unbind', session: 1 }];
    case 'turned away':
      return [bind({ realm: healthyRealm, replica })];
  }
};

const laneOf = (chance: Chance, { lanes }: Line): readonly [number, Lane | undefined] =>
  chance.is(0.97) && lanes.size > 0 ? chance.of([...lanes]) : [1 + chance.below(4), undefined];

/** A message of the recording as this connection would say it: its sessions, versions that make sense, most of the time. */
const fitted = (chance: Chance, line: Line, message: ClientMessage, realm: string): ClientMessage => {
  if (chance.is(0.02) || message.type === 'ping') return message;
  const [session, lane] = laneOf(chance, line);
  const isSense = chance.is(0.96);
  if (isSense && 'session' in message && message.type !== 'bind' && lane?.state !== 'bound')
    return message.type === 'unbind' && lane !== undefined
      ? { type: 'unbind', session }
      : { type: 'ping', sentAt: session };
  switch (message.type) {
    case 'bind': {
      const free = chance.is(0.8) ? 1 + Math.max(0, ...line.lanes.keys()) : session;
      const known = chance.is(0.3) ? (lane?.history ?? 'another') : null;
      return {
        ...message,
        ...{ session: free, replica: `r${chance.below(12)}`, history: known, own: chance.is(0.2) },
        realm: chance.of([realm, realm, realm, `${realm}-b`, oldRealm, healthyRealm, '../etc', 'no such']),
        token: chance.is(0.05) ? chance.of(noTokens) : chance.is(0.8) ? null : chance.of(tokens),
        ...(known === null
          ? {}
          : { seen: chance.of([0, 0, 1, 2, 1_200, 2 ** 53 - 1]), acknowledged: chance.of([0, 0, 1, 7]) }),
      };
    }
    case 'token':
      return {
        type: 'token',
        token: chance.is(0.1) ? chance.of(noTokens) : chance.is(0.9) ? 'writer-a' : chance.of(tokens),
      };
    case 'upload': {
      const first = chance.is(0.85) ? (lane?.next ?? 1) : 1 + chance.below(5);
      return {
        ...message,
        session,
        changesets: message.changesets.map((all, at) => ({ ...all, version: first + at })),
      };
    }
    case 'received':
      if (isSense && lane?.upTo === 0) return { type: 'mark', session, request: 1 };
      return { ...message, session, version: Math.max(1, isSense ? (lane?.upTo ?? 1) : chance.below(2_000)) };
    case 'fetch':
      if (isSense && (lane?.snapshot ?? null) === null) return { type: 'mark', session, request: 1 };
      return { ...message, session, version: isSense ? (lane?.snapshot ?? 1) : 1 + chance.below(2_000) };
    case 'mark':
      return { ...message, session, request: 1 + chance.below(1_000) };
    default:
      return { ...message, session };
  }
};

export type Kind = 'real' | 'scarred' | 'twisted' | 'bodies' | 'the other way' | 'random' | 'at the bounds';

export interface Manner {
  /** The realm of this connection, most of the time. */
  readonly realm: string;
  /** Says only what is a message, though perhaps in the wrong place or with an unreadable body. */
  readonly isPolite: boolean;
}

/** Makes what a connection says next. */
export const framing = ({ client, server }: Recording) => {
  const byType = new Map<string, ClientMessage[]>();
  for (const message of client) byType.set(message.type, [...(byType.get(message.type) ?? []), message]);
  const types = [...byType.values()];
  const uploads = byType.get('upload') ?? [];

  return (chance: Chance, line: Line, { realm, isPolite }: Manner): readonly [Kind, Uint8Array] => {
    const real = (): Uint8Array => encodeClient(fitted(chance, line, chance.of(chance.of(types)), realm));
    const luck = isPolite ? chance.of([0, 0, 0, 80]) : chance.below(100);
    if (luck < 42) return ['real', real()];
    if (luck < 62) return ['scarred', scarred(chance, real(), real())];
    if (luck < 78) return ['twisted', twistedFrame(chance, real())];
    if (luck < 92) {
      // A message that is one, with a body that may be none.
      const message = fitted(chance, line, chance.of(uploads), realm);
      if (message.type !== 'upload') return ['real', encodeClient(message)];
      const at = chance.below(message.changesets.length);
      const changesets = message.changesets.map((changeset, index) => {
        if (index !== at) return changeset;
        const { body } = changeset;
        const other = chance.is(0.2)
          ? bodyAtBounds(chance)
          : chance.is(0.1)
            ? new Uint8Array(0)
            : chance.is(0.5)
              ? scarred(chance, body, body)
              : twistedFrame(chance, body);
        return { ...changeset, body: other };
      });
      return ['bodies', encodeClient({ ...message, changesets })];
    }
    if (luck < 95) return ['the other way', chance.of(server)];
    if (luck < 97) return ['at the bounds', frameAtBounds(chance)];
    return [
      'random',
      chance.is(0.2)
        ? twistedFrame(chance, encodeClient({ type: 'token', token: String(oddity(chance)).slice(0, 99) }))
        : randomBytes(chance, 80),
    ];
  };
};
