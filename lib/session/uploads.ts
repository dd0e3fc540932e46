import { filter, map, type Observable } from 'rxjs';
import { bytesOf } from '../model/changeset.js';
import type { Version } from '../model/version.js';
import type { Bound, ClientMessage } from '../protocol/messages.js';
import type { FrameBound } from './frame-bound.js';
import { type Piece, piecesOf } from './upload-pieces.js';
import type { Talk } from './talk.js';

const lastOf = (piece: Piece | undefined): Version =>
  piece === undefined ? 0 : 'withdrawn' in piece ? piece.withdrawn.version : (piece.changesets.at(-1)?.version ?? 0);

const messageOf = ({ session, realm, cursors }: Talk, piece: Piece): ClientMessage => {
  if (!('withdrawn' in piece)) return { type: 'upload', session, changesets: piece.changesets };
  const { withdrawn, most } = piece;
  const { version, body } = withdrawn;
  cursors.withdrawn ??= new Map();
  cursors.withdrawn.set(version, `its changes have ${body.byteLength} bytes, and at most ${most} can be sent`);
  return { type: 'withdraw', session, version, code: 'too-large', objects: realm.objectsOf(withdrawn) };
};

/** Takes note of what is about to be said. */
const said = (talk: Talk, piece: Piece): ClientMessage => {
  const { cursors, pace, told } = talk;
  cursors.sent = lastOf(piece);
  pace.said(cursors.sent);
  const bytes = 'withdrawn' in piece ? 0 : piece.changesets.reduce((sum, each) => sum + bytesOf(each), 0);
  told.next({ type: 'sent', version: cursors.sent, bytes });
  return messageOf(talk, piece);
};

/**
 * What goes up after a bind, as it is written. Of a page that takes several messages only the first: the others follow one by one, each when the one
 * before has its answer, and no other page meanwhile, so that the window holds.
 */
export const uploading = (talk: Talk, bound: Bound, line: FrameBound): Observable<ClientMessage> => {
  const { realm, accepted, pace, cursors } = talk;
  return realm
    .uploads(cursors.sent, accepted, () => (cursors.rest === null ? pace.window() : 0))
    .pipe(
      map((page): ClientMessage | null => {
        if (talk.isLeft()) return null;
        const [first = { changesets: page }, ...rest] = piecesOf(page, bound, line);
        if (rest.length > 0) cursors.rest = rest;
        return said(talk, first);
      }),
      filter((message) => message !== null),
    );
};

/** Everything up to a version has its answer: goes on with the rest of a page. */
export const answeredUpTo = (talk: Talk, version: Version): void => {
  const { cursors, answers, accepted } = talk;
  const [next, ...more] = version >= cursors.sent ? (cursors.rest ?? []) : [];
  if (next) {
    cursors.rest = more.length > 0 ? more : null;
    answers.next(said(talk, next));
  }
  accepted.next(version);
};
