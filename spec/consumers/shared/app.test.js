import { connectionLetters, fakeSession, marbles } from 'tidemark/testing';
import { connectionOf, indicator, openTasks } from './app.js';
import { describe, expect, it } from './runner.js';

describe('the sync indicator', () => {
  it(
    'is patient',
    marbles(({ cold, clock, expectObservable }) => {
      const session = fakeSession({ connectionState$: cold('C 999ms d 999ms C 999ms d', connectionLetters) });
      expectObservable(indicator(session, clock)).toBe('    g 4999ms e', { g: 'green', e: 'grey' });
    }),
  );

  it('pauses its session', () => {
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
});
