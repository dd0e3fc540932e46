/*
 * `npm run mutate` changes one line of the session room at a time and runs its specs. At least nine in ten changes must
 * fail a spec, and each change must fail the spec that is named for it. `npm run mutate -- 7` tries only the seventh.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';

/** Each mutation: file, original text, replacement, and the spec that has to fail. */
const mutations = [
  ['connection/connection-attempt.ts', 'first: ports.timeouts.connect', 'first: 2_000_000_000', 'R12'],
  ['connection/connection-attempt.ts', 'each: timeouts.read', 'each: 2_000_000_000', 'R11'],
  ['connection/connection-attempt.ts', 'closedByServer$, // A wire', 'EMPTY, // A wire', 'C2'],
  ['connection/connection-attempt.ts', 'merge(incoming$, of(open))', 'concat(of(open), incoming$)', 'C1|R2'],
  ['connection/connection-attempt.ts', 'tap(throwConnectionError),', '', 'R13'],
  [
    'connection/connection.ts',
    "state?.state === 'waiting' ? backoff.reset() : backoff.requestReconnect()",
    'backoff.requestReconnect()',
    'R3',
  ],
  ['connection/connection.ts', 'timer(timeouts.linger, scheduler)', 'of(0)', 'C10'],
  ['connection/connection.ts', 'connector: () => new ReplaySubject(1)', 'connector: () => new Subject()', 'C3'],
  ['connection/connection.ts', 'backoff.notBefore > scheduler.now()', 'false', 'R15'],
  ['connection/connection.ts', 'backoff.attempt === 1 ? disconnect.report : null', 'disconnect.report', 'R12'],
  ['connection/connection-attempt.ts', 'clock.scheduler.now() - open.since', '0', 'R14'],
  [
    'connection/reconnect.ts',
    'concat(\n              defer(() => from(announce(disconnect))),\n              end,\n            )',
    'end',
    'C2',
  ],
  ['connection/reconnect.ts', ': wait(drop)', ': of(0)', 'R1'],
  ['connection/backoff.ts', '2 ** (attempt - 1)', '1', 'R1'],
  ['connection/backoff.ts', 'Math.min(backoffMost, ', 'Math.max(0, ', 'R1'],
  ['connection/backoff.ts', '(1 - random() / 4)', '1', 'R1'],
  ['connection/backoff.ts', 'failureKeyOf(each.reason) === failureKeyOf(disconnect.reason)', 'true', 'R2'],
  ['connection/backoff.ts', 'livedMs >= healthy || isReconnectRequested', 'isReconnectRequested', 'R14'],
  ['connection/backoff.ts', "(isReconnectRequested && disconnect.retry === 'later') || ", '', 'R5'],
  ['connection/backoff.ts', "if (retry === 'never') return Infinity;", "if (retry === 'never') return 5_000;", 'R13'],
  ['connection/heartbeat.ts', 'tap(onAlive)', 'tap()', 'R7'],
  ['connection/heartbeat.ts', 'return merge(regular, probes)', 'return merge(regular)', 'R5'],
  ['connection/heartbeat.ts', 'return merge(regular, probes)', 'return merge(probes)', 'R6'],
  ['connection/heartbeat.ts', "throwError(() => createSilenceDisconnect('probe'))", 'NEVER', 'R5'],
  ['connection/mux.ts', "outgoing.next({ type: 'unbind', session });", '', 'unbound'],
  ['connection/mux.ts', 'channels.delete(session);', '', 'keeps nothing'],
  [
    'connection/mux.ts',
    'message.token === lastToken) return { ...message, token: null }',
    'message.token === lastToken) return message',
    'sent once',
  ],
  ['binding/session.ts', 'switchMap((need) =>', 'mergeMap((need) =>', 'S3|S8'],
  [
    'binding/session.ts',
    'switchMap((connection) => handleConnectionState',
    'mergeMap((connection) => handleConnectionState',
    'W7',
  ],
  ['binding/bind-session.ts', "if (disconnect.reason.kind === 'token-expired') tokens.markExpired(token);", '', 'S17'],
  ['connection/backoff.ts', ' || isRenewed', '', 'S17'],
  [
    'binding/session.ts',
    'marks.wanted > Math.max(marks.answered, asked)',
    'marks.wanted > asked',
    'not requested again',
  ],
  ['binding/session.ts', "of<SessionEvent>({ type: 'fatal', error: fatal })", 'EMPTY', 'W10|S15|S19'],
  [
    'state/session-store.ts',
    'void queueScheduler.schedule(() => show(outcome))',
    'show(outcome)',
    'inside an observer',
  ],
  ['state/session-store.ts', "before.sync !== 'dying'", 'true', 'S15'],
  ['state/session-store.ts', 'new ReplaySubject<SessionState>(1)', 'new Subject<SessionState>()', 'S1|C6'],
  ['state/session-store.ts', 'current = outcome.state;', '', 'S2'],
  [
    'state/session-reducer.ts',
    'const connected: SessionState = { ...known, connection: after.connection };',
    'const connected: SessionState = known;',
    'W10',
  ],
  ['state/session-reducer.ts', '{ ...connected, interruption: after.interruption }, after]', 'after]', 'W10'],
  [
    'state/session-reducer.ts',
    "if (state.sync !== 'dying' || state.outbox.changesets > 0) return state;",
    'return state;',
    'S13',
  ],
  ['state/session-reducer.ts', 'const isFinishing = !immediately &&', 'const isFinishing =', 'S11'],
  ['state/session-reducer.ts', 'state.outbox.changesets > 0 && needsConnection(state.sync)', 'false', 'S12'],
  [
    'state/session-reducer.ts',
    "if (state.sync === 'inactive') return state;\n  const wasDying",
    'const wasDying',
    'inactive',
  ],
  [
    'state/session-reducer.ts',
    'outbox.changesets === 0 && downloaded.behind === 0',
    'true',
    'does not set lastSyncedAt',
  ],
  ['state/transitions.ts', "open: 'paused'", "open: 'active'", 'S6'],
  ['state/transitions.ts', "logIn: 'paused'", "logIn: 'active'", 'S7'],
  [
    'state/transitions.ts',
    "closeUnsent: 'dying',\n    pause: 'paused',\n    resume: 'active',\n    expired: 'waiting",
    "closeUnsent: 'inactive',\n    pause: 'paused',\n    resume: 'active',\n    expired: 'waiting",
    'S12',
  ],
  [
    'state/transitions.ts',
    "expired: 'waitingForAccessToken',\n    token: 'active',\n    uploaded: 'active'",
    "expired: 'active',\n    token: 'active',\n    uploaded: 'active'",
    'S17',
  ],
  ['api/completion.ts', 'versionShift.shift + outbox.acknowledged >= goal', 'true', 'W2|W6'],
  ['api/completion.ts', 'shiftBefore.shift + before.written;', 'shiftBefore.shift + before.written + 1;', 'W1|W2'],
  ['state/version-shift.ts', 'const from = before.shift + outbox.acknowledged;', 'const from = before.shift;', 'E6'],
  ['state/version-shift.ts', '? { ...before, shift: from }', '? before', 'E6'],
  ['api/completion.ts', 'interruption.times > times', 'false', 'W8'],
  ['api/completion.ts', "store.dispatch({ type: 'markWanted' });", '', 'W3|W4'],
  ['api/completion.ts', 'marks.answered >= wanted', 'true', 'W3|W4'],
  ['conversation/conversation.ts', 'concatMap(() =>', 'mergeMap(() =>', 'W3'],
  ['conversation/conversation.ts', 'first: ports.timeouts.connect', 'first: 2_000_000_000', 'waits for the answer'],
  ['conversation/conversation.ts', 'version > cursors.sent', 'false', 'accepted'],
  ['conversation/handle-download.ts', 'page.upTo <= cursors.downloadedTo', 'false', 'download'],
  [
    'conversation/handle-download.ts',
    "runAction(() => answers.next({ type: 'received', session, version: page.upTo }))",
    'EMPTY',
    'received',
  ],
  ['conversation/conversation.ts', 'realm.acknowledge(version),', '', 'W2|W6'],
  ['binding/token-request.ts', 'takeWhile((token) => token === rejected, true)', 'take(1)', 'replays the old token'],
  ['binding/tokens.ts', 'trustToken = (): boolean => false', 'trustToken = (): boolean => true', 'S18|S17'],
  ['binding/tokens.ts', 'looksExpired(token, now())', 'false', 'S17'],
  ['binding/token-request.ts', 'thrown.status === 401', 'false', 'S19'],
  [
    'connection/mux.ts',
    "token$.pipe(map((token) => withoutRepeating({ type: 'token', token })))",
    'EMPTY',
    'open connection',
  ],
  ['binding/bind-session.ts', 'reconnect$.pipe(tap(backoff.reset))', 'NEVER', 'E3'],
  ['connection/connection.ts', 'observeOn(queueScheduler),', '', 'seen in order'],
  ['connection/connection-state.ts', 'if (!isReported || livedMs >= healthy) report', 'report', 'outage'],
  ['binding/stall-watchdog.ts', "=== 'connected' && hasWork(state)", "=== 'connected'", 'on which nothing waits'],
  ['binding/stall-watchdog.ts', 'movementOf(before) === movementOf(after)', 'true', 'quiet again|never fires'],
  ['binding/stall-watchdog.ts', 'state.stall.times === 1', 'true', 'StalledError'],
  ['binding/stall-watchdog.ts', 'openConnection.close();', '', 'StalledError'],
  ['binding/stall-watchdog.ts', 'openConnection.probe();', '', 'StalledError'],
  ['binding/stall-watchdog.ts', 'timer(patienceOf(state, stall), scheduler)', 'timer(1, scheduler)', 'never fires'],
  ['api/progress.ts', 'Math.min(total.ofBytes, next.ofBytes)', 'next.ofBytes', 'P4'],
  ['api/progress.ts', 'takeWhile(isUnderWay, true)', 'takeWhile(isUnderWay)', 'P4|P5'],
  ['api/progress.ts', 'bytes >= ofBytes ? 1 : ', '', 'P5|P6'],
  ['state/transfer-progress.ts', 'Math.max(before?.bytes ?? 0, next.bytes)', 'next.bytes', 'P7'],
  ['state/transfer-progress.ts', 'before.bytes >= before.ofBytes ? before.bytes : before.from', 'before.from', 'P3'],
  [
    'state/session-reducer.ts',
    'moved ? [{ ...before, transfers: after.transfers }, after] : [after]',
    '[after]',
    'emits the progress',
  ],
  ['api/write-status.ts', "version <= sent ? { state: 'sent' }", "true ? { state: 'sent' }", 'emits saved'],
  ['binding/client-reset.ts', 'resets >= resetsMax', 'false', 'E8'],
  [
    'binding/client-reset.ts',
    "mode === 'manual' ? resetDecision.mode : mode",
    "mode === 'manual' ? 'recover' : mode",
    'E5',
  ],
  ['binding/client-reset.ts', "catchError(() => realm.reset('discard'))", 'tap()', 'E6'],
  ['conversation/conversation.ts', 'version > before && (before = version)', '(before = version) > 0', 'E9'],
  [
    'conversation/conversation.ts',
    "from(errors).pipe(map((error): SessionEvent => ({ type: 'rejected', error }))),",
    '',
    'E9',
  ],
  [
    'conversation/snapshot-buffer.ts',
    'if (pages.snapshotId !== of) pages = createEmptyPages(of);',
    '',
    'begins again after a disconnect',
  ],
  [
    'conversation/snapshot-buffer.ts',
    'return last ? { type: last.type, key: last.key } : null;',
    'return null;',
    'continues after',
  ],
  ['conversation/snapshot-buffer.ts', 'keys.has(key) || pages', 'pages', 'an object twice'],
  [
    'conversation/snapshot-buffer.ts',
    'pages.remaining !== null && left !== pages.remaining',
    'false',
    'more left than before',
  ],
  ['conversation/snapshot-buffer.ts', 'bytes < pages.bytes', 'false', 'goes back'],
  ['conversation/handle-download.ts', 'version !== cursors.fetching', 'false', 'of another version|was not asked for'],
  [
    'conversation/handle-download.ts',
    'if (cursors.fetching !== null) {',
    'if (cursors.fetching === -1) {',
    'comes before its page',
  ],
  ['conversation/handle-download.ts', 'runAction(snapshotBuffer.drop),', '', 'page by page|keeps'],
  [
    'conversation/handle-download.ts',
    "of<SessionEvent>({ type: 'collected', bytes, remainingBytes }),",
    'of<SessionEvent>(),',
    'how far it is',
  ],
  [
    'conversation/conversation.ts',
    'snapshot <= greeting.downloadedTo || snapshot > head',
    'snapshot > head',
    'is behind the downloaded version',
  ],
  [
    'conversation/conversation.ts',
    'snapshot <= greeting.downloadedTo || snapshot > head',
    'snapshot <= greeting.downloadedTo',
    'ahead of the history',
  ],
  ['state/session-state.ts', '${transfers.download?.bytes ?? 0}', '', 'as long as pages come'],
];

const only = process.argv[2] === undefined ? null : Number(process.argv[2]) - 1;
// The specs of `scale` test no single operator and take half a minute.
const specs = ['spec/session', 'spec/client/login', '--testPathIgnorePatterns', 'scale', '--bail', '--silent'];

/** Runs the specs. A mutation may cause an endless loop, so the runner is killed with all of its workers after a time. */
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
    console.error(`${index + 1} ${name}: the file does not contain this text: ${from}`);
    process.exitCode = 1;
    continue;
  }
  tried += 1;
  // Missing imports are added, so that only the mutation itself can fail.
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
    `${String(index + 1).padStart(2)} ${name.padEnd(40)} ${verdict.padEnd(9)} ${to === '' ? 'without' : 'with'} ${(to === '' ? from : to).split('\n')[0].slice(0, 70)}`,
  );
}
console.log(`\n${caught} of ${tried} caught`);
if (caught < tried * 0.9) process.exitCode = 1;
