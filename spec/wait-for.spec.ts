import { concat, EMPTY, NEVER, of, throwError } from 'rxjs';
import { waitForCondition, waitForValue } from './wait-for.js';

const thrown = (wait: Promise<unknown>): Promise<Error> =>
  wait.then(
    () => new Error('it came'),
    (error: unknown) => error as Error,
  );

describe('field report H-5: a wait of a spec', () => {
  it('reports its condition, the last value and the place when the bound passes', async () => {
    const error = await thrown(waitForValue(concat(of({ state: 'idle' }), NEVER), ({ state }) => state === 'done', 5));
    expect(error.message).toMatch(/^waited 5 ms for .*state === 'done': last came { state: 'idle' }$/);
    expect(error.stack).toContain('wait-for.spec.ts');
    expect((await thrown(waitForValue(NEVER, 'uploadComplete$', 5))).message).toBe(
      'waited 5 ms for uploadComplete$: nothing came',
    );
  });

  it('fails when the stream ends before, and passes errors of the stream on', async () => {
    expect((await thrown(waitForValue(EMPTY, 'a page'))).message).toBe('the stream ended before a page: nothing came');
    expect((await thrown(waitForValue(of(1, 2), (n) => n > 2))).message).toMatch(
      /^the stream ended before .*> 2: last came 2$/,
    );
    expect(
      (
        await thrown(
          waitForValue(
            throwError(() => new Error('its own')),
            'a page',
          ),
        )
      ).message,
    ).toBe('its own');
  });

  it('reports the condition that has not come true, and the current value', async () => {
    const received = ['a'];
    const error = await thrown(
      waitForCondition(
        () => received.length === 2,
        () => received,
        3,
      ),
    );
    expect(error.message).toMatch(/^waited 3 turns for .*received.length === 2: there is \[ 'a' \]$/);
  });

  it('returns the value', async () => {
    expect(await waitForValue(of(1, 2, 3), (n) => n > 1)).toBe(2);
    expect(await waitForValue(of('x'), 'anything')).toBe('x');
    let turns = 0;
    await expect(waitForCondition(() => (turns += 1) > 3)).resolves.toBeUndefined();
  });
});
