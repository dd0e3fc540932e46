import type { ObjectState } from '../merge/object.js';
import { encodeState } from '../merge/state.js';
import type { Refusal, Standing } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { Upload } from './draft.js';
import { SessionFailure } from './failure.js';
import { type Incoming, objectsOf, type Verdict } from './incoming.js';
import { objectText } from './objectkeys.js';
import { textsIn } from './judge.js';

/** A changeset of an upload that was refused, now or earlier. */
export interface RefusedUpload {
  readonly upload: Upload;
  readonly incoming: Incoming;
  readonly verdict: Verdict;
}

/** What of some uploads has been refused. */
export const refusedIn = (uploads: readonly Upload[]): readonly RefusedUpload[] =>
  uploads.flatMap((upload) => {
    const { refused } = upload.replica;
    if (refused.size === 0) return [];
    return upload.page.flatMap((incoming) => {
      const verdict = refused.get(incoming.changeset.version);
      return verdict === undefined ? [] : [{ upload, incoming, verdict }];
    });
  });

export const textsOfRefused = (all: readonly RefusedUpload[]): ReadonlySet<string> =>
  textsIn(all.map(({ incoming }) => incoming));

/** A message in parts has room for so much, and for what else is in it. */
const standingBytesMax = limits.messageBytesMax - limits.objectBytesMax;

/** What stands instead of a changeset: of every object that it touched. */
const standingOf = (incoming: Incoming, states: ReadonlyMap<string, ObjectState>): readonly Standing[] => {
  const touched = new Map(objectsOf(incoming).map(({ type, key }) => [objectText(type, key), { type, key }]));
  let bytes = 0;
  return [...touched].map(([text, target]) => {
    const known = states.get(text);
    const state = known === undefined ? null : encodeState(known);
    bytes += state === null ? 0 : state.byteLength + limits.objectBytesMore;
    if (bytes > standingBytesMax) {
      const why = `changeset ${incoming.changeset.version} was refused, and what stands instead has more than ${standingBytesMax} bytes`;
      throw new SessionFailure('bad-changeset', why);
    }
    return { ...target, state };
  });
};

/** As they are told; of an upload one of whose refusals is too large to be told, only those before it, and `failed` hears why. */
export const refusalsOf = (
  all: readonly RefusedUpload[],
  states: ReadonlyMap<string, ObjectState>,
  failed: (upload: Upload, thrown: unknown) => void,
): ReadonlyMap<Upload, readonly Refusal[]> => {
  const refusals = new Map<Upload, Refusal[]>();
  const broken = new Set<Upload>();
  for (const { upload, incoming, verdict } of all) {
    if (broken.has(upload)) continue;
    const known = refusals.get(upload) ?? [];
    try {
      known.push({
        version: incoming.changeset.version,
        ...verdict,
        standing: standingOf(incoming, states),
      });
      refusals.set(upload, known);
    } catch (thrown) {
      broken.add(upload);
      failed(upload, thrown);
    }
  }
  return refusals;
};

/** The client version up to which a replica that has acknowledged so much need not upload: before the first refusal that it may not have heard of. */
export const acceptedFor = (accepted: Version, refused: Iterable<Version>, acknowledged: Version): Version => {
  let known = accepted;
  for (const version of refused) if (version > acknowledged) known = Math.min(known, version - 1);
  return known;
};
