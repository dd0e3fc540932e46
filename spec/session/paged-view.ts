import { EMPTY, from, type Observable, of } from 'rxjs';
import type { Bound, ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import type { Members, NextMembers, Subscribe } from '../../lib/protocol/view-messages.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { createObject, keys } from './paged-snapshot.js';
import { createAnsweringServer } from './test-kit.js';

export interface ViewScript {
  readonly bound?: Partial<Bound>;
  readonly received?: ClientMessage[];
  /** Fields of `view` that differ from the usual ones. */
  readonly view?: (message: Subscribe) => object | null;
  /** Answers a `next`, after 2 ms by default. */
  readonly page?: (message: NextMembers) => Observable<ServerMessage> | undefined;
  /** Answers any other message. */
  readonly answers?: (message: ClientMessage) => Observable<ServerMessage> | undefined;
}

/** Creates the page of members after a position, or the first one. Object `b` of the last page leaves. */
export const createMembersPage = ({ session, number, position }: NextMembers): Members => {
  const at = position === null ? 0 : Number(position);
  const isLast = at + 1 === keys.length;
  return {
    ...{ type: 'members', session, number },
    objects: keys.slice(at, at + 1).map(createObject),
    leaves: isLast ? [{ type: 'Task', key: 'b' }] : [],
    position: isLast ? null : String(at + 1),
    upTo: isLast ? 9 : null,
    ...{ remaining: keys.length - at - 1, bytes: (at + 1) * 100 },
  };
};

/**
 * Creates a server of a realm with a view. It answers a `subscribe` at once, and has three objects for it, one a page.
 */
export const createViewServer = (
  m: MarbleHelpers,
  { bound = {}, received = [], view, page, answers }: ViewScript = {},
) =>
  createAnsweringServer({
    bound: { head: 9, headBytes: 900, view: { mode: 'resync', scope: null }, ...bound },
    received,
    answers: (message) => {
      if (message.type === 'next') return page?.(message) ?? m.cold('--p', { p: createMembersPage(message) });
      if (message.type !== 'subscribe') return answers?.(message);
      const { session, number } = message;
      const usual = { scope: null, mode: 'resync' as const, objects: 3, rejections: [], version: 9 };
      const fields = view ? view(message) : {};
      return fields === null ? EMPTY : of<ServerMessage>({ type: 'view', session, number, ...usual, ...fields });
    },
  });

/** Emits messages one after the other. */
export const sendAll = (...messages: readonly ServerMessage[]): Observable<ServerMessage> => from(messages);

/**
 * Returns the messages of a client about views: `s1` asks for view 1, `n` for the first page of members, and `n2` for
 * the one after 2.
 */
export const viewMessagesOf = (received: readonly ClientMessage[]): readonly string[] =>
  received.flatMap((message) => {
    switch (message.type) {
      case 'subscribe':
        return [`s${message.number}`];
      case 'next':
        return [`n${message.position ?? ''}`];
      case 'received':
        return [`r${message.version}`];
      case 'mark':
        return [`m${message.request}`];
      default:
        return [];
    }
  });
