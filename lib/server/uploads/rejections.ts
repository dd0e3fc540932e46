import { concatAll, concatMap, map, type Observable, of, queueScheduler, reduce, subscribeOn } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import type { RejectedChangeset, ServerObjectState } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { AppendBatch, PendingUpload } from './append-batch.js';
import type { History } from '../history/history.js';
import { SessionFailure } from '../server-errors.js';
import { type IncomingChangeset, objectsOf, type RejectionDetails } from './incoming-changeset.js';
import { objectTextOf } from '../history/object-keys.js';
import type { HeadState } from '../history/head-state.js';
import type { Replica } from '../realms/replicas.js';
import { runInSlices } from '../history/object-slices.js';

/** A changeset of an upload that was refused, now or earlier. */
interface RejectedUpload {
  readonly incoming: IncomingChangeset;
  readonly rejection: RejectionDetails;
}

/** What a batch has refused, by the replicas that wrote it. */
type BatchRejections = ReadonlyMap<Replica, ReadonlyMap<Version, RejectionDetails>>;

export const batchRejectionsOf = ({ rejected }: Pick<AppendBatch, 'rejected'>): BatchRejections => {
  const all = new Map<Replica, Map<Version, RejectionDetails>>();
  for (const { replica, version, rejection } of rejected) {
    const known = all.get(replica);
    if (known) known.set(version, rejection);
    else all.set(replica, new Map([[version, rejection]]));
  }
  return all;
};

/**
 * What of an upload has been refused; the verdicts of what was refused earlier are read from the history. Emits once
 * and completes.
 */
const readRejectedUploads = (
  { replica, page }: PendingUpload,
  verdicts: BatchRejections,
  { history }: RejectionPorts,
): Observable<readonly RejectedUpload[]> => {
  const all = page.filter(({ changeset }) => replica.rejected.has(changeset.version));
  if (all.length === 0) return of([]);
  const fresh = verdicts.get(replica) ?? new Map<Version, RejectionDetails>();
  const isFresh = all.every(({ changeset }) => fresh.has(changeset.version));
  const earlier$ = isFresh ? of([]) : history.readRejected(replica.id);
  return earlier$.pipe(
    map((earlier) => {
      const known = new Map<Version, RejectionDetails>(
        earlier.map(({ version, writes, code }) => [version, { writes, code }]),
      );
      return all.flatMap((incoming) => {
        const { version } = incoming.changeset;
        const rejection = fresh.get(version) ?? known.get(version);
        return rejection === undefined ? [] : [{ incoming, rejection }];
      });
    }),
  );
};

export interface RejectionPorts {
  readonly headState: Pick<HeadState, 'readStates'>;
  readonly history: Pick<History, 'readRejected' | 'projection'>;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/** A message in parts has room for so much, and for what else is in it. */
const serverStateBytesMax = limits.messageBytesMax - limits.objectBytesMax;

/**
 * What stands instead of a changeset: of every object that it touched. Errors with a `SessionFailure` when that is too
 * much to be said.
 */
const readServerStates = (
  incoming: IncomingChangeset,
  { headState, history: { projection }, clock }: RejectionPorts,
): Observable<readonly ServerObjectState[]> => {
  const touched = new Map(objectsOf(incoming).map(({ type, key }) => [objectTextOf(type, key), { type, key }]));
  let bytes = 0;
  const encoded = (known: ObjectState | undefined): Uint8Array | null => {
    if (known === undefined) return null;
    const state = encodeState(known);
    bytes += state.byteLength + limits.objectBytesMore;
    if (bytes <= serverStateBytesMax) return state;
    const why = `changeset ${incoming.changeset.version} was refused, and what stands instead has more than ${serverStateBytesMax} bytes`;
    throw new SessionFailure('bad-changeset', why);
  };
  const encodedIn = (texts: readonly string[]) =>
    headState.readStates(texts).pipe(map((states) => texts.map((text) => [text, encoded(states.get(text))] as const)));
  return runInSlices(touched.keys(), encodedIn, { isLarge: projection.isLarge, clock }).pipe(
    reduce((all: ServerObjectState[], slice) => {
      for (const [text, state] of slice) {
        const target = touched.get(text);
        if (target) all.push({ ...target, state });
      }
      return all;
    }, []),
  );
};

/** What of an upload is refused, as it is told, one after the other: in memory is one at a time. */
export const readRejections = (
  upload: PendingUpload,
  verdicts: BatchRejections,
  ports: RejectionPorts,
): Observable<RejectedChangeset> =>
  readRejectedUploads(upload, verdicts, ports).pipe(
    concatAll(),
    concatMap(({ incoming, rejection }) =>
      readServerStates(incoming, ports).pipe(
        subscribeOn(queueScheduler), // Many that are at hand are not each deeper in the stack.
        map((serverStates) => ({ version: incoming.changeset.version, ...rejection, serverStates })),
      ),
    ),
  );

/**
 * The client version up to which a replica that has acknowledged so much need not upload: before the first refusal that
 * it may not have heard of.
 */
export const acceptedVersionOf = (accepted: Version, refused: Iterable<Version>, acknowledged: Version): Version => {
  let known = accepted;
  for (const version of refused) if (version > acknowledged) known = Math.min(known, version - 1);
  return known;
};
