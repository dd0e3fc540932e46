import type { Subscriber } from 'rxjs';
import { compareInstants, lastInstant } from '../merge/stamp.js';
import { bytesOf, type Changeset, type Instant, type Refusal } from '../model/changeset.js';
import { limits } from '../model/limits.js';
import type { Version } from '../model/version.js';
import type { User } from './access.js';
import { SessionFailure } from './failure.js';
import type { AcceptedRun, Addition, History, ReplicaRecord } from './history.js';
import type { Recorded } from './recorded.js';
import { type Incoming, objectsOf, refusedFor, type Verdict } from './incoming.js';
import type { Refusals } from './judge.js';
import type { Replica } from './replicas.js';
import { runAfter, runOf } from './runs.js';

/** What became of changesets: durable up to a version of their replica, or refused. */
export type Outcome = { readonly accepted: Version } | { readonly refused: Refusal };

/** Changesets that follow each other, and how each is read. */
export interface UploadedPage {
  readonly changesets: readonly Changeset[];
  readonly read: (changeset: Changeset) => Incoming;
}

/** A page of changesets that waits for an answer. */
export interface Upload {
  readonly replica: Replica;
  readonly user: User;
  readonly changesets: readonly Changeset[];
  /** What they say. Read when it is first asked for: what only waits takes no more than its bytes. */
  readonly page: readonly Incoming[];
  readonly answer: Subscriber<Outcome>;
}

export const uploadOf = (
  who: Pick<Upload, 'replica' | 'user' | 'answer'>,
  { changesets, read }: UploadedPage,
): Upload => {
  let page: readonly Incoming[] | null = null;
  return {
    ...who,
    changesets,
    get page() {
      return (page ??= changesets.map(read));
    },
  };
};

/** Bytes that an upload counts for in a batch, whatever becomes of it: also one that is refused, or came before, takes time. */
const weightOf = ({ page }: Upload): number =>
  page.reduce(
    (sum, { changeset, objects = [] }) => sum + bytesOf(changeset) + limits.objectBytesMore * objects.length,
    0,
  );

export const addUpload = (draft: Draft, upload: Upload): void => {
  draft.uploads.push(upload);
  draft.weight += weightOf(upload);
};

type Latest = Pick<Replica, 'stamp' | 'last' | 'run'>;

/** What goes into the history together, while it is put together, and who is told. */
export interface Draft {
  readonly uploads: Upload[];
  readonly changesets: { readonly recorded: Recorded; readonly incoming: Incoming }[];
  readonly refused: {
    readonly replica: Replica;
    readonly version: Version;
    readonly verdict: Verdict;
  }[];
  /** How far each replica's changesets are dealt with. */
  readonly accepted: Map<Replica, Version>;
  /** The last changeset of each replica that is dealt with: its stamp, and its run. */
  readonly latest: Map<Replica, Latest>;
  /** Runs that begin with it, in order. */
  readonly runs: { readonly replica: Replica; readonly run: AcceptedRun }[];
  /** What is wrong with uploads, of which what was before that is in the draft. */
  readonly failures: Map<Upload, unknown>;
  readonly head: Version;
  readonly before: number;
  bytes: number;
  /** Bytes of all uploads in it. */
  weight: number;
}

export const draftAfter = ({ log, bytes }: Pick<History, 'log' | 'bytes'>): Draft => ({
  uploads: [],
  changesets: [],
  refused: [],
  accepted: new Map(),
  latest: new Map(),
  runs: [],
  failures: new Map(),
  head: log.head,
  before: bytes,
  bytes: 0,
  weight: 0,
});

/** What of an upload is not dealt with yet; throws a `SessionFailure` when it is not the next. */
export const freshIn = (draft: Draft, { replica, page }: Upload, horizon: number): readonly Incoming[] => {
  const known = draft.accepted.get(replica) ?? replica.accepted;
  const [first] = page;
  const fresh =
    first !== undefined && first.changeset.version > known
      ? page
      : page.filter(({ changeset }) => changeset.version > known);
  const next = fresh[0]?.changeset.version;
  if (next !== undefined && next !== known + 1)
    throw new SessionFailure('bad-cursor', `changesets are missing between ${known} and ${next}`);
  if (horizon > 0 && fresh.some(({ changeset }) => changeset.time < horizon))
    throw new SessionFailure(
      'history-changed',
      'this was written so long ago that nobody knows any more what it would have to give way to',
    );
  return rising(fresh, (draft.latest.get(replica) ?? replica).last);
};

