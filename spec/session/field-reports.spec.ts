import { concat, defer, EMPTY, map, of, type Observable } from 'rxjs';
import { ClientResetError, type SyncError } from '../../lib/model/errors.js';
import type { ClientResetKind } from '../../lib/model/changeset.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { waitUntilProcessed } from '../../lib/session/conversation/receive-progress.js';
import type { Progress } from '../../lib/session/api/progress.js';
import type { ClientSession } from '../../lib/session/binding/session.js';
import { marbles } from '../../lib/testing/marbles.js';
import { createAnsweringServer, runAt, closeRealm, createScriptedDial, createTestSession } from './test-kit.js';
import { createTestRealm } from './test-realm.js';

/** Accepts a replica only if it has no acknowledged changesets and knows no history. */
const fresh = createAnsweringServer({
  answers: (message) => {
    if (message.type !== 'bind' || (message.history === null && message.acknowledged === 0)) return undefined;
    const { session } = message;
    return of<ServerMessage>({ type: 'error', session, code: 'history-changed', text: 'restored', retry: 'never' });
  },
});

const page = (session: number, upTo: number, bytes: number, remainingBytes = 0): ServerMessage => ({
  ...{ type: 'download', session, changesets: [], upTo, remaining: remainingBytes > 0 ? 1 : 0, bytes, remainingBytes },
});

const bytes = (progress$: Observable<Progress>): Observable<string> =>
  progress$.pipe(map((each) => `${each.transferredBytes}/${each.transferableBytes} ${each.transferredChangesets}`));

describe('a client reset that the app decides', () => {
  it(
    'field report G-4: is asked for once, also when the server has to be asked twice',
    marbles((m) => {
      const realm = createTestRealm({ downloaded: 5, history: 'old' });
      realm.write();
      realm.write();
      realm.acknowledge(1).subscribe();
      const resets: string[] = [];
      const noted = {
        ...realm,
        reset: (mode: ClientResetKind) =>
          concat(
            defer(() => (resets.push(mode), EMPTY)),
            realm.reset(mode),
          ),
      };
      const { dial } = createScriptedDial(m, ['--w', fresh], ['w', fresh]);
      const scene = createTestSession(m, { dial, realm: noted, clientReset: 'manual' });
      const asked: SyncError[] = [];
      scene.session.errors$.subscribe((error) => {
        asked.push(error);
        if (error instanceof ClientResetError) error.reset('recover').subscribe({ complete: scene.session.resume });
      });
      runAt(m, '20ms x', {
        x: () => {
          expect(asked).toHaveLength(1);
          expect(scene.session.connectionState).toBe('connected');
          expect(realm.present()).toMatchObject({ changesets: 0 });
          expect(resets).toEqual(['keepReplica', 'keepReplica']);
          closeRealm(scene, true);
        },
      });
    }),
  );
});

describe('progress over a client reset', () => {
  it(
    'field report G-6: both directions are reset together, bytes as well as counts',
    marbles((m) => {
      const realm = createTestRealm();
      realm.write(68);
      const scene = createTestSession(m, { dial: createScriptedDial(m, '--w').dial, realm });
      m.expectObservable(
        bytes(scene.session.progress$({ direction: 'upload', mode: 'reportIndefinitely' })),
        '9ms !',
      ).toBe('a-b--c', { a: '0/100 0', b: '100/100 1', c: '0/100 0' });
      runAt(m, '-----x', {
        x: () => {
          const outbox = { written: 1, acknowledged: 0, acknowledgedBytes: 0, changesets: 1, bytes: 100 };
          scene.machine.dispatch({ type: 'outbox', outbox });
          expect(scene.machine.getState().transfers.download).toBeNull();
        },
      });
      runAt(m, '10ms x', { x: () => closeRealm(scene, true) });
    }),
  );
});

describe('progress of an outstanding download', () => {
  const answers = (m: Parameters<typeof createScriptedDial>[0]) =>
    createAnsweringServer({
      bound: { head: 2, headBytes: 200 },
      answers: (message: ClientMessage) =>
        message.type === 'bind'
          ? concat(
              of<ServerMessage>({
                ...{ type: 'bound', session: message.session, history: 'h', head: 2, headBytes: 200, accepted: 0 },
                ...{ serverTime: 0, frameBytesMax: 1e6, snapshot: null, stamp: null, limits: undefined },
              } as never),
              m.cold('--a', { a: page(message.session, 2, 200) }),
            )
          : undefined,
    });

  it(
    'field report G-9: does not complete while the session is disconnected: the server may have more',
    marbles((m) => {
      const { dial } = createScriptedDial(m, ['--w', answers(m)]);
      const scene = createTestSession(m, {
        dial,
        start: 'paused',
        realm: createTestRealm({ downloaded: 1, history: 'h' }),
      });
      scene.machine.dispatch({ type: 'downloaded', version: 1, behind: 0, bytes: 100, remainingBytes: 0, at: 0 });
      runAt(m, '-----r', { r: scene.session.resume });
      m.expectObservable(
        bytes(scene.session.progress$({ direction: 'download', mode: 'forCurrentlyOutstandingWork' })),
        '50ms !',
      ).toBe('-------a-(b|)', { a: '100/200 1', b: '200/200 2' });
      runAt(m, '60ms x', { x: () => closeRealm(scene, true) });
    }),
  );
});

describe('refresh', () => {
  it(
    'field report G-10: waits for what has arrived and is not stored, and for nothing else',
    marbles((m) => {
      const slow = createTestRealm({ integrating: m.cold('----|') });
      let upTo = 0;
      const next = (session: number) => page(session, ++upTo, 100 * upTo);
      const lagging = createAnsweringServer({
        answers: (message) => (message.type === 'mark' ? of(next(message.session), next(message.session)) : undefined),
      });
      const { dial } = createScriptedDial(m, ['--w', lagging]);
      const scene = createTestSession(m, { dial, realm: slow });
      const { receiveProgress } = scene.machine as ClientSession;
      m.expectObservable(waitUntilProcessed(receiveProgress)).toBe('|');
      scene.session.downloadComplete$.subscribe({ error: () => undefined });
      m.expectObservable(waitUntilProcessed(receiveProgress), '---^').toBe('----------|');
      // Unprocessed messages of a lost connection are not waited for.
      runAt(m, '20ms w', { w: () => scene.session.downloadComplete$.subscribe({ error: () => undefined }) });
      m.expectObservable(waitUntilProcessed(receiveProgress), '21ms ^').toBe('22ms |');
      runAt(m, '22ms x', { x: () => closeRealm(scene, true) });
    }),
  );
});
