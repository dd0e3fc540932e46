import { concat, defer, EMPTY, from, of, throwError } from 'rxjs';
import { ClientResetError, SyncError } from '../../../lib/model/errors.js';
import type { ServerMessage } from '../../../lib/protocol/messages.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  lettersOf,
  createScriptedDial,
  createTestSession,
  type TestWire,
} from '../test-kit.js';
import { type TestRealm, createTestRealm } from '../test-realm.js';
import { boundFields } from '../../protocol/bound-fields.js';

/** Creates a server with another history than `old`. It accepts only replicas that know no history, or none at all. */
const restored = ({ stubborn = false } = {}): TestWire =>
  createAnsweringServer({
    answers: (message) => {
      if (message.type !== 'bind' || (message.history === null && !stubborn)) return undefined;
      const { session } = message;
      return of<ServerMessage>({ type: 'error', session, code: 'history-changed', text: 'restored', retry: 'never' });
    },
  });

/** Creates a realm of the old history with one unsent write. It records its client resets. */
const oldRealm = (): TestRealm & { readonly resets: string[] } => {
  const realm = createTestRealm({ downloaded: 5, history: 'old' });
  realm.write();
  const resets: string[] = [];
  return {
    ...realm,
    resets,
    reset: (mode) =>
      concat(
        defer(() => (resets.push(mode), EMPTY)),
        realm.reset(mode),
      ),
  };
};

