import { jest } from '@jest/globals';
import { createSyncServer, type ServerEvent, type ServerOptions } from '../../../lib/server/index.js';
import { systemClock } from '../../../lib/clock.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { createBind, connect } from '../test-kit.js';

const printed = jest.spyOn(console, 'error').mockImplementation(() => undefined);
beforeEach(() => printed.mockClear());
afterAll(() => printed.mockRestore());

const failing = (options: Partial<ServerOptions> = {}) =>
  createSyncServer({ storage: memoryStorage(), authorize: () => true as never, ...options });
const expected = 'authorize must return "none", "read" or "write", received true.';

describe('a server without the option log', () => {
  it('prints its errors with console.error, and no other events', () => {
    const client = connect(failing().wire);
    client.send(createBind());
    expect(printed.mock.calls).toEqual([['tidemark server: realm "team" failed:', new TypeError(expected)]]);
  });

  it('prints at most one error per second, and says how many it left out', () => {
    let now = 0;
    const client = connect(failing({ clock: { ...systemClock, now: () => now } }).wire);
    for (const session of [1, 2, 3]) client.send(createBind({ session, replica: `r${session}` }));
    expect(printed).toHaveBeenCalledTimes(1);
    now = 1_000;
    client.send(createBind({ session: 4, replica: 'r4' }));
    expect(printed.mock.calls[1]?.[0]).toBe(
      'tidemark server: realm "team" failed (2 more errors since the last line):',
    );
  });
});

describe('an event of a failure', () => {
  it('has the message of the error also as JSON', () => {
    const events: ServerEvent[] = [];
    connect(failing({ log: (event) => events.push(event) }).wire).send(createBind());
    expect(JSON.parse(JSON.stringify(events))).toMatchObject([{ event: 'failed', realm: 'team', text: expected }]);
    expect(printed).not.toHaveBeenCalled();
  });
});
