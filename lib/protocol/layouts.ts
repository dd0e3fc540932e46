import { limits } from '../model/limits.js';
import { binary, code, count, type Field, flag, Misfit, optional, ordinal, retry, text, time, words } from './field.js';
import { horizon, instant, runs, writeLimits } from './records.js';
import type { ClientMessage, ServerFrame } from './messages.js';
import { downloaded, uploaded } from './pages.js';
import { objectName, objectNames, refusedWrites, standing, storedObjects } from './refusals.js';

type Named = ClientMessage | ServerFrame;
type Fields<Message extends Named> = {
  readonly [Name in Exclude<keyof Message, 'type'>]-?: Field<Message[Name]>;
};

/** How one kind of message stands in a frame: its number, then its fields in the order in which they are written here. */
interface Layout<Message extends Named> {
  readonly kind: number;
  readonly fields: Fields<Message>;
  /** What no single field can say. */
  readonly agree?: (message: Message) => Misfit | null;
}

type Layouts<Message extends Named> = { readonly [Type in Message['type']]: Layout<Extract<Message, { type: Type }>> };

const session = ordinal;
const id = text(1, limits.idCharsMax);
const token = text(0, limits.tokenCharsMax);

/** Client to server: 1 to 31. A number once given is never used again for something else. */
export const clientLayouts: Layouts<ClientMessage> = {
  bind: {
    kind: 1,
    fields: {
      session,
      realm: text(1, limits.realmNameCharsMax), // Which characters is for the server to say: that ends one session, not all.
      replica: id,
      token: optional(token),
      history: optional(id),
      seen: count,
      acknowledged: count,
      own: flag,
      runs,
    },
  },
  upload: { kind: 2, fields: { session, changesets: uploaded } },
  received: { kind: 3, fields: { session, version: ordinal } },
  mark: { kind: 4, fields: { session, request: ordinal } },
  token: { kind: 5, fields: { token } },
  unbind: { kind: 6, fields: { session } },
  fault: { kind: 7, fields: { session, version: ordinal, code } },
  ping: { kind: 8, fields: { sentAt: time } },
  fetch: { kind: 9, fields: { session, version: ordinal, after: optional(objectName) } },
  withdraw: { kind: 10, fields: { session, version: ordinal, code, objects: objectNames } },
};

/** Server to client: 33 to 63, so that a message that goes the wrong way is none. */
export const serverLayouts: Layouts<ServerFrame> = {
  bound: {
    kind: 33,
    fields: {
      session,
      history: id,
      head: count,
      headBytes: count,
      accepted: count,
      serverTime: time,
      frameBytesMax: ordinal,
      snapshot: optional(ordinal),
      stamp: optional(instant),
      limits: writeLimits,
      horizon: optional(horizon),
      decided: count,
    },
  },
  accepted: { kind: 34, fields: { session, version: ordinal } },
  download: {
    kind: 35,
    fields: { session, changesets: downloaded, upTo: ordinal, remaining: count, bytes: count, remainingBytes: count },
    agree: ({ changesets, upTo }) => {
      const last = changesets.at(-1)?.version ?? 0;
      return last > upTo ? new Misfit('download.upTo', `at least ${last}`, upTo) : null;
    },
  },
  mark: { kind: 36, fields: { session, request: ordinal, version: count } },
  unbound: { kind: 37, fields: { session } },
  pong: { kind: 38, fields: { sentAt: time } },
  error: { kind: 39, fields: { session: optional(session), code: text(1, 64), text: words, retry } },
  snapshot: {
    kind: 40,
    fields: { session, version: ordinal, objects: storedObjects, remaining: count, bytes: count },
    agree: ({ objects, remaining }) =>
      remaining > 0 && objects.length === 0
        ? new Misfit('snapshot.objects', 'at least one, as some remain', objects)
        : null,
  },
  refused: { kind: 41, fields: { session, version: ordinal, writes: refusedWrites, standing, code } },
  part: { kind: 42, fields: { last: flag, bytes: binary } },
  copied: { kind: 43, fields: { session, version: count } },
};
