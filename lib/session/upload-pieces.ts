import type { Changeset } from '../model/changeset.js';
import type { Bound } from '../protocol/messages.js';
import { type FrameBound, uploadBytes } from './frame-bound.js';

/** What may go up in one message: some changesets, or one that is withdrawn because only so many bytes can be sent. */
export type Piece =
  { readonly changesets: readonly Changeset[] } | { readonly withdrawn: Changeset; readonly most: number };

/** Cuts a page into what the server and the line take. */
export const piecesOf = (
  page: readonly Changeset[],
  { limits, frameBytesMax }: Pick<Bound, 'limits' | 'frameBytesMax'>,
  line: FrameBound,
): readonly Piece[] => {
  const bodyMost = Math.min(
    limits.changesetBytesMax,
    Math.min(frameBytesMax, line.singleMost()) - uploadBytes([empty]),
  );
  const pageMost = Math.min(frameBytesMax, line.pageMost());
  if (uploadBytes(page) <= pageMost && page.every(({ body }) => body.byteLength <= bodyMost))
    return [{ changesets: page }];
  const pieces: Piece[] = [];
  let waiting: Changeset[] = [];
  let bytes = 0;
  const close = (): void => {
    if (waiting.length > 0) pieces.push({ changesets: waiting });
    waiting = [];
    bytes = 0;
  };
  for (const changeset of page) {
    const isTooLarge = changeset.body.byteLength > bodyMost;
    if (isTooLarge || bytes + uploadBytes([changeset]) > pageMost) close();
    if (isTooLarge) pieces.push({ withdrawn: changeset, most: bodyMost });
    else {
      waiting.push(changeset);
      bytes += uploadBytes([changeset]);
    }
  }
  close();
  return pieces;
};

const empty = { body: new Uint8Array(0) };
