import type { Recordable } from '../../lib/session/recording/record.js';
import { marbles, record, type MarbleHelpers } from '../../lib/testing/index.js';

/** Records a session for `ms` milliseconds of virtual time and returns the text. */
export const recordSession = (ms: number, sessionIn: (m: MarbleHelpers) => Recordable): string => {
  const texts: string[] = [];
  const test = (m: MarbleHelpers): void => {
    const recording = record(sessionIn(m), { clock: m.clock, eventsMax: 1_000 });
    m.scheduler.schedule(() => texts.push(recording.text()), ms);
  };
  marbles(test, { framesMax: Math.max(1, ms) })();
  return texts[0] ?? '';
};

/** Returns a recording with these lines. */
export const createRecordingText = (...parts: readonly string[]): string =>
  [
    'tidemark recording 1',
    'began 2026-11-24T02:28:49.123Z',
    'until 10m',
    'letters d disconnected, c connecting, C connected, a active, p paused, i inactive, y dying, t waitingForAccessToken',
    ...parts,
  ].join('\n');

/** The further parts of a whole status. */
export const wholeStatusText = 'pending=0/0B downloaded=0 behind=unknown synced=never stalled=no';
/** A whole status during the first connection attempt. */
export const callingStatusText = `sync=active connection=connecting attempt=1 ${wholeStatusText}`;