/** Changesets of a replica, those refused whose stamps are not later than the one before. */
const rising = (fresh: readonly Incoming[], before: Instant | null): readonly Incoming[] => {
  let last = before;
  return fresh.map((incoming) => {
    const { changeset, operations, verdict } = incoming;
    if (verdict !== undefined) return incoming;
    const isLate = last !== null && compareInstants(changeset, last) <= 0;
    if (!isLate) last = lastInstant(changeset, operations.length);
    return isLate
      ? refusedFor(changeset, 'bad-changeset', 'it is not stamped later than the one before it', objectsOf(incoming))
      : incoming;
  });
};

const pendingOf = (draft: Draft, replica: Replica): number =>
  replica.refused.size + draft.refused.reduce((sum, refused) => (refused.replica === replica ? sum + 1 : sum), 0);

/** Takes note of the last changeset of a replica that is dealt with, and of a run that begins with it. */
const note = ({ latest, runs }: Draft, replica: Replica, { changeset, operations, verdict }: Incoming): void => {
  const before = latest.get(replica) ?? replica;
  const { version, time, count } = changeset;
  const run = runAfter(before.run, runOf(replica.told, version), version);
  if (run !== null && run !== before.run) runs.push({ replica, run });
  // A refused changeset may have been withdrawn, or stamped with anything.
  const isKnown = verdict === undefined;
  latest.set(replica, {
    run,
    stamp: isKnown ? { time, count } : null,
    last: isKnown ? lastInstant(changeset, operations.length) : before.last,
  });
};

/** Puts what of an upload is fresh into the draft, or to what is refused, up to the limit of that. */
export const addTo = (
  draft: Draft,
  upload: Upload,
  fresh: readonly Incoming[],
  refusals: Refusals,
  pendingMax: number,
): void => {
  const { replica } = upload;
  let pending = refusals.size > 0 || fresh.some(({ verdict }) => verdict) ? pendingOf(draft, replica) : 0;
  let accepted = draft.accepted.get(replica) ?? replica.accepted;
  for (const incoming of fresh) {
    const { version, time, count, body } = incoming.changeset;
    const verdict = incoming.verdict ?? refusals.get(version);
    if (verdict !== undefined && pending >= pendingMax) {
      const text = `more than ${pendingMax} changesets were refused that this replica has not acknowledged`;
      draft.failures.set(upload, new SessionFailure('too-many-refused', text, { after: 0 }));
      break;
    }
    accepted = version;
    note(draft, replica, incoming);
    if (verdict !== undefined) {
      pending += 1;
      draft.refused.push({ replica, version, verdict });
      continue;
    }
    draft.bytes += bytesOf(incoming.changeset);
    const total = draft.before + draft.bytes;
    const place = draft.head + draft.changesets.length + 1;
    draft.changesets.push({ recorded: { version: place, origin: replica.id, time, count, body, total }, incoming });
  }
  draft.accepted.set(replica, accepted);
};

/** Whether it is enough for one batch. */
export const isFull = ({ weight, failures, uploads }: Draft): boolean => {
  const last = uploads.at(-1);
  return weight >= limits.intakeBytesMax || (last !== undefined && failures.has(last));
};

/** As the history takes it; `null`: there is nothing in it. */
export const additionOf = ({ head, changesets, accepted, latest, refused, runs }: Draft): Addition | null => {
  if (changesets.length === 0 && refused.length === 0) return null;
  const replicas = new Map<string, ReplicaRecord>();
  const refusing = new Set(refused.map(({ replica }) => replica));
  for (const [replica, version] of accepted) {
    const hasRefused = replica.refused.size > 0 || refusing.has(replica);
    const { stamp, run } = latest.get(replica) ?? replica;
    replicas.set(replica.id, { user: replica.user, accepted: version, hasRefused, stamp, run });
  }
  return {
    after: head,
    changesets: changesets.map(({ recorded }) => recorded),
    replicas,
    refused: refused.map(({ replica, version, verdict }) => ({ replica: replica.id, version, ...verdict })),
    runs: runs.map(({ replica, run }) => ({ replica: replica.id, run })),
  };
};
