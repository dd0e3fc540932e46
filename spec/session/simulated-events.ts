import fc from 'fast-check';
import type { SessionEvent } from '../../lib/session/state/session-events.js';
import { boundFields } from '../protocol/bound-fields.js';

export type SimulatedEvent = readonly [kind: 'write' | 'accept' | 'bound' | 'page', size: number];
export const anyEvents = fc.array(
  fc.tuple(fc.constantFrom('write', 'accept', 'bound', 'page'), fc.integer({ min: 1, max: 500 })),
  {
    maxLength: 60,
  },
);

/**
 * Generates the events of a realm and a server for a session. Keeps sizes of outstanding work by its own computation.
 */
export const createSimulatedSession = () => {
  const waiting: number[] = [];
  const server = { version: 0, bytes: 0 };
  const downloaded = { version: 0, bytes: 0 };
  let accepted = { version: 0, bytes: 0 };
  const outbox = (): SessionEvent => ({
    type: 'outbox',
    outbox: {
      written: accepted.version + waiting.length,
      acknowledged: accepted.version,
      acknowledgedBytes: accepted.bytes,
      changesets: waiting.length,
      bytes: waiting.reduce((sum, size) => sum + size, 0),
    },
  });
  return ([kind, size]: SimulatedEvent): SessionEvent => {
    switch (kind) {
      case 'write':
        waiting.push(size);
        return outbox();
      case 'accept': {
        for (const each of waiting.splice(0, (size % 3) + 1)) {
          accepted = { version: accepted.version + 1, bytes: accepted.bytes + each };
        }
        return outbox();
      }
      case 'bound': {
        server.version += size % 5;
        server.bytes += (size % 5) * 10;
        const bound = {
          type: 'bound',
          session: 1,
          history: 'h',
          head: server.version,
          headBytes: server.bytes,
        } as const;
        return {
          type: 'bound',
          bound: { ...bound, accepted: 0, serverTime: 0, frameBytesMax: 1, ...boundFields, snapshot: null },
          downloadedTo: downloaded.version,
          isFresh: false,
          at: 0,
        };
      }
      case 'page': {
        const step = Math.min(server.version - downloaded.version, size % 4);
        downloaded.version += step;
        downloaded.bytes += step * 10;
        return {
          type: 'downloaded',
          version: downloaded.version,
          behind: server.version - downloaded.version,
          bytes: downloaded.bytes,
          remainingBytes: server.bytes - downloaded.bytes,
          at: 0,
        };
      }
    }
  };
};
