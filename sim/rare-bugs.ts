import { createBug, type Bug } from './planted-bug.js';

/** Client bugs that need several events in a row, or two at one moment. */
export const rareBugs: readonly Bug[] = [
  createBug(
    'a changeset with a corrected stamp is sent with its old stamp',
    'store/sync/clock-correction.js',
    'context.replaceInOutbox(changesets);',
    ';',
  ),
  createBug(
    'a clock correction leaves the old stamps of objects',
    'store/sync/clock-correction.js',
    'changes: [...staged.changes, ...outbox.toReplaceChanges(changesets)],',
    'changes: outbox.toReplaceChanges(changesets),',
  ),
  createBug(
    'a snapshot hides changes that were not uploaded',
    'store/sync/apply-snapshot.js',
    'replay(states, later.filter(isOnTop(context)), optimistic.replica, () => true);',
    ';',
  ),
  createBug(
    'a replacement of all objects leaves the blocks in the storage',
    'store/objects/stage-changes.js',
    "...dropped.map(({ key }) => ({ type: 'del', key })),",
    '',
  ),
  createBug(
    'a forgotten object leaves no mark beside its row',
    'store/objects/stage-changes.js',
    'if (mayHaveRow && !replacesAll) {',
    'if (mayHaveRow && type === null) {',
  ),
  createBug('the rows of a sparse block are not moved', 'store/objects/move-rows.js', '...packed.puts,', ''),
  createBug(
    'a snapshot keeps objects that are not in it',
    'store/sync/apply-snapshot.js',
    'for (const removal of objects.listAllAsRemoved())\n        setState(states, removal);',
    '',
  ),
  createBug(
    'after a reset that keeps the replica, it lacks its own writes',
    'store/sync/reset-store.js',
    'includeOwn: true,',
    'includeOwn: false,',
  ),
  createBug(
    'after a restore of the server the replica gets a new id',
    'store/sync/reset-store.js',
    "if (mode === 'keepReplica' && context.durable().history !== null)",
    "if (mode === 'never')",
  ),
  createBug(
    'a reopened realm has never been bound',
    'store/sync/sync-api.js',
    'metadata: { history, hasBeenBound: true },',
    'metadata: { history, hasBeenBound: false },',
  ),
  createBug(
    'a client reset loses a write that is not stored yet',
    'store/sync/rebase-pending.js',
    '...[...queued.values()].filter(({ version }) => version > last),',
    '',
  ),
  createBug(
    'a live query sees only the last object of a batch',
    'store/query/live-query.js',
    'changed ||= matchedBefore || matchesNow;',
    'changed = matchedBefore || matchesNow;',
  ),
  createBug(
    'a live query ignores a large batch',
    'store/query/live-query.js',
    'found = all();\n                return true;\n            }\n            let changed',
    'return false;\n            }\n            let changed',
  ),
  createBug(
    'a live query shows an object twice after two changes',
    'store/query/live-query.js',
    'if (matchedBefore && !remove(was)) {',
    'if (matchedBefore && !matchesNow && !remove(was)) {',
  ),
  createBug(
    'waits from before a client reset end at once',
    'session/state/version-shift.js',
    '{ ...before, shift: from }',
    '{ ...before, shift: to }',
  ),
  createBug(
    'an expired token is used for ever',
    'session/binding/tokens.js',
    'memory.held = { ...held, expired: true };',
    ';',
  ),
  createBug(
    'an entry of a dictionary that was set earlier wins',
    'merge/lww-map.js',
    'if (existing && !wins(stamp, existing.stamp, () => compareEntries(entry, existing)))\n            continue;',
    '',
  ),
  createBug(
    'an element that is removed comes back',
    'merge/list.js',
    'if (hasText && list.tombstones.has(text))\n            return;',
    '',
  ),
  createBug(
    'a delete leaves the lists of an object',
    'merge/collection-state.js',
    'list: keepListAfter(collection.list, floor),',
    'list: collection.list,',
  ),
  createBug(
    'a write is stamped like the one before it',
    'store/transaction/write.js',
    'optimistic.instant = lastInstantOf(start, operations.length);',
    ';',
  ),
  createBug(
    'after a rejected write the outbox is one entry short',
    'store/rejected/rollback.js',
    '...outbox.toTrimChanges(version), ...kept.changes]',
    '...outbox.toTrimChanges(Math.min(outbox.head, version + 1)), ...kept.changes]',
  ),
  createBug(
    'of several rejected writes in one message only the first is rolled back',
    'store/rejected/rollback.js',
    'const taken = takeRejected(others, rejections, optimistic);',
    'const taken = takeRejected(others, rejections.slice(0, 1), optimistic);',
  ),
  createBug(
    'the server state after a rejected write hides later unsent writes',
    'store/rejected/rollback.js',
    'replay(states, [...others.values()].filter(isOnTop(context)), optimistic.replica, isLater);',
    ';',
  ),
];
