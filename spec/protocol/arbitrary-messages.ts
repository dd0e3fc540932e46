import fc from 'fast-check';
import { limits } from '../../lib/model/limits.js';
import { anyInteger, anyMixed, textOf } from '../model/arbitrary-values.js';
import { type ClientMessage, type ServerFrame, wireErrorCodes } from '../../lib/protocol/messages.js';

/**
 * Options with the seed of the environment. fast-check prints the seed of a failed run; `SEED=… npm test` runs it
 * again.
 */
export const seeded = process.env['SEED'] === undefined ? {} : { seed: Number(process.env['SEED']) };

const count = fc.oneof(fc.nat(), fc.maxSafeNat(), anyInteger.map(Math.abs));
const ordinal = count.map((n) => Math.max(1, n));
const time = fc.oneof(fc.nat(), fc.double({ noNaN: true, noDefaultInfinity: true })).map((ms) => ms + 0);
const text = textOf;
const id = text(1, limits.idCharsMax);
const body = fc.uint8Array({ maxLength: 60 });

const uploaded = fc
  .tuple(fc.integer({ min: 1, max: 2 ** 50 }), fc.array(fc.tuple(time, count, body), { minLength: 1, maxLength: 8 }))
  .map(([first, rows]) => rows.map(([ms, n, bytes], i) => ({ version: first + i, time: ms, count: n, body: bytes })));

const downloaded = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 2 ** 40 }), id, time, count, body), { maxLength: 8 })
  .map((rows) => {
    let version = 0;
    return rows.map(([gap, origin, ms, n, bytes]) => {
      version += gap;
      return { version, origin, time: ms, count: n, body: bytes };
    });
  });

const session = ordinal;
const code = fc.stringMatching(/^[a-z][a-z0-9-]{0,63}$/);
const runs = fc.array(fc.tuple(text(1, limits.runIdCharsMax), fc.nat()), { minLength: 1, maxLength: 5 }).map((rows) => {
  let upTo = 0;
  return rows.map(([each, more]) => ({ id: each, lastVersion: (upTo += more) }));
});
const anyKey = fc.oneof(anyInteger, text(1, limits.keyCharsMax));

/** Messages with and without a view. */
const withPresence = <Message, View>(
  messages: fc.Arbitrary<Message>,
  views: fc.Arbitrary<View>,
): fc.Arbitrary<Message & { readonly view?: View }> =>
  fc.tuple(messages, fc.option(views)).map(([message, view]) => ({ ...message, ...(view === null ? {} : { view }) }));

const storedObjects = fc.array(fc.record({ type: text(1, 64), key: anyKey, state: fc.uint8Array({ maxLength: 20 }) }), {
  maxLength: 5,
});
const objectNames = fc.array(fc.record({ type: text(1, 64), key: anyKey }), { maxLength: 5 });

/** The wire carries any value as a filter. Most are small here, because large ones are slow to make. */
const filter = fc.oneof(
  { weight: 9, arbitrary: fc.oneof(fc.boolean(), fc.array(fc.oneof(text(0, 64), anyInteger), { maxLength: 4 })) },
  { weight: 1, arbitrary: anyMixed },
);
const filters = fc.array(fc.record({ id: ordinal, type: text(1, limits.nameCharsMax), filter }), {
  maxLength: 5,
});
const position = text(0, limits.viewPositionCharsMax);
const placedView = fc.record({ number: fc.option(count), filters, scope: fc.option(id) });
const boundView = fc.record({ mode: fc.constantFrom('continue' as const, 'resync' as const), scope: fc.option(id) });

export const anyClientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  withPresence(
    fc.record({
      type: fc.constant('bind' as const),
      session,
      realm: text(1, limits.realmNameCharsMax),
      replica: id,
      token: fc.option(text(0, limits.tokenCharsMax)),
      history: fc.option(id),
      downloadedTo: count,
      acknowledged: count,
      includeOwn: fc.boolean(),
      runs,
    }),
    placedView,
  ),
  fc.record({ type: fc.constant('subscribe' as const), session, number: count, filters }),
  fc.record({ type: fc.constant('next' as const), session, number: count, position: fc.option(position) }),
  fc.record({ type: fc.constant('upload' as const), session, changesets: uploaded }),
  fc.record({ type: fc.constant('received' as const), session, version: ordinal }),
  fc.record({ type: fc.constant('mark' as const), session, request: ordinal }),
  fc.record({ type: fc.constant('token' as const), token: text(0, limits.tokenCharsMax) }),
  fc.record({ type: fc.constant('unbind' as const), session }),
  fc.record({ type: fc.constant('fault' as const), session, version: ordinal, code }),
  fc.record({
    type: fc.constant('withdraw' as const),
    session,
    version: ordinal,
    code,
    objects: objectNames,
  }),
  fc.record({ type: fc.constant('ping' as const), sentAt: time }),
  fc.record({
    type: fc.constant('fetch' as const),
    session,
    version: ordinal,
    after: fc.option(fc.record({ type: text(1, 64), key: anyKey })),
  }),
);

