import type { Download } from '../../protocol/messages.js';

/**
 * Shares equal downloads of one realm between sessions, so that each is encoded once. Sessions that follow the head
 * under the same session number get equal downloads.
 */
export interface DownloadCache {
  /** Returns the equal message that another session got recently; otherwise keeps and returns this message. */
  readonly reuse: (message: Download) => Download;
}

/** Number of messages that are kept: the latest pages, under the few session numbers that clients use. */
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
