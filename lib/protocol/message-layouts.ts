import { limits } from '../model/limits.js';
import {
  absentOf,
  binary,
  code,
  count,
  type Field,
  flag,
  InvalidField,
  optionalOf,
  ordinal,
  retry,
  textOf,
  time,
  errorText,
} from './field-codec.js';
import { retentionCutoff, instant, runs, writeLimits } from './record-fields.js';
import type { ClientMessage, Download, ServerFrame } from './messages.js';
import type { Parts } from './view-messages.js';
import { downloadPage, piecesPage, uploadPage } from './pages.js';
import { boundView, placedView, scopeId, viewFilters, viewMode, viewPosition, viewRejections } from './view-fields.js';
import { objectName, objectNames, rejectedWrites, serverStates, storedObjects } from './object-rows.js';

type AnyMessage = ClientMessage | ServerFrame;
type Fields<Message extends AnyMessage> = {
  readonly [Name in Exclude<keyof Message, 'type'>]-?: Field<Message[Name]>;
};

/** Layout of a message type in a frame: its number, then its fields in the order in which they are listed here. */
interface Layout<Message extends AnyMessage> {
  readonly kind: number;
  readonly fields: Fields<Message>;
  /** Checks conditions that concern several fields. */
  readonly agree?: (message: Message) => InvalidField | null;
}

type Layouts<Message extends AnyMessage> = {
  readonly [Type in Message['type']]: Layout<Extract<Message, { type: Type }>>;
};

const session = ordinal;
const id = textOf(1, limits.idCharsMax);
const token = textOf(0, limits.tokenCharsMax);

/** A page ends at its last changeset or after it. */
const checkPageEnd = ({ type, changesets, upTo }: Download | Parts): InvalidField | null => {
  const last = changesets.at(-1)?.version ?? 0;
  return last > upTo ? new InvalidField(`${type}.upTo`, `at least ${last}`, upTo) : null;
};

/** Client to server: kinds 1 to 31. A number is never used again for another message. */
export const clientLayouts: Layouts<ClientMessage> = {
  bind: {
    kind: 1,
    fields: {
      session,
      realm: textOf(1, limits.realmNameCharsMax), // The server checks the characters.
      replica: id,
      token: optionalOf(token),
      history: optionalOf(id),
      downloadedTo: count,
      acknowledged: count,
      includeOwn: flag,
      runs,
      view: absentOf(placedView),
    },
  },
  upload: { kind: 2, fields: { session, changesets: uploadPage } },
  received: { kind: 3, fields: { session, version: ordinal } },
  mark: { kind: 4, fields: { session, request: ordinal } },
  token: { kind: 5, fields: { token } },
  unbind: { kind: 6, fields: { session } },
  fault: { kind: 7, fields: { session, version: ordinal, code } },
  ping: { kind: 8, fields: { sentAt: time } },
  fetch: { kind: 9, fields: { session, version: ordinal, after: optionalOf(objectName) } },
  withdraw: { kind: 10, fields: { session, version: ordinal, code, objects: objectNames } },
  subscribe: { kind: 11, fields: { session, number: count, filters: viewFilters } },
  next: { kind: 12, fields: { session, number: count, position: viewPosition } },
};

/** Server to client: kinds 33 to 63, so that a message in the wrong direction is invalid. */
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
      snapshot: optionalOf(ordinal),
      stamp: optionalOf(instant),
      limits: writeLimits,
      retentionCutoff: optionalOf(retentionCutoff),
      decided: count,
      view: absentOf(boundView),
    },
  },
  accepted: { kind: 34, fields: { session, version: ordinal } },
  download: {
    kind: 35,
    fields: { session, changesets: downloadPage, upTo: ordinal, remaining: count, bytes: count, remainingBytes: count },
    agree: checkPageEnd,
  },
  mark: { kind: 36, fields: { session, request: ordinal, version: count } },
  unbound: { kind: 37, fields: { session } },
  pong: { kind: 38, fields: { sentAt: time } },
  error: { kind: 39, fields: { session: optionalOf(session), code: textOf(1, 64), text: errorText, retry } },
  snapshot: {
    kind: 40,
    fields: { session, version: ordinal, objects: storedObjects, remaining: count, bytes: count },
    agree: ({ objects, remaining }) =>
      remaining > 0 && objects.length === 0
        ? new InvalidField('snapshot.objects', 'at least one, because some remain', objects)
        : null,
  },
  refused: {
    kind: 41,
    fields: { session, version: ordinal, writes: rejectedWrites, serverStates, code, upTo: absentOf(count) },
  },
  part: { kind: 42, fields: { isLast: flag, bytes: binary } },
  copied: { kind: 43, fields: { session, version: count } },
  view: {
    kind: 44,
    fields: {
      ...{ session, number: count, version: count, scope: scopeId, mode: viewMode, objects: count },
      rejections: viewRejections,
    },
  },
  members: {
    kind: 45,
    fields: {
      ...{ session, number: count, objects: storedObjects, leaves: objectNames, position: viewPosition },
      ...{ upTo: optionalOf(count), remaining: count, bytes: count },
    },
    agree: ({ position, upTo }) => {
      if ((position === null) !== (upTo === null)) return null;
      return new InvalidField(
        'members.upTo',
        position === null ? 'a version on the last page' : 'nil, because more pages follow',
        upTo,
      );
    },
  },
  parts: {
    kind: 46,
    fields: {
      ...{ session, changesets: piecesPage, states: storedObjects, leaves: objectNames, upTo: ordinal },
      ...{ remaining: count, bytes: count, remainingBytes: count },
    },
    agree: checkPageEnd,
  },
};
