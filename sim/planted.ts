import { fork } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** A bug as somebody might write it: in a file of the compiled library, what it says and what it says instead. */
interface Bug {
  readonly name: string;
  readonly file: string;
  readonly says: string;
  readonly instead: string;
}

const bug = (name: string, file: string, says: string, instead: string): Bug => ({ name, file, says, instead });

export const bugs: readonly Bug[] = [
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
    "changes.push({ type: 'put', key: refusedKey(replica, version), value: writesBytes(writes) });",
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
    'const { changes, objects, bytes } = changesOf(steps, known, cursor);',
    'const { changes, objects, bytes } = changesOf(new Map([...steps].slice(1)), known, cursor);',
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
    'a write is not synced before its promise resolves',
    'store/write.js',
    'durable: true,\n        stored: () => {\n            objects.settle(touched);',
    'durable: false,\n        stored: () => {\n            objects.settle(touched);',
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
    'a history is never trimmed',
    'server/upkeep.js',
    'return to - log.floor < limits.trimEntriesMin ? of(false) :',
    'return to - log.floor < Infinity ? of(false) :',
  ),
  bug(
    'the clock of stamps is not kept',
    'store/write.js',
    'meta: { clock: ahead.instant, ...also?.meta },',
    'meta: { ...also?.meta },',
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
    'realm.refuse({ version, writes, standing })',
    'realm.acknowledge(version)',
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
    'if (before !== null && !isLater(stamp, before))\n            continue;\n        values ??= { ...state.values };',
    'values ??= { ...state.values };',
  ),
  bug(
    'elements of a list are in the order in which they came',
    'merge/list.js',
    'if (other && compareElements(other, first) < 0)',
    'if (other)',
  ),
  bug(
    'an increment that comes twice counts twice',
    'merge/counter.js',
    'if (chains.some((chain) => isCounted(chain, stamp)))\n        return chains;',
    '',
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
  bug('a client calls again at once', 'session/backoff.js', 'Math.min(backoffMost, ', 'Math.min(0, '),
  bug('a backoff begins anew with each line that opens', 'session/backoff.js', 'livedMs < healthy', 'livedMs < 0'),
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
    'return { ...state, sync, connection: disconnected(',
    'return { ...state, sync, was: disconnected(',
  ),
  bug(
    'a client that was dropped does not call again',
    'session/redial.js',
    'drop.fatal ? throwError(() => drop) : wait(drop)',
    'throwError(() => drop)',
  ),
];

/** Seeds in which a bug has to be found. */
const seedsMost = 200;

interface Found {
  readonly seed: number;
  readonly promise: string;
}

const here = dirname(fileURLToPath(import.meta.url));

/** A file with the one place in it that a bug changes. Throws when the library says that no more, or more than once. */
const placeOf = (folder: string, { name, file, says }: Bug): { readonly place: string; readonly text: string } => {
  const place = join(folder, 'lib', file);
  const text = readFileSync(place, 'utf8');
  const count = text.split(says).length - 1;
  if (count === 1) return { place, text };
  throw new Error(`planted: "${name}" cannot be planted: ${file} says it ${count} times`);
};

/** A copy of all of this with a bug in it. */
const withBug = (folder: string, planted: Bug): string => {
  const { place, text } = placeOf(folder, planted);
  const { says, instead } = planted;
  writeFileSync(
    place,
    text.replace(says, () => instead),
  );
  return join(folder, 'sim', 'main.js');
};

/** The first seed in which some promise is broken. */
const found = (main: string, seeds: number): Promise<Found | null> =>
  new Promise((resolve) => {
    let first: Found | null = null;
    let complaints = '';
    const child = fork(main, ['--brief', '--worker'], { silent: true });
    child.stderr?.on('data', (text: Buffer) => (complaints += text.toString()));
    child.send(1);
    child.on('message', ({ seed, broken }: { seed: number; broken: string | null }) => {
      if (broken !== null) first = { seed, promise: broken };
      child.send(first !== null || seed >= seeds ? 'end' : seed + 1);
    });
    child.on('exit', (code) => {
      if (first === null && code !== 0)
        first = { seed: 0, promise: `the process ended with ${code}: ${complaints.slice(0, 200)}` };
      resolve(first);
    });
  });

/** Plants each bug and looks for it; the exit code of the process. */
export const findPlanted = async (seeds: number, only: string): Promise<number> => {
  const chosen = bugs.filter(({ name }) => name.includes(only));
  for (const each of chosen) placeOf(join(here, '..'), each); // All of them first: what was renamed is said at once.
  const most = Math.min(seeds, seedsMost);
  const waiting = [...chosen];
  const missed: string[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      const folder = mkdtempSync(join(here, '..', 'planted-'));
      try {
        for (const room of ['lib', 'sim']) cpSync(join(here, '..', room), join(folder, room), { recursive: true });
        const result = await found(withBug(folder, next), most);
        if (result === null) missed.push(next.name);
        console.log(
          `${result ? `found in seed ${String(result.seed).padStart(3)}` : `NOT found in ${most} seeds`}  ${next.name}${result ? `: ${result.promise}` : ''}`,
        );
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  console.log(
    `\nplanted: ${chosen.length - missed.length} of ${chosen.length} bugs found${missed.length > 0 ? `; not found: ${missed.join('; ')}` : ''}`,
  );
  return missed.length === 0 ? 0 : 1;
};
