import { jest } from '@jest/globals';
import { systemClock } from '../../../lib/clock.js';
import { createBackoff } from '../../../lib/session/connection/backoff.js';
import { defaultTimeouts } from '../../../lib/session/connection/timeouts.js';
import { marbles } from '../../../lib/testing/marbles.js';
import {
  createAnsweringServer,
  runAt,
  closeRealm,
  lettersOf,
  createScriptedDial,
  createTestSession,
  unreachable,
} from '../test-kit.js';

const day = 86_400_000;

describe('a device whose clock is set', () => {
  it('field report B-11: waits by elapsed time in the middle of a backoff, and the time that is shown follows the clock', () => {
    const dateNow = jest.spyOn(Date, 'now');
    try {
      const { scheduler } = systemClock;
      const backoff = createBackoff(defaultTimeouts, { ...systemClock, random: () => 0 });
      backoff.recordDisconnect(unreachable, 0);
      for (const by of [-day, day]) {
        dateNow.mockReturnValue(1_800_000_000_000 + by);
        expect(backoff.notBefore - scheduler.now()).toBeLessThanOrEqual(1_000);
        expect(backoff.notBefore - scheduler.now()).toBeGreaterThan(0);
        const shown = (backoff.computeRetryAt() ?? 0) - Date.now();
        expect(shown).toBeGreaterThan(0);
        expect(shown).toBeLessThanOrEqual(1_001);
      }
    } finally {
      dateNow.mockRestore();
    }
  });

  it(
    'field report B-11: an answer of before the clock was put back is not taken for that of a later ping',
    marbles((m) => {
      let offset = day;
      const clock = { ...m.clock, now: () => m.scheduler.now() + offset };
      let isDead = false;
      const wire = createAnsweringServer({
        answers: ({ type }) => (type === 'ping' && isDead ? m.cold('') : undefined),
      });
      const { dial } = createScriptedDial(m, ['--w', wire], '-----w');
      const scene = createTestSession(m, { dial, clock });
      runAt(m, '1s r', { r: scene.session.reconnect });
      runAt(m, '2s b', { b: () => void ((offset = 0), (isDead = true)) });
      runAt(m, '3s r', { r: scene.session.reconnect });
      m.expectObservable(lettersOf(scene.session.connectionState$), '10500ms !').toBe('c-C 9997ms (dc)-C');
      runAt(m, '10600ms x', { x: () => closeRealm(scene, true) });
    }),
  );
});