describe('a server that has another history', () => {
  it(
    'E5 makes the session inactive in the manual mode, with an error that can perform a client reset; resume() then continues',
    marbles((m) => {
      const realm = oldRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', restored()], ['w', restored()]).dial,
        realm,
        clientReset: 'manual',
      });
      const errors: SyncError[] = [];
      session.errors$.subscribe((error) => errors.push(error));
      m.expectObservable(lettersOf(session.connectionState$), '19ms !').toBe('c-d-------(cC)');
      m.expectObservable(lettersOf(session.syncState$), '19ms !').toBe('     a-i-------a');
      runAt(m, '----x', {
        x: () => {
          expect(errors).toEqual([expect.any(ClientResetError)]);
          expect(errors[0]).toMatchObject({ code: 'history-changed', fatal: true, why: 'manual' });
          expect(realm.resets).toEqual([]);
          expect(realm.present().changesets).toBe(1); // Nothing was lost.
          (errors[0] as ClientResetError).reset('recover').subscribe();
        },
      });
      runAt(m, '----------r', { r: session.resume });
      runAt(m, '-----------x', { x: () => expect(realm.present().acknowledged).toBe(1) });
    }),
  );

  it(
    'E6 causes a client reset in the automatic modes: waits survive, and unsent changes are recovered',
    marbles((m) => {
      const realm = oldRealm();
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', restored()]).dial, realm });
      m.expectObservable(session.uploadComplete$, '19ms !').toBe('--(a|)', { a: 1 });
      m.expectObservable(session.downloadComplete$, '19ms !').toBe('--(a|)', { a: 0 });
      m.expectObservable(session.errors$, '19ms !').toBe('');
      m.expectObservable(lettersOf(session.syncState$), '19ms !').toBe('a');
      m.expectObservable(lettersOf(session.connectionState$), '19ms !').toBe('c-C');
      // As the same replica, because the server may have the changes that this realm takes for unsent.
      runAt(m, '---x', { x: () => expect(realm.resets).toEqual(['keepReplica']) });
    }),
  );

  it(
    'E6 discards what cannot be recovered, when it may',
    marbles((m) => {
      const realm = oldRealm();
      const corrupt: TestRealm = {
        ...realm,
        reset: (mode) => (mode !== 'discard' ? throwError(() => new Error('no')) : realm.reset(mode)),
      };
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', restored()]).dial,
        realm: corrupt,
      });
      m.expectObservable(lettersOf(session.connectionState$), '9ms !').toBe('c-C');
      runAt(m, '---x', { x: () => expect(realm.resets).toEqual(['discard']) });
    }),
  );

  it(
    'E7 resets again when the reset was interrupted by a disconnect, and so did not happen',
    marbles((m) => {
      const realm = oldRealm();
      let isFirst = true;
      const slow: TestRealm = {
        ...realm,
        reset: (mode) =>
          defer(() => {
            const interrupted = isFirst;
            isFirst = false;
            return interrupted ? m.cold<never>('---------|') : realm.reset(mode);
          }),
      };
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', restored()], ['-w', restored()]).dial,
        realm: slow,
      });
      runAt(m, '-----pr', { p: session.pause, r: session.resume });
      m.expectObservable(lettersOf(session.connectionState$), '19ms !').toBe('c----d(cC)');
      runAt(m, '9ms x', { x: () => expect(realm.resets).toEqual(['keepReplica']) });
    }),
  );

  it(
    'E8 resets again when the same replica is rejected, and then the stamps of its writes: they are written with new stamps (seed 835)',
    marbles((m) => {
      const realm = oldRealm();
      let isTooOld = true;
      const wire = createAnsweringServer({
        answers: (message) => {
          const { session } = message as { session: number };
          const sendAway = (text: string) =>
            of<ServerMessage>({ type: 'error', session, code: 'history-changed', text, retry: 'never' });
          if (message.type === 'bind' && realm.resets.length < 2) return sendAway('restored');
          if (message.type !== 'upload' || !isTooOld) return undefined;
          isTooOld = false;
          return sendAway('too old');
        },
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wire]).dial, realm });
      m.expectObservable(session.errors$, '19ms !').toBe('');
      m.expectObservable(lettersOf(session.syncState$), '19ms !').toBe('a');
      m.expectObservable(session.uploadComplete$, '19ms !').toBe('--(a|)', { a: 1 });
      runAt(m, '9ms x', { x: () => expect(realm.resets).toEqual(['keepReplica', 'keepReplica', 'recover']) });
    }),
  );

  it(
    'E8 ends the session when each new replica is accepted and its uploads are rejected: no loop',
    marbles((m) => {
      const realm = oldRealm();
      const wire = createAnsweringServer({
        answers: (message) => {
          const sentAway = { code: 'history-changed', text: 'too old', retry: 'never' } as const;
          const known = message.type === 'bind' && message.history !== null;
          if (known || message.type === 'upload')
            return of<ServerMessage>({ type: 'error', session: message.session, ...sentAway });
          if (message.type !== 'bind') return undefined;
          const { session } = message;
          const bound = {
            history: 'h',
            head: 1,
            headBytes: 9,
            accepted: 0,
            serverTime: 0,
            frameBytesMax: 1e6,
            ...boundFields,
          };
          const page = { changesets: [], upTo: 1, remaining: 0, bytes: 9, remainingBytes: 0 };
          return from<ServerMessage[]>([
            { type: 'bound', session, snapshot: null, ...bound },
            { type: 'download', session, ...page },
          ]);
        },
      });
      const { session } = createTestSession(m, { dial: createScriptedDial(m, ['--w', wire]).dial, realm });
      const given = expect.objectContaining({ code: 'history-changed', why: 'again' }) as unknown;
      m.expectObservable(session.errors$, '9s !').toBe('--e', { e: given });
      // A replica that the server accepted and then rejected continues under a new replica id.
      runAt(m, '9ms x', { x: () => expect(realm.resets).toEqual(['keepReplica', 'recover', 'recover']) });
    }),
  );

  it(
    'E8 ends the session when the same replica is rejected again, and new ones, too: no loop',
    marbles((m) => {
      const realm = oldRealm();
      const { session } = createTestSession(m, {
        dial: createScriptedDial(m, ['--w', restored({ stubborn: true })]).dial,
        realm,
      });
      const given = expect.objectContaining({ code: 'history-changed', why: 'again' }) as unknown;
      m.expectObservable(lettersOf(session.syncState$), '9s !').toBe('a-i');
      m.expectObservable(session.errors$, '9s !').toBe('--e', { e: given });
      runAt(m, '9ms x', { x: () => expect(realm.resets).toEqual(['keepReplica', 'keepReplica', 'keepReplica']) }); // Only the first of them knows a history.
    }),
  );
});
