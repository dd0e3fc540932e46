import { map, type Observable, of } from 'rxjs';
import type { StoredObject } from '../../lib/model/changeset.js';
import type { Bound, ClientMessage, Fetch, ServerMessage } from '../../lib/protocol/messages.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { createAnsweringServer } from './test-kit.js';

export const createObject = (key: string): StoredObject => ({
  type: 'Task',
  key,
  state: Uint8Array.of(key.charCodeAt(0)),
});
export const keys = ['a', 'b', 'c'];

/** Creates the page that follows an object, or the first one. */
export const createPageFor = ({ session, version, after }: Fetch, more: object = {}): ServerMessage => {
  const index = after === null ? 0 : keys.indexOf(String(after.key)) + 1;
  const objects = keys.slice(index, index + 1).map(createObject);
  const upTo = index + objects.length;
  return {
    ...{ type: 'snapshot', session, version, objects, remaining: keys.length - upTo, bytes: upTo * 100 },
    ...more,
  };
};

export interface SnapshotScript {
  readonly bound?: Partial<Bound>;
  readonly received?: ClientMessage[];
  /** Answers a `fetch`, after 2 ms by default. */
  readonly page?: (message: Fetch) => Observable<ServerMessage> | undefined;
}

/**
 * Creates a server that makes every client begin with the snapshot of version 6 of 9. It has three objects, one a page.
 */
export const createSnapshotServer = (m: MarbleHelpers, { bound = {}, received = [], page }: SnapshotScript = {}) =>
  createAnsweringServer({
    bound: { head: 9, headBytes: 900, snapshot: 6, ...bound },
    received,
    answers: (message) => {
      if (message.type === 'fetch') return page?.(message) ?? m.cold('--p', { p: createPageFor(message) });
      if (message.type !== 'received' || message.version !== 6) return undefined;
      const { session } = message;
      const rest = { changesets: [], upTo: 9, remaining: 0, bytes: 900, remainingBytes: 0 };
      return of<ServerMessage>({ type: 'download', session, ...rest });
    },
  });

/** Returns the objects after which the client requested pages. */
export const fetchesOf = (received: readonly ClientMessage[]) =>
  received.flatMap((message) => (message.type === 'fetch' ? [message.after?.key ?? 'first'] : []));
export const typesOf = (received: readonly ClientMessage[]) => received.map(({ type }) => type);
export const failuresOf = (session: {
  readonly errors$: Observable<{ readonly code: string; readonly message: string }>;
}) => session.errors$.pipe(map(({ code, message }) => `${code}: ${message}`));

export const wholeSnapshot = { version: 6, objects: keys.map(createObject), bytes: 300, remainingBytes: 600 };
