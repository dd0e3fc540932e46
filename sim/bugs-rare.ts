import { bug, type Bug } from './bug.js';

/** Bugs of the client that take several events one after the other, or two at one moment. */
export const rareBugs: readonly Bug[] = [
  bug('what is stamped again goes out with its old stamp', 'store/correct.js', 'desk.replaced(changesets);', ';'),
  bug(
    'a clock that was ahead leaves its objects as they were stamped',
    'store/correct.js',
    'changes: [...touched.map(objectPut), ...outbox.replaces(changesets)],',
    'changes: outbox.replaces(changesets),',
  ),
  bug(
    'a snapshot hides what was not uploaded yet',
    'store/snapshot.js',
    'replay(sheet, later.filter(isOnTop(desk)), ahead.replica, () => true);',
    ';',
  ),
  bug(
    'a snapshot leaves what is in it no more',
    'store/snapshot.js',
    'for (const gone of objects.all())\n        put(sheet, gone);',
    '',
  ),
  bug(
    'after a snapshot own changesets do not come down',
    'store/snapshot.js',
    'seen: version, own: true,',
    'seen: version, own: false,',
  ),
  bug(
    'own changesets come down no more after the first page',
    'store/sync.js',
    '...(remaining === 0 && { own: false }),',
    'own: false,',
  ),
  bug(
    'who starts over as the same replica lacks what it wrote itself',
    'store/reset.js',
    'headBytes: 0, own: true,',
    'headBytes: 0, own: false,',
  ),
  bug(
    'who starts over with a restored server is somebody else',
    'store/reset.js',
    "if (mode === 'rejoin' && desk.present().history !== null)",
    "if (mode === 'never')",
  ),
  bug(
    'a realm that is opened again has never had a server',
    'store/sync.js',
    'meta: { history, bound: true },',
    'meta: { history, bound: false },',
  ),
  bug(
    'a client reset loses the write that is under way',
    'store/unsent.js',
    '...[...late.values()].filter(({ version }) => version > last),',
    '',
  ),
  bug(
    'a live query hears only of the last object of a batch',
    'store/standing.js',
    'changed ||= left || came;',
    'changed = left || came;',
  ),
  bug(
    'a live query does not hear of a large batch',
    'store/standing.js',
    'found = all();\n                return true;\n            }\n            let changed',
    'return false;\n            }\n            let changed',
  ),
  bug(
    'a live query keeps what was changed twice',
    'store/standing.js',
    'if (left && !removed(was)) {',
    'if (left && !came && !removed(was)) {',
  ),
  bug(
    'waits of before a client reset end at once',
    'session/restarts.js',
    '{ ...before, shift: from }',
    '{ ...before, shift: to }',
  ),
  bug('an expired token is used for ever', 'session/tokens.js', 'memory.held = { ...held, expired: true };', ';'),
  bug(
    'an entry of a dictionary that was set earlier wins',
    'merge/entries.js',
    'if (known && !wins(stamp, known.stamp, () => compareEntries(entry, known)))\n            continue;',
    '',
  ),
  bug(
    'an element that is removed comes back',
    'merge/list.js',
    'if (hasText && list.gone.has(text))\n            return;',
    '',
  ),
  bug(
    'a delete leaves the lists of an object',
    'merge/part.js',
    'list: listAfter(part.list, floor),',
    'list: part.list,',
  ),
  bug(
    'a write is stamped like the one before it',
    'store/write.js',
    'ahead.instant = lastInstant(start, operations.length);',
    ';',
  ),
  bug(
    'after a rejected write the outbox is one entry short',
    'store/refuse.js',
    '...outbox.trims(version), ...kept.changes]',
    '...outbox.trims(Math.min(outbox.head, version + 1)), ...kept.changes]',
  ),
  bug(
    'rejected writes that were told together take back only the first',
    'store/refuse.js',
    'const taken = takenFrom(others, refusals, ahead);',
    'const taken = takenFrom(others, refusals.slice(0, 1), ahead);',
  ),
  bug(
    'what stands instead of a rejected write hides later unsent writes',
    'store/refuse.js',
    'replay(sheet, [...others.values()].filter(isOnTop(desk)), ahead.replica, isLater);',
    ';',
  ),
];
