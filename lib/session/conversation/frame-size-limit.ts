import type { Changeset } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import { closeCodes, type ClientMessage, type ServerMessage } from '../../protocol/messages.js';
import { ConnectionError } from '../../transport/wire.js';
import { Disconnect, createTooLargeDisconnect } from '../connection/disconnect.js';

/** How large an upload may be, as far as the connection is known: something between may take less than the server. */
export interface FrameSizeLimit {
  /** Bytes of an upload of several changesets. */
  readonly pageBytesMax: () => number;
  /** Bytes of an upload of one. */
  readonly singleBytesMax: () => number;
}

/** The same, kept for a client: it outlives each connection. */
export interface FrameSizeTracker extends FrameSizeLimit {
  readonly recordSent: (message: ClientMessage) => void;
  readonly recordReceived: (message: ServerMessage) => void;
  /** The connection has ended with an error. Returns the drop that it means. */
  readonly convertError: (thrown: unknown) => unknown;
  /** The connection is gone. */
  readonly recordClosed: () => void;
}

/** What the frame of an upload takes besides its changesets, and a changeset besides its body, at most. */
const headBytes = 64;
const rowBytes = 40;

/** Bytes that the frame of an upload takes at most. */
export const uploadBytesOf = (changesets: readonly Pick<Changeset, 'body'>[]): number =>
  changesets.reduce((sum, { body }) => sum + body.byteLength + rowBytes, headBytes);

/** Smaller uploads than this are not tried: a changeset has to fit. */
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
 * Learns from connections that end with 1009 or 4413: the largest upload without an answer was too large for something
 * between. Pages become smaller then; one changeset that is too large alone is not sent any more, until a connection
 * ends for another reason: it may take more then.
 */
export const createFrameSizeTracker = (): FrameSizeTracker => {
  const flying = new Map<number, PendingUpload[]>();
  let page = Infinity;
  let single = Infinity;
  let wasTooLarge = false;

  const largest = (): PendingUpload | null => {
    let found: PendingUpload | null = null;
    for (const all of flying.values()) for (const each of all) if (each.bytes > (found?.bytes ?? 0)) found = each;
    return found;
  };
  const shrunk = (): boolean => {
    const last = largest();
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
      const all = flying.get(session) ?? [];
      flying.set(session, all);
      all.push({
        upTo: changesets.at(-1)?.version ?? 0,
        bytes: uploadBytesOf(changesets),
        hasSeveral: changesets.length > 1,
      });
    },
    recordReceived: (message) => {
      if (message.type === 'unbound' || (message.type === 'error' && message.session !== null))
        flying.delete(message.session ?? 0);
      if (message.type !== 'accepted' && message.type !== 'refused') return;
      const all = flying.get(message.session);
      while (all?.[0] !== undefined && all[0].upTo <= message.version) all.shift();
      if (all?.length === 0) flying.delete(message.session); // An idle session keeps nothing here.
    },
    convertError: (thrown) => {
      if (!isTooLarge(thrown) || thrown.failure.kind !== 'closed') return thrown;
      if (!shrunk()) return createTooLargeDisconnect(thrown.failure.code, thrown.failure.text);
      wasTooLarge = true;
      return new Disconnect({ ...thrown.failure, kind: 'closed-by-server' }, { retry: { after: 0 } });
    },
    recordClosed: () => {
      flying.clear();
      if (!wasTooLarge) single = Infinity;
      wasTooLarge = false;
    },
  };
};
