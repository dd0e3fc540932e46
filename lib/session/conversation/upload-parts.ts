import type { Changeset } from '../../model/changeset.js';
import type { Bound } from '../../protocol/messages.js';
import { type FrameSizeLimit, uploadBytesOf } from './frame-size-limit.js';

/**
 * The content of one message: some changesets, or one that is withdrawn because at most `bytesMax` bytes can be sent.
 */
export type UploadPart =
  { readonly changesets: readonly Changeset[] } | { readonly withdrawn: Changeset; readonly bytesMax: number };

/** Splits a page into parts that the server and the connection accept. */
export const splitPage = (
  page: readonly Changeset[],
  { limits, frameBytesMax }: Pick<Bound, 'limits' | 'frameBytesMax'>,
  frames: FrameSizeLimit,
): readonly UploadPart[] => {
  const bodyMost = Math.min(
    limits.changesetBytesMax,
    Math.min(frameBytesMax, frames.singleBytesMax()) - uploadBytesOf([emptyChangeset]),
  );
  const pageMost = Math.min(frameBytesMax, frames.pageBytesMax());
  if (uploadBytesOf(page) <= pageMost && page.every(({ body }) => body.byteLength <= bodyMost))
    return [{ changesets: page }];
  const parts: UploadPart[] = [];
  let waiting: Changeset[] = [];
  let bytes = 0;
  const close = (): void => {
    if (waiting.length > 0) parts.push({ changesets: waiting });
    waiting = [];
    bytes = 0;
  };
  for (const changeset of page) {
    const isTooLarge = changeset.body.byteLength > bodyMost;
    if (isTooLarge || bytes + uploadBytesOf([changeset]) > pageMost) close();
    if (isTooLarge) parts.push({ withdrawn: changeset, bytesMax: bodyMost });
    else {
      waiting.push(changeset);
      bytes += uploadBytesOf([changeset]);
    }
  }
  close();
  return parts;
};

const emptyChangeset = { body: new Uint8Array(0) };
