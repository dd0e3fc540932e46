import { createBug, type Bug } from './planted-bug.js';

/** Bugs of the session, the store and the merge. */
export const clientBugs: readonly Bug[] = [
  createBug(
    'a write is not synced before its promise resolves',
    'store/transaction/write.js',
    'durable: true,\n        stored: () => {\n            staged.settle();\n            changesets',
    'durable: false,\n        stored: () => {\n            staged.settle();\n            changesets',
  ),
  createBug('a write is not in the batch of its objects', 'store/transaction/write.js', '...outboxed, ', ''),
  createBug(
    'downloaded objects are not in the batch of the cursor',
    'store/sync/apply-download.js',
    'changes,\n        metadata: {',
    'changes: [],\n        metadata: {',
  ),
  createBug(
    'an outbox is trimmed past the accepted version',
    'store/sync/trim-outbox.js',
    'changes: [...outbox.toTrimChanges(version),',
    'changes: [...outbox.toTrimChanges(Math.min(outbox.head, version + 1)),',
  ),
  createBug(
    'an outbox keeps accepted changesets',
    'store/sync/trim-outbox.js',
    'changes: [...outbox.toTrimChanges(version),',
    'changes: [',
  ),
  createBug(
    'the clock of stamps is not kept',
    'store/transaction/write.js',
    'metadata: { instant: optimistic.instant, ...begun?.metadata, ...extras?.metadata },',
    'metadata: { ...begun?.metadata, ...extras?.metadata },',
  ),
  createBug(
    'a client reset drops changesets that were not uploaded',
    'store/sync/reset-store.js',
    'const unsent = found.filter(({ version }) => version > context.optimistic.acknowledged);',
    'const unsent = [];',
  ),
  createBug(
    'a rejected write is not rolled back',
    'session/conversation/handle-rejections.js',
    'realm.rollBack(...all)',
    'realm.acknowledge(last.version)',
  ),
  createBug(
    'a delete loses against an earlier write',
    'merge/object-state.js',
    'if (stamp === null || !isLater(stamp, died))\n            continue;\n        values[property]',
    'if (stamp === null)\n            continue;\n        values[property]',
  ),
  createBug(
    'an earlier write wins when it arrives later',
    'merge/object-state.js',
    'if (!wins(stamp, propertyStampOf(state, property), () => compareValues(value, state.values[property] ?? null)))\n            continue;',
    '',
  ),
  createBug(
    'elements of a list are in the order of their arrival',
    'merge/list.js',
    'elements: insertSorted(after.elements, more.sort(compareElements), batch)',
    'elements: [...after.elements, ...more]',
  ),
  createBug(
    'uploadComplete$ emits when the changesets were sent',
    'session/api/completion.js',
    'versionShift.shift + outbox.acknowledged >= goal',
    'versionShift.shift + outbox.written >= goal',
  ),
  createBug(
    'downloadComplete$ emits when it was requested',
    'session/api/completion.js',
    'marks.answered >= wanted ?',
    'marks.wanted >= wanted ?',
  ),
  createBug(
    'a client takes every sent changeset as accepted',
    'session/conversation/conversation.js',
    'realm.acknowledge(version), {',
    'realm.acknowledge(cursors.sent), {',
  ),
  createBug(
    'a client reconnects without backoff',
    'session/connection/backoff.js',
    'return Math.min(most, backoffFirst',
    'return Math.min(0, backoffFirst',
  ),
  createBug('quick retries never end', 'session/connection/backoff.js', 'now < until', 'now < Infinity'),
  createBug(
    'each connection that opens resets the backoff',
    'session/connection/backoff.js',
    'livedMs >= healthy',
    'livedMs >= 0',
  ),
  createBug(
    'a session ends when another bind replaces it once',
    'session/binding/replaced-limit.js',
    'times.length > replacedLimits.most',
    'times.length > 0',
  ),
  createBug(
    'a write is accepted as soon as it is sent',
    'session/api/write-status.js',
    'if (version <= outbox.acknowledged) {',
    'if (version <= Math.max(outbox.acknowledged, sent)) {',
  ),
  createBug(
    'progress goes back',
    'session/state/transfer-progress.js',
    'Math.max(before?.bytes ?? 0, next.bytes)',
    'next.bytes',
  ),
  createBug(
    'a paused session keeps its connection',
    'session/state/session-reducer.js',
    'connection: disconnectedStatusOf(isUserless',
    'was: disconnectedStatusOf(isUserless',
  ),
  createBug(
    'a client does not reconnect after a disconnect',
    'session/connection/reconnect.js',
    'disconnect.fatal ? throwError(() => disconnect) : wait(disconnect)',
    'throwError(() => disconnect)',
  ),
  createBug(
    'the switch of the inspector leaves an open connection',
    'session/connection/connection-attempt.js',
    "fault$.pipe(throwFault('connection')), ",
    '',
  ),
];
