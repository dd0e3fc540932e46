import { NEVER } from 'rxjs';
import {
  createSyncClient,
  defaultTimeouts,
  InvalidArgumentError,
  memoryStorage,
  openRealm,
  watchReconnectTriggers,
} from '../../lib/index.js';
import { open, schema } from './test-kit.js';

const odd: readonly unknown[] = [
  ...[null, Number.NaN, Infinity, -Infinity, -1, 1e300, 5n, true, 'x', {}, [], Symbol('odd'), new Date(Number.NaN)],
];
const oddCalls: readonly unknown[] = [...odd, () => 1, Promise.resolve(1)];

/** Returns the text of an argument error. Other errors are returned unchanged. */
const refusalOf = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
    return 'taken';
  } catch (thrown) {
    return thrown instanceof InvalidArgumentError ? thrown.argument : thrown;
  }
};

/** Returns the options that these values are rejected for, without repeats. */
const refusals = async (values: readonly unknown[], work: (value: never) => unknown): Promise<unknown[]> => {
  const all: unknown[] = [];
  for (const value of values) all.push(await refusalOf(() => work(value as never)));
  return [...new Set(all)];
};

const url = 'ws://127.0.0.1:9';

describe('an invalid option is rejected with its name, before any effect', () => {
  it('of a client', async () => {
    expect(await refusals(oddCalls, (dial) => createSyncClient({ dial }))).toEqual(['dial']);
    expect(await refusals(oddCalls, (clock) => createSyncClient({ url, clock }))).toEqual(['clock']);
    expect(await refusals(oddCalls, (nudge$) => createSyncClient({ url, reconnect$: nudge$ }))).toEqual(['reconnect$']);
    expect(await refusals(odd, (WebSocket) => createSyncClient({ url, WebSocket }))).toEqual(['WebSocket']);
    expect(await refusals(odd, (log) => createSyncClient({ url, log }))).toEqual(['log']);
    expect(await refusals(odd, (accessToken) => createSyncClient({ url, accessToken }))).toEqual(['accessToken']);
    const client = open.client({ dial: NEVER });
    expect(await refusals(odd, (accessToken) => client.logIn(accessToken))).toEqual(['accessToken']);
    expect(await refusals(odd, (unsynced) => client.logOut({ unsynced }))).toEqual(['logOut.unsynced']);
  });

  it('of its timeouts: those that would call, ping or give up in a circle, too', async () => {
    for (const name of Object.keys(defaultTimeouts)) {
      const mayBeZero = name === 'linger' || name === 'healthy';
      const work = (ms: number) => createSyncClient({ url, timeouts: { [name]: ms } }).close();
      expect(await refusals(odd, work)).toEqual([`timeouts.${name}`]);
      expect(await refusals([0], work)).toEqual([mayBeZero ? 'taken' : `timeouts.${name}`]);
    }
  });

  it('but a timeout that is undefined is one that was left out', async () => {
    const timeouts = Object.fromEntries(Object.keys(defaultTimeouts).map((name) => [name, undefined]));
    const client = open.client({ dial: NEVER, timeouts });
    const realm = await open.realm(client);
    expect(realm.syncSession).toMatchObject({ value: { connectionState: 'connecting' } });
  });

  it('of a realm', async () => {
    const client = open.client({ dial: NEVER });
    const opening = (other: object) => openRealm({ schema, storage: memoryStorage(), ...other });
    const isName = (value: unknown) => typeof value === 'string';
    const noStorage = oddCalls.filter((value) => !isName(value));
    expect(await refusals(noStorage, (storage) => opening({ storage }))).toEqual(['storage']);
    expect(await refusals(oddCalls, (clock) => opening({ clock }))).toEqual(['clock']);
    expect(await refusals(oddCalls, (clock) => opening({ clock, sync: { client, realm: 'r' } }))).toEqual(['clock']);
  });

  it('of platformNudges', async () => {
    expect(await refusals(odd, (clock) => watchReconnectTriggers({ clock }))).toEqual(['clock']);
    expect(await refusals([null, 5, 'x'], (sources) => watchReconnectTriggers({ sources }))).toEqual(['sources']);
    expect(await refusals([null, 5, 'x'], watchReconnectTriggers)).toEqual(['options']);
  });
});
