/*
 * npm run mutate: changes one line of the session room at a time and runs its specs: at least nine in ten changes must
 * turn a spec red, and each of ours the one that is named for it. `npm run mutate -- 7` tries only the seventh.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';

/** file, what it says, what it is made to say, the spec that has to fail */
const mutations = [
  ['call.ts', 'first: ports.timeouts.connect', 'first: 2_000_000_000', 'R12'],
  ['call.ts', 'each: timeouts.read', 'each: 2_000_000_000', 'R11'],
  ['call.ts', 'hungUp, // A wire', 'EMPTY, // A wire', 'C2'],
  ['call.ts', 'merge(heard, of(open))', 'concat(of(open), heard)', 'C1|R2'],
  ['call.ts', 'tap(endingTheLine),', '', 'R13'],
  [
    'connection.ts',
    "present.value?.state === 'waiting' ? backoff.startOver() : backoff.hurry()",
    'backoff.hurry()',
    'R3',
  ],
  ['connection.ts', 'timer(timeouts.linger, scheduler)', 'of(0)', 'C10'],
  ['connection.ts', 'connector: () => new ReplaySubject(1)', 'connector: () => new Subject()', 'C3'],
  ['connection.ts', 'backoff.notBefore > scheduler.now()', 'false', 'R15'],
  ['connection.ts', 'backoff.attempt === 1 ? drop.report : null', 'drop.report', 'R12'],
  ['connection.ts', 'scheduler.now() - present.value.since', '0', 'R14'],
  [
    'redial.ts',
    'concat(\n              defer(() => from(announce(drop))),\n              end,\n            )',
    'end',
    'C2',
  ],
  ['redial.ts', ': wait(drop)', ': of(0)', 'R1'],
  ['backoff.ts', '2 ** (attempt - 1)', '1', 'R1'],
  ['backoff.ts', 'Math.min(backoffMost, ', 'Math.max(0, ', 'R1'],
  ['backoff.ts', '(1 - random() / 4)', '1', 'R1'],
  ['backoff.ts', 'same && livedMs', 'livedMs', 'R2'],
  ['backoff.ts', 'livedMs < healthy', 'true', 'R14'],
  ['backoff.ts', "(hurried && drop.retry === 'later') || ", '', 'R5'],
  ['backoff.ts', "if (retry === 'never') return Infinity;", "if (retry === 'never') return 5_000;", 'R13'],
  ['heartbeat.ts', 'tap(proved)', 'tap()', 'R7'],
  ['heartbeat.ts', 'return merge(regular, probes)', 'return merge(regular)', 'R5'],
  ['heartbeat.ts', 'return merge(regular, probes)', 'return merge(probes)', 'R6'],
  ['heartbeat.ts', "throwError(() => silent('probe'))", 'NEVER', 'R5'],
  ['mux.ts', "outgoing.next({ type: 'unbind', session });", '', 'unbound'],
  ['mux.ts', 'lanes.delete(session);', '', 'keeps nothing'],
  [
    'mux.ts',
    'message.token === tokenSaid) return { ...message, token: null }',
    'message.token === tokenSaid) return message',
    'said once',
  ],
  ['session.ts', 'switchMap((wanted) =>', 'mergeMap((wanted) =>', 'S3|S8'],
  ['session.ts', 'switchMap((line) => onLine', 'mergeMap((line) => onLine', 'W7'],
  ['binding.ts', "if (drop.reason.kind === 'token-expired') tokens.expired(token);", '', 'S17'],
  ['backoff.ts', ' || isRenewable(drop, attempt)', '', 'S17'],
  ['session.ts', 'marks.wanted > marks.answered ? marks.wanted : 0', 'marks.wanted', 'not asked again'],
  ['session.ts', "of<SessionEvent>({ type: 'fatal', error: fatal })", 'EMPTY', 'W10|S15|S19'],
  ['machine.ts', 'observeOn(queueScheduler),', '', 'inside an observer'],
  ['machine.ts', "before.sync !== 'dying'", 'true', 'S15'],
  ['machine.ts', 'new ReplaySubject<SessionState>(1)', 'new Subject<SessionState>()', 'S1|C6'],
  ['machine.ts', 'tap(({ state }) => (present = state)),', '', 'S2'],
  [
    'step.ts',
    'const connected: SessionState = { ...known, connection: after.connection };',
    'const connected: SessionState = known;',
    'W10',
  ],
  ['step.ts', '{ ...connected, broken: after.broken }, after]', 'after]', 'W10'],
  ['step.ts', "if (state.sync !== 'dying' || state.outbox.changesets > 0) return state;", 'return state;', 'S13'],
  ['step.ts', 'const finishing = !immediately &&', 'const finishing =', 'S11'],
  ['step.ts', 'state.outbox.changesets > 0 && wantsLine(state.sync)', 'false', 'S12'],
  ['step.ts', "if (state.sync === 'inactive') return state;\n  const wasDying", 'const wasDying', 'inactive'],
  ['step.ts', 'outbox.changesets === 0 && downloaded.behind === 0', 'true', 'call it synced'],
  ['transitions.ts', "open: 'paused'", "open: 'active'", 'S6'],
  ['transitions.ts', "logIn: 'paused'", "logIn: 'active'", 'S7'],
  [
    'transitions.ts',
    "closeUnsent: 'dying',\n    pause: 'paused',\n    resume: 'active',\n    expired: 'waiting",
    "closeUnsent: 'inactive',\n    pause: 'paused',\n    resume: 'active',\n    expired: 'waiting",
    'S12',
  ],
  [
    'transitions.ts',
    "expired: 'waitingForAccessToken',\n    token: 'active',\n    uploaded: 'active'",
    "expired: 'active',\n    token: 'active',\n    uploaded: 'active'",
    'S17',
  ],
  ['waits.ts', 'restarts.shift + outbox.acknowledged >= goal', 'true', 'W2|W6'],
  ['waits.ts', 'had.shift + before.written;', 'had.shift + before.written + 1;', 'W1|W2'],
  ['restarts.ts', 'const from = before.shift + outbox.acknowledged;', 'const from = before.shift;', 'E6'],
  ['restarts.ts', '? { ...before, shift: from }', '? before', 'E6'],
  ['waits.ts', 'broken.times > times', 'false', 'W8'],
  ['waits.ts', "machine.dispatch({ type: 'markWanted' });", '', 'W3|W4'],
  ['waits.ts', 'marks.answered >= wanted', 'true', 'W3|W4'],
  [
    'conversation.ts',
    'concatMap((message) => takenToHeart(talk, message))',
    'mergeMap((message) => takenToHeart(talk, message))',
    'W3',
  ],
  ['conversation.ts', 'first: ports.timeouts.connect', 'first: 2_000_000_000', 'asks for an answer'],
  ['conversation.ts', 'version > cursors.sent', 'false', 'accepted'],
  ['downloads.ts', 'page.upTo <= cursors.seen', 'false', 'download'],
  [
    'downloads.ts',
    "saying(() => answers.next({ type: 'received', session, version: page.upTo }))",
    'EMPTY',
    'received',
  ],
  ['conversation.ts', 'realm.acknowledge(version),', '', 'W2|W6'],
  ['tokens.ts', 'takeWhile((token) => token === rejected, true)', 'take(1)', 'replays the old token'],
  ['tokens.ts', 'believed = (): boolean => false', 'believed = (): boolean => true', 'S18|S17'],
  ['tokens.ts', 'looksExpired(token, now())', 'false', 'S17'],
  ['tokens.ts', 'thrown.status === 401', 'false', 'S19'],
  ['mux.ts', "token$.pipe(map((token) => withoutRepeating({ type: 'token', token })))", 'EMPTY', 'live line'],
  ['binding.ts', 'nudge$.pipe(tap(backoff.startOver))', 'NEVER', 'E3'],
  ['connection.ts', 'observeOn(queueScheduler),', '', 'heard of in order'],
  ['line.ts', 'if (!isOut || livedMs >= healthy) tell', 'tell', 'outage'],
  ['watchdog.ts', "=== 'connected' && hasWork(state)", "=== 'connected'", 'on which nothing waits'],
  ['watchdog.ts', 'movement(before) === movement(after)', 'true', 'quiet again|never fires'],
  ['watchdog.ts', 'state.stall.times === 1', 'true', 'StalledError'],
  ['watchdog.ts', 'line.hangUp();', '', 'StalledError'],
  ['watchdog.ts', 'line.probe();', '', 'StalledError'],
  ['watchdog.ts', 'timer(patience(state, stall), scheduler)', 'timer(1, scheduler)', 'never fires'],
  ['progress.ts', 'Math.min(total.ofBytes, next.ofBytes)', 'next.ofBytes', 'P4'],
  ['progress.ts', 'takeWhile(isUnderWay, true)', 'takeWhile(isUnderWay)', 'P4|P5'],
  ['progress.ts', 'bytes >= ofBytes ? 1 : ', '', 'P5|P6'],
  ['transfers.ts', 'Math.max(before?.bytes ?? 0, next.bytes)', 'next.bytes', 'P7'],
  ['transfers.ts', 'before.bytes >= before.ofBytes ? before.bytes : before.from', 'before.from', 'P3'],
  ['step.ts', 'moved ? [{ ...before, transfers: after.transfers }, after] : [after]', '[after]', 'tells the progress'],
  ['written.ts', "version <= sent ? { state: 'sent' }", "true ? { state: 'sent' }", 'emits saved'],
  ['reset.ts', 'resets >= resetsMax', 'false', 'E8'],
  ['reset.ts', "mode === 'manual' || resets", 'resets', 'E5'],
  ['reset.ts', "catchError(() => realm.reset('discard'))", 'tap()', 'E6'],
  ['conversation.ts', 'if (version <= cursors.refused) return EMPTY;', '', 'E9'],
  ['conversation.ts', "of<SessionEvent>({ type: 'refused', error }),", '', 'E9'],
  ['collection.ts', 'if (pages.of !== of) pages = none(of);', '', 'begins again after a drop'],
  ['collection.ts', 'return last ? { type: last.type, key: last.key } : null;', 'return null;', 'goes on where it was'],
  ['collection.ts', 'keys.has(key) || pages', 'pages', 'an object twice'],
  ['collection.ts', 'pages.remaining !== null && left !== pages.remaining', 'false', 'more left than before'],
  ['collection.ts', 'bytes < pages.bytes', 'false', 'goes back'],
  ['downloads.ts', 'version !== cursors.fetching', 'false', 'of another version|was not asked for'],
  ['downloads.ts', 'if (cursors.fetching !== null) {', 'if (cursors.fetching === -1) {', 'comes before its page'],
  ['downloads.ts', 'saying(collection.drop),', '', 'page by page|keeps'],
  [
    'downloads.ts',
    "of<SessionEvent>({ type: 'collected', bytes, remainingBytes }),",
    'of<SessionEvent>(),',
    'how far it is',
  ],
  ['conversation.ts', 'snapshot <= greeting.seen || snapshot > head', 'snapshot > head', 'is behind what is here'],
  [
    'conversation.ts',
    'snapshot <= greeting.seen || snapshot > head',
    'snapshot <= greeting.seen',
    'ahead of the history',
  ],
  ['step.ts', '${transfers.download?.bytes ?? 0}', '', 'as long as pages come'],
];

