import { totalBytesOf } from '../../model/changeset.js';
import type { ClientMessage, ServerMessage } from '../../protocol/messages.js';

/**
 * Speed of the slowest supported link. A slower one counts as stalled when a single changeset is larger than a page.
 */
export const slowestBytesPerMs = 16;

/** The uploads on one connection that the server has not answered. */
export interface InFlightBytes {
  readonly recordSent: (message: ClientMessage) => void;
  readonly recordReceived: (message: ServerMessage) => void;
  /** Milliseconds that the slowest link needs for these uploads. A ping behind them cannot be answered sooner. */
  readonly transferMs: () => number;
}

export const createInFlightBytes = (): InFlightBytes => {
  const uploads = new Map<number, readonly { readonly version: number; readonly bytes: number }[]>();
  return {
    recordSent: (message) => {
      if (message.type === 'unbind') uploads.delete(message.session);
      if (message.type !== 'upload') return;
      const { session, changesets } = message;
      const bytes = totalBytesOf(changesets);
      uploads.set(session, [...(uploads.get(session) ?? []), { version: changesets.at(-1)?.version ?? 0, bytes }]);
    },
    recordReceived: (message) => {
      if (message.type !== 'accepted') return;
      const { session, version } = message;
      const left = uploads.get(session)?.filter((each) => each.version > version) ?? [];
      if (left.length > 0) uploads.set(session, left);
      else uploads.delete(session);
    },
    transferMs: () => [...uploads.values()].flat().reduce((sum, { bytes }) => sum + bytes, 0) / slowestBytesPerMs,
  };
};