/** The end of a page of changes is not before its last changeset. */
const pageOfChanges = fc
  .tuple(session, downloaded, fc.nat(), count, count)
  .map(([number, changesets, more, remaining, bytes]) => ({
    ...{ session: number, changesets, upTo: Math.max(1, (changesets.at(-1)?.version ?? 0) + more) },
    ...{ remaining, bytes, remainingBytes: remaining },
  }));

export const anyServerMessage: fc.Arbitrary<ServerFrame> = fc.oneof(
  withPresence(
    fc.record({
      type: fc.constant('bound' as const),
      session,
      history: id,
      head: count,
      headBytes: count,
      accepted: count,
      serverTime: time,
      frameBytesMax: ordinal,
      snapshot: fc.option(ordinal),
      stamp: fc.option(fc.record({ time, count })),
      limits: fc.record({
        changesetBytesMax: ordinal,
        operationsMax: ordinal,
        valuesMax: ordinal,
        elementsMax: ordinal,
        objectBytesMax: ordinal,
      }),
      retentionCutoff: fc.option(fc.record({ time: count, version: count })),
      decided: count,
    }),
    boundView,
  ),
  fc.record({ type: fc.constant('accepted' as const), session, version: ordinal }),
  pageOfChanges.map((page) => ({ type: 'download' as const, ...page })),
  fc.tuple(pageOfChanges, storedObjects, objectNames).map(([page, states, leaves]) => ({
    ...{ type: 'parts' as const, ...page, states, leaves },
  })),
  fc.record({
    type: fc.constant('view' as const),
    session,
    number: count,
    version: count,
    scope: fc.option(id),
    mode: fc.constantFrom('difference' as const, 'resync' as const),
    objects: count,
    rejections: fc.array(fc.record({ id: ordinal, code, text: text(0, limits.errorTextCharsMax) }), { maxLength: 5 }),
  }),
  fc
    .tuple(
      fc.record({
        session,
        number: count,
        objects: storedObjects,
        leaves: objectNames,
        remaining: count,
        bytes: count,
      }),
      fc.oneof(
        fc.record({ position, upTo: fc.constant(null) }),
        fc.record({ position: fc.constant(null), upTo: count }),
      ),
    )
    .map(([page, end]) => ({ type: 'members' as const, ...page, ...end })),
  fc.record({ type: fc.constant('mark' as const), session, request: ordinal, version: count }),
  fc.record(
    {
      type: fc.constant('refused' as const),
      session,
      version: ordinal,
      writes: fc.array(fc.record({ type: text(1, 64), key: anyKey, reason: text(0, 500) }), { maxLength: 5 }),
      serverStates: fc.array(
        fc.record({ type: text(1, 64), key: anyKey, state: fc.option(fc.uint8Array({ maxLength: 20 })) }),
        { maxLength: 5 },
      ),
      code,
      upTo: count,
    },
    { requiredKeys: ['type', 'session', 'version', 'writes', 'serverStates', 'code'] },
  ),
  fc.record({ type: fc.constant('part' as const), isLast: fc.boolean(), bytes: body }),
  fc.record({ type: fc.constant('copied' as const), session, version: count }),
  fc.record({
    type: fc.constant('snapshot' as const),
    session,
    version: ordinal,
    objects: fc.array(fc.record({ type: text(1, 64), key: anyKey, state: fc.uint8Array({ maxLength: 20 }) }), {
      minLength: 1,
      maxLength: 5,
    }),
    remaining: count,
    bytes: count,
  }),
  fc.record({ type: fc.constant('unbound' as const), session }),
  fc.record({ type: fc.constant('pong' as const), sentAt: time }),
  fc.record({
    type: fc.constant('error' as const),
    session: fc.option(session),
    code: fc.oneof(fc.constantFrom(...wireErrorCodes), text(1, 64)),
    text: text(0, 500),
    retry: fc.oneof(
      fc.constant('never' as const),
      fc.constant('later' as const),
      time.map((ms) => ({ after: Math.abs(ms) })),
    ),
  }),
);