const only = process.argv[2] === undefined ? null : Number(process.argv[2]) - 1;
// The figures of `scale` are nobody's spec for an operator, and take half a minute.
const specs = ['spec/session', 'spec/client/login', '--testPathIgnorePatterns', 'scale', '--bail', '--silent'];

/** A change may make a loop without an end: whoever runs it is killed with all of its workers, or they would run for ever. */
const run = async () => {
  const child = spawn('npm', ['test', '--', ...specs], { detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const killing = setTimeout(() => process.kill(-child.pid, 'SIGKILL'), 120_000);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [status] = await once(child, 'close');
  clearTimeout(killing);
  return { status, output };
};

let caught = 0;
let tried = 0;
for (const [index, [name, from, to, expected]] of mutations.entries()) {
  if (only !== null && only !== index) continue;
  const file = `lib/session/${name}`;
  const text = readFileSync(file, 'utf8');
  if (text.split(from).length < 2) {
    console.error(`${index + 1} ${name}: the line is not there any more: ${from}`);
    process.exitCode = 1;
    continue;
  }
  tried += 1;
  // Whatever an operator needs is imported, so that only the change itself can fail.
  const needed = ['EMPTY', 'NEVER', 'of', 'concat', 'mergeMap', 'take', 'Subject', 'tap'];
  const missing = needed.filter(
    (each) => to.includes(each) && !new RegExp(`\\b${each}\\b[^;]*from 'rxjs'`, 's').test(text),
  );
  const imports = missing.length > 0 ? `import { ${missing.join(', ')} } from 'rxjs';\n` : '';
  let output;
  try {
    writeFileSync(file, imports + text.replace(from, to));
    const ended = await run();
    output = ended.status === 0 ? null : ended.output;
  } finally {
    writeFileSync(file, text);
  }
  const failed = output === null ? [] : [...output.matchAll(/● (.*)/g)].map(([, title]) => title);
  const byName = expected === null || failed.some((title) => new RegExp(expected).test(title));
  if (output !== null) caught += 1;
  const verdict = output === null ? 'SURVIVED' : byName ? 'caught' : `caught by ${failed[0] ?? 'a compiler error'}`;
  console.log(
    `${String(index + 1).padStart(2)} ${name.padEnd(16)} ${verdict.padEnd(9)} ${to === '' ? 'without' : 'with'} ${(to === '' ? from : to).split('\n')[0].slice(0, 70)}`,
  );
}
console.log(`\n${caught} of ${tried} caught`);
if (caught < tried * 0.9) process.exitCode = 1;
