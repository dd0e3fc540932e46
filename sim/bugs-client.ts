import { bug, type Bug } from './bug.js';

/** Bugs of the session, the store and the merge, which were on the list first. */
export const clientBugs: readonly Bug[] = [
  bug(
    'a write is not synced before its promise resolves',
    'store/write.js',
    'durable: true,\n        stored: () => {\n            objects.settle(changed);\n            changesets',
    'durable: false,\n        stored: () => {\n            objects.settle(changed);\n            changesets',
  ),
  bug('a write is not in the batch of its objects', 'store/write.js', '...outboxed, ', ''),
  bug(
    'objects that are downloaded are not in the batch of the cursor',
    'store/sync.js',
    'changes: touched.map(objectPut),\n        meta: {',
    'changes: [],\n        meta: {',
  ),
  bug(
    'an outbox is trimmed past what was accepted',
    'store/sync.js',
    'changes: outbox.trims(version),',
    'changes: outbox.trims(Math.min(outbox.head, version + 1)),',
  ),
  bug('an outbox keeps what was accepted', 'store/sync.js', 'changes: outbox.trims(version),', 'changes: [],'),
  bug(
    'the clock of stamps is not kept',
    'store/write.js',
    'meta: { clock: ahead.instant, ...begun?.meta, ...also?.meta },',
    'meta: { ...begun?.meta, ...also?.meta },',
  ),
  bug(
    'a client reset throws away what was not uploaded yet',
    'store/reset.js',
    'const left = found.filter(({ version }) => version > desk.ahead.acknowledged);',
    'const left = [];',
  ),
  bug(
    'a refused write stays where it was written',
    'session/conversation.js',
    'realm.refuse(...all).pipe(reported(talk, false))',
    'realm.acknowledge(last.version)',
  ),
  bug(
    'a delete loses against what was written before it',
    'merge/object.js',
    'if (stamp === null || !isLater(stamp, died))\n            continue;\n        values[property]',
    'if (stamp === null)\n            continue;\n        values[property]',
  ),
  bug(
    'what was written earlier wins when it comes later',
    'merge/object.js',
    'if (!wins(stamp, stampOf(state, property), () => compareValues(value, state.values[property] ?? null)))\n            continue;',
    '',
  ),
  bug(
    'elements of a list are in the order in which they came',
    'merge/list.js',
    'elements: withMore(after.elements, more.sort(compareElements), work)',
    'elements: [...after.elements, ...more]',
  ),
  bug(
    'uploadComplete$ emits when it was sent',
    'session/waits.js',
    'restarts.shift + outbox.acknowledged >= goal',
    'restarts.shift + outbox.written >= goal',
  ),
  bug(
    'downloadComplete$ emits when it was asked for',
    'session/waits.js',
    'marks.answered >= wanted ?',
    'marks.wanted >= wanted ?',
  ),
  bug(
    'a client believes that all is accepted that was sent',
    'session/conversation.js',
    'realm.acknowledge(version), defer(() => of',
    'realm.acknowledge(cursors.sent), defer(() => of',
  ),
  bug(
    'a client calls again at once',
    'session/backoff.js',
    'return Math.min(most, backoffFirst',
    'return Math.min(0, backoffFirst',
  ),
  bug('a backoff begins anew with each line that opens', 'session/backoff.js', 'livedMs >= healthy', 'livedMs >= 0'),
  bug(
    'a session that another bind replaced is ended',
    'session/contested.js',
    'times.length > often.most',
    'times.length > 0',
  ),
  bug(
    'a write is accepted as soon as it is sent',
    'session/written.js',
    'if (version <= outbox.acknowledged) {',
    'if (version <= Math.max(outbox.acknowledged, sent)) {',
  ),
  bug('progress goes back', 'session/transfers.js', 'Math.max(before?.bytes ?? 0, next.bytes)', 'next.bytes'),
  bug(
    'a session that is paused keeps its line',
    'session/step.js',
    'return { ...state, sync, leavings, connection: disconnected(',
    'return { ...state, sync, leavings, was: disconnected(',
  ),
  bug(
    'a client that was dropped does not call again',
    'session/redial.js',
    'drop.fatal ? throwError(() => drop) : wait(drop)',
    'throwError(() => drop)',
  ),
];
