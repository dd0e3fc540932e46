import type { Recordable } from '../../lib/session/recording/record.js';
import { marbles, record, type MarbleHelpers } from '../../lib/testing/index.js';

/** What a session does, as text, after so many milliseconds of virtual time. */
export const recordSession = (ms: number, sessionIn: (m: MarbleHelpers) => Recordable): string => {
  const texts: string[] = [];
  const test = (m: MarbleHelpers): void => {
    const recording = record(sessionIn(m), { clock: m.clock, eventsMax: 1_000 });
    m.scheduler.schedule(() => texts.push(recording.text()), ms);
  };
  marbles(test, { framesMax: Math.max(1, ms) })();
  return texts[0] ?? '';
};

/** A recording of these parts. */
export const createRecordingText = (...parts: readonly string[]): string =>
  [
    'tidemark recording 1',
    'began 2026-11-24T02:28:49.123Z',
    'until 10m',
    'letters d disconnected, c connecting, C connected, a active, p paused, i inactive, y dying, t waitingForAccessToken',
    ...parts,
  ].join('\n');

/** What else there is to a whole status. */
export const wholeStatusText = 'pending=0/0B downloaded=0 behind=unknown synced=never stalled=no';
/** A whole status: a first call is under way. */
export const callingStatusText = `sync=active connection=connecting attempt=1 ${wholeStatusText}`;
