import { ignoreElements, merge, switchMap } from 'rxjs';
import { memoryStorage } from 'tidemark';
import { createSyncServer } from 'tidemark/server';
import { connectionLetters, fakeSession, marbles } from 'tidemark/testing';
import { connectionOf, indicator, openTasks, titlesOf } from './app.js';
import { describe, expect, it } from './runner.js';

describe('the sync indicator', () => {
  it(
    'is patient',
    marbles(({ cold, clock, expectObservable }) => {
      const session = fakeSession({ connectionState$: cold('C 999ms d 999ms C 999ms d', connectionLetters) });
      expectObservable(indicator(session, clock)).toBe('    g 4999ms e', { g: 'green', e: 'grey' });
    }),
  );

  it('pauses the session of whoever asks', () => {
    const session = fakeSession();
    session.pause();
    expect(session.commands).toEqual(['pause']);
  });
});

describe('the app', () => {
  it(
    'comes back with its network',
    marbles(({ clock, network, expectStates }) => {
      const { dial, online$ } = network('--o----x--o', { latencyMs: 1 });
      expectStates(connectionOf(openTasks({ dial, online$, clock })), '30ms !').toBe('d-c---Cd--c---C');
    }),
  );

  it(
    'shows on one device what another wrote offline',
    marbles(({ clock, cold, network, expectObservable }) => {
      const server = createSyncServer({ storage: memoryStorage(), clock });
      const device = (diagram, name) =>
        openTasks({ ...network(diagram, { server, latencyMs: 5 }), clock: { ...clock, random: () => name } });
      const written$ = device('o 49ms x 49ms o', 0.1).pipe(
        switchMap((realm) =>
          cold('60ms w').pipe(switchMap(() => realm.write((tx) => tx.create('Task', { id: 'a', title: 'milk' })))),
        ),
        ignoreElements(),
      );
      expectObservable(merge(written$, titlesOf(device('o', 0.2))), '200ms !').toBe('n 129ms m', { n: '', m: 'milk' });
    }),
  );
});
