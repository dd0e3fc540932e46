import { connectionLetters, fakeSession, marbles } from 'tidemark/testing';
import { indicator } from './app.js';
import { it } from './runner.js';

it(
  'is meant to fail',
  marbles(({ cold, clock, expectObservable }) => {
    const flaky = fakeSession({ connectionState$: cold('C 999ms d 999ms C', connectionLetters) });
    expectObservable(indicator(flaky, clock)).toBe('    g 999ms e 999ms g', { g: 'green', e: 'grey' });
  }),
);
