import { createBug, type Bug } from './planted-bug.js';

/** Bugs of the server. */
export const serverBugs: readonly Bug[] = [
  createBug(
    'a server forgets the accepted version of a replica',
    'server/uploads/upload-queue.js',
    'replica.accepted = Math.max(replica.accepted, version);',
    ';',
  ),
  createBug(
    'a server acknowledges before it is durable',
    'server/history/storage-history.js',
    'storage.batch(changes, { durable: true }), confirm$',
    'storage.batch(changes, { durable: false }), confirm$',
  ),
  createBug(
    "a replica's cursor is not in the batch of its changesets",
    'server/history/storage-history.js',
    'changes.push(putReplica(id, record));',
    ';',
  ),
  createBug(
    'a history does not store the rejections of a batch',
    'server/history/storage-history.js',
    "changes.push({ type: 'put', key: rejectedKey(replica, version), value: encodeRejection(rejection) });",
    ';',
  ),
  createBug(
    'a bind reports rejected changesets as accepted',
    'server/uploads/rejections.js',
    'known = Math.min(known, version - 1);',
    ';',
  ),
  createBug(
    'a server does not call permit',
    'server/uploads/permit-check.js',
    'return rejectedWritesOf(context, user, writes).pipe(',
    'return of([]).pipe(',
  ),
  createBug(
    'the projection leaves out a changeset of each page',
    'server/history/projection.js',
    'changesOf(steps, known, before, slice, parts)',
    'changesOf(steps, known, before, slice.slice(1), parts)',
  ),
  createBug(
    'a snapshot leaves out its last object',
    'server/history/snapshots.js',
    'objects: rows.map(storedObjectOf)',
    'objects: rows.slice(0, -1).map(storedObjectOf)',
  ),
  createBug(
    'after a snapshot the downloads begin one version late',
    'server/sessions/download-feed.js',
    'follow(version);\n                return;',
    'follow(version + 1);\n                return;',
  ),
  createBug(
    'a history is never trimmed',
    'server/realms/compaction.js',
    'to - log.floor < serverLimits.trimEntriesMin',
    'to - log.floor < Infinity',
  ),
  createBug(
    'a page of uploads is accepted before the rejections of the next page are sent',
    'server/uploads/upload-queue.js',
    'subscriber.next({ accepted: cut.has(replica) ? Math.min(version, changesets.at(-1)?.version ?? 0) : version });',
    'subscriber.next({ accepted: version });',
  ),
  createBug(
    'a page with too many rejections is accepted as a whole',
    'server/uploads/append-batch.js',
    'batch.accepted.set(replica, accepted);',
    'batch.accepted.set(replica, fresh.at(-1)?.changeset.version ?? accepted);',
  ),
  createBug(
    'rejections are forgotten after a batch without one and a restart',
    'server/uploads/append-batch.js',
    'const hasRejected = replica.rejected.size > 0 || rejectedReplicas.has(replica);',
    'const hasRejected = rejectedReplicas.has(replica);',
  ),
  createBug(
    'a server forgets a rejection that the client has not received',
    'server/sessions/bind.js',
    'filter((version) => version <= acknowledged);',
    'filter((version) => version <= acknowledged + 1);',
  ),
  createBug('a rejection is not sent again', 'server/uploads/upload-queue.js', 'replica.rejected.add(version);', ';'),
  createBug(
    'a late answer about an old token is applied',
    'server/connections/connection-auth.js',
    'if (number < this.latestValid)\n                return;',
    '',
  ),
  createBug(
    'a renewed token does not extend the connection',
    'server/connections/connection-auth.js',
    'this.expireAt(user.expiresAt ?? Infinity);',
    'if (number === 1)\n                this.expireAt(user.expiresAt ?? Infinity);',
  ),
  createBug(
    'a changeset that is uploaded twice is stored twice',
    'server/uploads/append-batch.js',
    ': page.filter(({ changeset }) => changeset.version > known);',
    ': page;',
  ),
  createBug(
    "downloads include the replica's own changesets",
    'server/sessions/download-cursor.js',
    '!this.withOwn',
    'this.withOwn',
  ),
  createBug(
    'another user continues with a replica',
    'server/realms/replicas.js',
    'if (replica.user !== user)',
    'if (false)',
  ),
  createBug(
    'a write of a read-only user ends the session',
    'server/sessions/upload-handler.js',
    ': rejectReadOnly;',
    ": () => { throw new SessionFailure('permission-denied', 'no'); };",
  ),
  createBug(
    'a clock that is ahead moves the retention cutoff past the history',
    'server/realms/compaction.js',
    'const cutoff = last + 1;',
    'const cutoff = before;',
  ),
  createBug(
    'a server drops the works of a realm while an upload waits',
    'server/realms/realm-works.js',
    'isIdle: () => !uploadQueue.isBusy() &&',
    'isIdle: () =>',
  ),
];
