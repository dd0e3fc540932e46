import { concatAll, concatMap, map, type Observable, of, queueScheduler, reduce, subscribeOn } from 'rxjs';
import type { Clock } from '../clock.js';
import type { ObjectState } from '../merge/object.js';
import { encodeState } from '../merge/state.js';
import type { Refusal, Standing } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Draft, Upload } from './draft.js';
import type { History } from './history.js';
import { SessionFailure } from './failure.js';
import { type Incoming, objectsOf, type Verdict } from './incoming.js';
import { objectText } from './objectkeys.js';
import type { Present } from './present.js';
import type { Replica } from './replicas.js';
import { sliced } from './slices.js';

/** A changeset of an upload that was refused, now or earlier. */
interface RefusedUpload {
  readonly incoming: Incoming;
  readonly verdict: Verdict;
}

/** What a batch has refused, by the replicas that wrote it. */
type FreshVerdicts = ReadonlyMap<Replica, ReadonlyMap<Version, Verdict>>;

export const verdictsIn = ({ refused }: Pick<Draft, 'refused'>): FreshVerdicts => {
  const all = new Map<Replica, Map<Version, Verdict>>();
  for (const { replica, version, verdict } of refused) {
    const known = all.get(replica);
    if (known) known.set(version, verdict);
    else all.set(replica, new Map([[version, verdict]]));
  }
  return all;
};

/** What of an upload has been refused; the verdicts of what was refused earlier are read from the history. Emits once and completes. */
const refusedIn = (
  { replica, page }: Upload,
  verdicts: FreshVerdicts,
  { history }: RefusalPorts,
): Observable<readonly RefusedUpload[]> => {
  const all = page.filter(({ changeset }) => replica.refused.has(changeset.version));
  if (all.length === 0) return of([]);
  const fresh = verdicts.get(replica) ?? new Map<Version, Verdict>();
  const isFresh = all.every(({ changeset }) => fresh.has(changeset.version));
  const earlier$ = isFresh ? of([]) : history.refused(replica.id);
  return earlier$.pipe(
    map((earlier) => {
      const known = new Map<Version, Verdict>(earlier.map(({ version, writes, code }) => [version, { writes, code }]));
      return all.flatMap((incoming) => {
        const { version } = incoming.changeset;
        const verdict = fresh.get(version) ?? known.get(version);
        return verdict === undefined ? [] : [{ incoming, verdict }];
      });
    }),
  );
};

export interface RefusalPorts {
  readonly present: Pick<Present, 'states'>;
  readonly history: Pick<History, 'refused' | 'projection'>;
  readonly clock: Pick<Clock, 'scheduler'>;
}

/** A message in parts has room for so much, and for what else is in it. */
const standingBytesMax = limits.messageBytesMax - limits.objectBytesMax;

/** What stands instead of a changeset: of every object that it touched. Errors with a `SessionFailure` when that is too much to be said. */
const standingOf = (
  incoming: Incoming,
  { present, history: { projection }, clock }: RefusalPorts,
): Observable<readonly Standing[]> => {
  const touched = new Map(objectsOf(incoming).map(({ type, key }) => [objectText(type, key), { type, key }]));
  let bytes = 0;
  const encoded = (known: ObjectState | undefined): Uint8Array | null => {
    if (known === undefined) return null;
    const state = encodeState(known);
    bytes += state.byteLength + limits.objectBytesMore;
    if (bytes <= standingBytesMax) return state;
    const why = `changeset ${incoming.changeset.version} was refused, and what stands instead has more than ${standingBytesMax} bytes`;
    throw new SessionFailure('bad-changeset', why);
  };
  const encodedIn = (texts: readonly string[]) =>
    present.states(texts).pipe(map((states) => texts.map((text) => [text, encoded(states.get(text))] as const)));
  return sliced(touched.keys(), encodedIn, { isLarge: projection.isLarge, clock }).pipe(
    reduce((all: Standing[], slice) => {
      for (const [text, state] of slice) {
        const target = touched.get(text);
        if (target) all.push({ ...target, state });
      }
      return all;
    }, []),
  );
};

/** What of an upload is refused, as it is told, one after the other: in memory is one at a time. */
export const refusalsOf = (upload: Upload, verdicts: FreshVerdicts, ports: RefusalPorts): Observable<Refusal> =>
  refusedIn(upload, verdicts, ports).pipe(
    concatAll(),
    concatMap(({ incoming, verdict }) =>
      standingOf(incoming, ports).pipe(
        subscribeOn(queueScheduler), // Many that are at hand are not each deeper in the stack.
        map((standing) => ({ version: incoming.changeset.version, ...verdict, standing })),
      ),
    ),
  );

/** The client version up to which a replica that has acknowledged so much need not upload: before the first refusal that it may not have heard of. */
export const acceptedFor = (accepted: Version, refused: Iterable<Version>, acknowledged: Version): Version => {
  let known = accepted;
  for (const version of refused) if (version > acknowledged) known = Math.min(known, version - 1);
  return known;
};
