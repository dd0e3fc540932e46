import { bug, type Bug } from './bug.js';

/** Bugs of the server. */
export const serverBugs: readonly Bug[] = [
  bug(
    'a server forgets what it has of a replica',
    'server/intake.js',
    'replica.accepted = Math.max(replica.accepted, version);',
    ';',
  ),
  bug(
    'a server acknowledges before it is durable',
    'server/embedded.js',
    'storage.batch(changes, { durable: true }), told$',
    'storage.batch(changes, { durable: false }), told$',
  ),
  bug(
    "a replica's cursor is not in the batch of its changesets",
    'server/embedded.js',
    'changes.push(put(id, record));',
    ';',
  ),
  bug(
    'a history forgets the refusals of a batch',
    'server/embedded.js',
    "changes.push({ type: 'put', key: refusedKey(replica, version), value: verdictBytes(verdict) });",
    ';',
  ),
  bug(
    'a bind says that refused changesets are done with',
    'server/refusals.js',
    'known = Math.min(known, version - 1);',
    ';',
  ),
  bug(
    'a server asks nobody whether a write may be',
    'server/judge.js',
    'return refusedOf(asking, user, writes).pipe(',
    'return of([]).pipe(',
  ),
  bug(
    'the objects of a server leave out a page of its history',
    'server/projection.js',
    'changesOf(steps, known, before, slice, large)',
    'changesOf(steps, known, before, slice.slice(1), large)',
  ),
  bug(
    'a snapshot leaves out its last object',
    'server/snapshots.js',
    'objects: rows.map(objectIn)',
    'objects: rows.slice(0, -1).map(objectIn)',
  ),
  bug(
    'after a snapshot downloads begin one version late',
    'server/reading.js',
    'follow(version);\n                return;',
    'follow(version + 1);\n                return;',
  ),
  bug(
    'a history is never trimmed',
    'server/upkeep.js',
    'return to - log.floor < limits.trimEntriesMin ? of(false) :',
    'return to - log.floor < Infinity ? of(false) :',
  ),
  bug(
    'a page of uploads is accepted before what was refused of the next one is told',
    'server/intake.js',
    'answer.next({ accepted: cut.has(replica) ? Math.min(version, changesets.at(-1)?.version ?? 0) : version });',
    'answer.next({ accepted: version });',
  ),
  bug(
    'a page of which too much is refused counts as a whole',
    'server/draft.js',
    'draft.accepted.set(replica, accepted);',
    'draft.accepted.set(replica, fresh.at(-1)?.changeset.version ?? accepted);',
  ),
  bug(
    'after a clean batch and a restart refusals are forgotten',
    'server/draft.js',
    'const hasRefused = replica.refused.size > 0 || refusing.has(replica);',
    'const hasRefused = refusing.has(replica);',
  ),
  bug(
    'a server forgets a refusal that nobody has heard of',
    'server/admission.js',
    'filter((version) => version <= acknowledged);',
    'filter((version) => version <= acknowledged + 1);',
  ),
  bug('a refusal is not told again', 'server/intake.js', 'replica.refused.add(version);', ';'),
  bug(
    'a late answer about an old token counts',
    'server/identity.js',
    'if (number < answered)\n                return;',
    '',
  ),
  bug(
    'a token that is renewed does not make the connection last longer',
    'server/identity.js',
    'ends.at(user.expiresAt ?? Infinity);',
    'if (number === 1)\n                ends.at(user.expiresAt ?? Infinity);',
  ),
  bug(
    'what was uploaded twice goes in twice',
    'server/draft.js',
    ': page.filter(({ changeset }) => changeset.version > known);',
    ': page;',
  ),
  bug('downloads bring a replica its own changesets', 'server/downloads.js', '!withOwn', 'withOwn'),
  bug('another user goes on with a replica', 'server/replicas.js', 'if (replica.user !== user)', 'if (false)'),
  bug(
    'who may only read ends its session',
    'server/uploads.js',
    '(changeset) => incomingOf(changeset, limits) : denied;',
    "(changeset) => incomingOf(changeset, limits) : () => { throw new SessionFailure('permission-denied', 'no'); };",
  ),
  bug(
    'a clock that is ahead moves the horizon past what was written',
    'server/upkeep.js',
    'const horizon = last + 1;',
    'const horizon = before;',
  ),
];
