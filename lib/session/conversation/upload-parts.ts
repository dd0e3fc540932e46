import type { Changeset } from '../../model/changeset.js';
import type { Bound } from '../../protocol/messages.js';
import { type FrameSizeLimit, uploadBytesOf } from './frame-size-limit.js';

/** What may go up in one message: some changesets, or one that is withdrawn because only so many bytes can be sent. */
export type UploadPart =
  { readonly changesets: readonly Changeset[] } | { readonly withdrawn: Changeset; readonly bytesMax: number };

/** Cuts a page into what the server and the line take. */
export const splitPage = (
  page: readonly Changeset[],
  { limits, frameBytesMax }: Pick<Bound, 'limits' | 'frameBytesMax'>,
  line: FrameSizeLimit,
): readonly UploadPart[] => {
  const bodyMost = Math.min(
    limits.changesetBytesMax,
    Math.min(frameBytesMax, line.singleBytesMax()) - uploadBytesOf([emptyChangeset]),
  );
  const pageMost = Math.min(frameBytesMax, line.pageBytesMax());
  if (uploadBytesOf(page) <= pageMost && page.every(({ body }) => body.byteLength <= bodyMost))
    return [{ changesets: page }];
  const pieces: UploadPart[] = [];
  let waiting: Changeset[] = [];
  let bytes = 0;
  const close = (): void => {
    if (waiting.length > 0) pieces.push({ changesets: waiting });
    waiting = [];
    bytes = 0;
  };
  for (const changeset of page) {
    const isTooLarge = changeset.body.byteLength > bodyMost;
    if (isTooLarge || bytes + uploadBytesOf([changeset]) > pageMost) close();
    if (isTooLarge) pieces.push({ withdrawn: changeset, bytesMax: bodyMost });
    else {
      waiting.push(changeset);
      bytes += uploadBytesOf([changeset]);
    }
  }
  close();
  return pieces;
};

const emptyChangeset = { body: new Uint8Array(0) };
