import { map, type Observable, of } from 'rxjs';
import type { StoredObject } from '../../lib/model/changeset.js';
import type { Bound, ClientMessage, Fetch, ServerMessage } from '../../lib/protocol/messages.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { answering } from './kit.js';

export const object = (key: string): StoredObject => ({ type: 'Task', key, state: Uint8Array.of(key.charCodeAt(0)) });
export const keys = ['a', 'b', 'c'];

/** The page of one object after another. */
export const pageFor = ({ session, version, after }: Fetch, more: object = {}): ServerMessage => {
  const index = after === null ? 0 : keys.indexOf(String(after.key)) + 1;
  const objects = keys.slice(index, index + 1).map(object);
  const upTo = index + objects.length;
  return {
    ...{ type: 'snapshot', session, version, objects, remaining: keys.length - upTo, bytes: upTo * 100 },
    ...more,
  };
};

export interface Given {
  readonly bound?: Partial<Bound>;
  readonly heard?: ClientMessage[];
  /** Answers a `fetch`; with the page after 2 ms unless given. */
  readonly page?: (message: Fetch) => Observable<ServerMessage> | undefined;
}

/** A server that has everybody begin with the snapshot of version 6 of 9, of three objects, one a page. */
export const server = (m: MarbleHelpers, { bound = {}, heard = [], page }: Given = {}) =>
  answering({
    bound: { head: 9, headBytes: 900, snapshot: 6, ...bound },
    heard,
    answers: (message) => {
      if (message.type === 'fetch') return page?.(message) ?? m.cold('--p', { p: pageFor(message) });
      if (message.type !== 'received' || message.version !== 6) return undefined;
      const { session } = message;
      const rest = { changesets: [], upTo: 9, remaining: 0, bytes: 900, remainingBytes: 0 };
      return of<ServerMessage>({ type: 'download', session, ...rest });
    },
  });

/** After which objects it asked. */
export const fetches = (heard: readonly ClientMessage[]) =>
  heard.flatMap((message) => (message.type === 'fetch' ? [message.after?.key ?? 'first'] : []));
export const said = (heard: readonly ClientMessage[]) => heard.map(({ type }) => type);
export const fails = (session: { readonly errors$: Observable<{ readonly code: string; readonly message: string }> }) =>
  session.errors$.pipe(map(({ code, message }) => `${code}: ${message}`));

export const whole = { version: 6, objects: keys.map(object), bytes: 300, remainingBytes: 600 };
