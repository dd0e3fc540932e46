import { concatAll, concatMap, map, type Observable, of, queueScheduler, reduce, subscribeOn } from 'rxjs';
import type { Clock } from '../../clock.js';
import type { ObjectState } from '../../merge/object-state.js';
import { encodeState } from '../../merge/state-codec.js';
import type { ServerObjectState } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Version } from '../../model/version.js';
import type { AppendBatch, PendingUpload, RejectedOutcome } from './append-batch.js';
import type { History } from '../history/history.js';
import { SessionFailure } from '../server-errors.js';
import { type IncomingChangeset, objectsOf, type RejectionDetails } from './incoming-changeset.js';
import { objectTextOf } from '../../model/object-key.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { HeadState } from '../history/head-state.js';
import type { Replica } from '../realms/replicas.js';
import { runInSlices } from '../history/object-slices.js';

/** A changeset of an upload that was rejected, in this batch or before. */
interface RejectedUpload {
  readonly incoming: IncomingChangeset;
  readonly rejection: RejectionDetails;
}

/** The rejections of a batch, by replica and client version. */
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
 * Returns the rejected changesets of an upload. Reasons of earlier rejections are read from the history. Emits once and
 * completes.
 */
const readRejectedUploads = (
  { replica, page }: PendingUpload,
  batchRejections: BatchRejections,
  { history }: RejectionPorts,
): Observable<readonly RejectedUpload[]> => {
  const all = page.filter(({ changeset }) => replica.rejected.has(changeset.version));
  if (all.length === 0) return of([]);
  const fresh = batchRejections.get(replica) ?? new Map<Version, RejectionDetails>();
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

/** Limit of the server states in one message. The rest of the message has room besides. */
const serverStateBytesMax = limits.messageBytesMax - limits.objectBytesMax;

/**
 * Reads the server states of all objects that a rejected changeset touched. An object that the user may not see is as
 * one that does not exist. Errors with a `SessionFailure` if they do not fit into one message.
 */
const readServerStates = (
  incoming: IncomingChangeset,
  scope: ServedScope | null,
  { headState, history: { projection }, clock }: RejectionPorts,
): Observable<readonly ServerObjectState[]> => {
  const touched = new Map(objectsOf(incoming).map(({ type, key }) => [objectTextOf(type, key), { type, key }]));
  let bytes = 0;
  const encodeKnown = (object: string, known: ObjectState | undefined): Uint8Array | null => {
    const target = touched.get(object);
    if (known === undefined || target === undefined) return null;
    if (scope?.hasState(target, known) === false) return null;
    const state = encodeState(known);
    bytes += state.byteLength + serverLimits.objectBytesMore;
    if (bytes <= serverStateBytesMax) return state;
    const text = `Changeset ${incoming.changeset.version} was rejected, and its server states have more than ${serverStateBytesMax} bytes.`;
    throw new SessionFailure('bad-changeset', text);
  };
  const readEncoded = (texts: readonly string[]) =>
    headState
      .readStates(texts)
      .pipe(map((states) => texts.map((text) => [text, encodeKnown(text, states.get(text))] as const)));
  return runInSlices(touched.keys(), readEncoded, { isLarge: (text) => projection.isLarge(text), clock }).pipe(
    reduce((all: ServerObjectState[], slice) => {
      for (const [text, state] of slice) {
        const target = touched.get(text);
        if (target) all.push({ ...target, state });
      }
      return all;
    }, []),
  );
};

/** Emits the rejections of an upload with their server states, one after the other. Only one is in memory at a time. */
export const readRejections = (
  upload: PendingUpload,
  batchRejections: BatchRejections,
  ports: RejectionPorts,
): Observable<RejectedOutcome> =>
  readRejectedUploads(upload, batchRejections, ports).pipe(
    concatAll(),
    concatMap(({ incoming, rejection }) => {
      const scope = upload.scope();
      return readServerStates(incoming, scope, ports).pipe(
        subscribeOn(queueScheduler), // Rejections that are read synchronously do not nest on the stack.
        map((serverStates) => ({
          rejected: { version: incoming.changeset.version, ...rejection, serverStates },
          scope,
        })),
      );
    }),
  );

/**
 * Returns the client version up to which a replica need not upload, given what it has acknowledged: before the first
 * rejection that it may not know yet.
 */
export const acceptedVersionOf = (accepted: Version, rejected: Iterable<Version>, acknowledged: Version): Version => {
  let known = accepted;
  for (const version of rejected) if (version > acknowledged) known = Math.min(known, version - 1);
  return known;
};
