import type { Changeset } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import { ConnectionError } from '../../transport/wire.js';
import { Disconnect, createTooLargeDisconnect } from '../connection/disconnect.js';

/** The size limit of uploads, as far as it is known: a proxy may accept less than the server. */
export interface FrameSizeLimit {
  /** Bytes of an upload of several changesets. */
  readonly pageBytesMax: () => number;
  /** Bytes of an upload of one changeset. */
  readonly singleBytesMax: () => number;
}

/** Learns the size limit of uploads. Belongs to a client, and outlives each connection. */
export interface FrameSizeTracker extends FrameSizeLimit {
  readonly recordSent: (message: ClientMessage) => void;
  readonly recordReceived: (message: ServerMessage) => void;
  /** The connection has ended with an error. Returns the disconnect to report. */
  readonly convertError: (thrown: unknown) => unknown;
  /** The connection has ended. */
  readonly recordClosed: () => void;
}

/** Bytes of an upload's frame besides its changesets, at most; and bytes of a changeset besides its body, at most. */
const headBytes = 64;
const rowBytes = 40;

/** Returns the bytes of an upload's frame, at most. */
export const uploadBytesOf = (changesets: readonly Pick<Changeset, 'body'>[]): number =>
  changesets.reduce((sum, { body }) => sum + body.byteLength + rowBytes, headBytes);

/** Smaller uploads are not tried, because a changeset has to fit. */
const uploadBytesMin = 256;

interface PendingUpload {
  readonly upTo: Version;
  readonly bytes: number;
  readonly hasSeveral: boolean;
}

const isTooLarge = (thrown: unknown): thrown is ConnectionError =>
  thrown instanceof ConnectionError &&
  thrown.failure.kind === 'closed' &&
  (thrown.failure.code === 1009 || thrown.failure.code === closeCodes.tooLarge);

/**
 * Creates a tracker that learns from connections that end with code 1009 or 4413.
 *
 * After such an end the largest unanswered upload was too large for a proxy or the server. Pages become smaller
 * from then on. A single changeset that is too large is not sent again, until a connection ends for another reason:
 * then the limit may have changed.
 */
export const createFrameSizeTracker = (): FrameSizeTracker => {
  const unanswered = new Map<number, PendingUpload[]>();
  let page = Infinity;
  let single = Infinity;
  let wasTooLarge = false;

  const findLargest = (): PendingUpload | null => {
    let found: PendingUpload | null = null;
    for (const all of unanswered.values()) for (const each of all) if (each.bytes > (found?.bytes ?? 0)) found = each;
    return found;
  };
  const shrink = (): boolean => {
    const last = findLargest();
    if (last === null) return false;
    const next = last.hasSeveral ? Math.floor(last.bytes / 2) : last.bytes - 1;
    page = Math.min(page, next);
    if (!last.hasSeveral) single = Math.min(single, next);
    return next >= uploadBytesMin;
  };

  return {
    pageBytesMax: () => page,
    singleBytesMax: () => single,
    recordSent: (message) => {
      if (message.type !== 'upload') return;
      const { session, changesets } = message;
      const all = unanswered.get(session) ?? [];
      unanswered.set(session, all);
      all.push({
        upTo: changesets.at(-1)?.version ?? 0,
        bytes: uploadBytesOf(changesets),
        hasSeveral: changesets.length > 1,
      });
    },
    recordReceived: (message) => {
      if (message.type === 'unbound' || (message.type === 'error' && message.session !== null))
        unanswered.delete(message.session ?? 0);
      if (message.type !== 'accepted' && message.type !== 'refused') return;
      const all = unanswered.get(message.session);
      while (all?.[0] !== undefined && all[0].upTo <= message.version) all.shift();
      if (all?.length === 0) unanswered.delete(message.session); // An idle session has no entry.
    },
    convertError: (thrown) => {
      if (!isTooLarge(thrown) || thrown.failure.kind !== 'closed') return thrown;
      if (!shrink()) return createTooLargeDisconnect(thrown.failure.code, thrown.failure.text);
      wasTooLarge = true;
      return new Disconnect({ ...thrown.failure, kind: 'closed-by-server' }, { retry: { after: 0 } });
    },
    recordClosed: () => {
      unanswered.clear();
      if (!wasTooLarge) single = Infinity;
      wasTooLarge = false;
    },
  };
};
