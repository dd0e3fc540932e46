import { defer, delay, finalize, merge, type Observable, of, switchMap, tap } from 'rxjs';
import { createSyncClient, memoryStorage, openRealm$, type SyncSession } from 'tidemark';
import { createRejected, marbles, scriptedServer, type MarbleHelpers } from 'tidemark/testing';
import type { RealmMember } from '../../lib/client/realm-member.js';
import { InspectedSession } from '../../lib/inspector/inspected-session.js';
import { type RowName, rowNames } from '../../lib/inspector/session-row.js';
import { coreOf, simulateOffline } from '../../lib/inspector/simulate-offline.js';
import type { SessionStore } from '../../lib/session/state/session-store.js';

const schema = { Task: { primaryKey: 'id', properties: { id: 'string' } } } as const;

/** Counts the subscriptions to the streams of a session. */
const countSubscriptions = (machine: SessionStore) => {
  const counted = { count: 0 };
  const count = <T>(stream$: Observable<T>): Observable<T> =>
    defer(() => {
      counted.count += 1;
      return stream$;
    }).pipe(finalize(() => (counted.count -= 1)));
  const watched: SessionStore = {
    dispatch: (event) => machine.dispatch(event),
    getState: () => machine.getState(),
    state$: count(machine.state$),
    error$: count(machine.error$),
  };
  return { counted, watched };
};

/** Opens a realm at once, whose session is inspected from its beginning. */
const inspect = ({ clock, network, scheduler }: MarbleHelpers) => {
  const server = scriptedServer({
    upload: (message) =>
      message.changesets[0]?.version === 2
        ? of(createRejected(message, 'Task', 'b', 'not yours')).pipe(delay(5, scheduler))
        : of({ type: 'accepted', session: message.session, version: message.changesets.at(-1)!.version } as const),
  });
  const client = createSyncClient({ dial: network('o', { server }).dial, clock });
  const core = coreOf(client);
  const inspected: InspectedSession[] = [];
  let counted = { count: 0 };
  let changes = 0;
  core.memberAdded$.subscribe((member: RealmMember) => {
    const { counted: own, watched } = countSubscriptions(member.machine);
    counted = own;
    inspected.push(new InspectedSession({ ...member, machine: watched }, core, 100, () => (changes += 1)));
  });
  const realm$ = openRealm$({ schema, storage: memoryStorage(), sync: { client, realm: 'team' }, clock });
  const [session] = [() => inspected[0]!];
  const labelsOf = (name: RowName): string =>
    session()
      .rows[name].events.map(({ label }) => label)
      .join(' ');
  return { client, realm$, session, labelsOf, counted: () => counted.count, changes: () => changes };
};

const stateOf = (session: SyncSession): string => `${session.syncState} ${session.connectionState}`;

describe('InspectedSession', () => {
  it(
    'has each value of the streams with its letter, from the first on',
    marbles((m) => {
      const { client, realm$, session, labelsOf, changes } = inspect(m);
      const act = (diagram: string, work: () => unknown): Observable<unknown> => m.cold(diagram).pipe(tap(work));
      const acts$ = realm$.pipe(
        switchMap(({ write, session: { pause, resume } }) =>
          merge(
            act('--w', () => write((tx) => tx.create('Task', { id: 'a' }))),
            act('10ms w', () => write((tx) => tx.create('Task', { id: 'b' }))),
            act('40ms p', pause),
            act('50ms r', resume),
          ),
        ),
      );
      acts$.subscribe();
      m.cold('2s x 1s o').subscribe((letter) => simulateOffline(client, letter === 'x'));
      let atRest = '';
      m.cold('300s e').subscribe(() => expect(labelsOf('connection')).toBe(atRest)); // Pings make no marble.
      m.cold('5s e').subscribe(() => {
        atRest = labelsOf('connection');
        expect(labelsOf('connection')).toMatch(/^d c C d c C d .*C$/);
        expect(labelsOf('sync state')).toBe('i a p a');
        expect(labelsOf('uploads')).toBe('1 0 1 0');
        expect(labelsOf('errors')).toBe('!'); // The rejected write.
        expect(session().rejected.map(({ reasonCode }) => reasonCode)).toEqual(['not-permitted']);
        expect(stateOf(session().session)).toBe('active connected');
        expect(changes()).toBeGreaterThan(8);
        for (const name of rowNames) {
          const times = session().rows[name].events.map(({ at }) => at);
          expect(times).toEqual([...times].sort((a, b) => a - b));
        }
      });
    }),
  );

  it(
    'ends each stream with a bar when the session ends, and observes nothing any more',
    marbles((m) => {
      const { client, realm$, session, labelsOf, counted } = inspect(m);
      realm$.subscribe();
      m.cold('10ms c').subscribe(() => {
        expect(counted()).toBeGreaterThan(0);
        void client.close();
      });
      m.cold('20ms e').subscribe(() => {
        expect(session().isOver).toBe(true);
        expect([session().realm, session().store]).toEqual([null, null]); // It keeps no objects in memory.
        for (const name of rowNames) expect(labelsOf(name)).toMatch(/\|$/);
        expect(counted()).toBe(0);
      });
    }),
  );

  it(
    'observes nothing after `end`, while the session goes on',
    marbles((m) => {
      const { realm$, session, labelsOf, counted } = inspect(m);
      realm$.pipe(switchMap((realm) => m.cold('20ms p').pipe(tap(() => realm.session.pause())))).subscribe();
      m.cold('10ms e').subscribe(() => {
        expect(counted()).toBeGreaterThan(0);
        session().end();
        expect(counted()).toBe(0);
      });
      m.cold('30ms e').subscribe(() => expect(labelsOf('sync state')).toBe('i a'));
    }),
  );
});
