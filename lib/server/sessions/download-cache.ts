import type { Download } from '../../protocol/messages.js';

/**
 * Downloads of one realm that several sessions get as one message, so that it is one frame: all who follow the head
 * under the same number.
 */
export interface DownloadCache {
  /** The same message as another session was given just now, if there was one; else this one, for the next. */
  readonly reuse: (message: Download) => Download;
}

/** Messages that are remembered: the last few pages, under the few numbers that clients give their sessions. */
const messagesMax = 8;

const isSameDownload = (a: Download, b: Download): boolean =>
  a.upTo === b.upTo &&
  a.session === b.session &&
  a.remaining === b.remaining &&
  a.bytes === b.bytes &&
  a.remainingBytes === b.remainingBytes &&
  a.changesets.length === b.changesets.length &&
  a.changesets.every((changeset, index) => changeset === b.changesets[index]);

export const createDownloadCache = (): DownloadCache => {
  const last: Download[] = [];
  return {
    reuse: (message) => {
      const found = last.find((other) => isSameDownload(other, message));
      if (found) return found;
      last.push(message);
      if (last.length > messagesMax) last.shift();
      return message;
    },
  };
};
