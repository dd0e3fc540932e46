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
const rejectedOptionOf = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
    return 'taken';
  } catch (thrown) {
    return thrown instanceof InvalidArgumentError ? thrown.argument : thrown;
  }
};

/** Returns the options that these values are rejected for, without repeats. */
const rejectedOptionsOf = async (values: readonly unknown[], work: (value: never) => unknown): Promise<unknown[]> => {
  const all: unknown[] = [];
  for (const value of values) all.push(await rejectedOptionOf(() => work(value as never)));
  return [...new Set(all)];
};

const url = 'ws://127.0.0.1:9';

describe('an invalid option is rejected with its name, before any effect', () => {
  it('of a client', async () => {
    expect(await rejectedOptionsOf(oddCalls, (dial) => createSyncClient({ dial }))).toEqual(['dial']);
    expect(await rejectedOptionsOf(oddCalls, (clock) => createSyncClient({ url, clock }))).toEqual(['clock']);
    expect(await rejectedOptionsOf(oddCalls, (reconnect$) => createSyncClient({ url, reconnect$ }))).toEqual([
      'reconnect$',
    ]);
    expect(await rejectedOptionsOf(odd, (WebSocket) => createSyncClient({ url, WebSocket }))).toEqual(['WebSocket']);
    expect(await rejectedOptionsOf(odd, (log) => createSyncClient({ url, log }))).toEqual(['log']);
    expect(await rejectedOptionsOf(odd, (accessToken) => createSyncClient({ url, accessToken }))).toEqual([
      'accessToken',
    ]);
    const client = open.client({ dial: NEVER });
    expect(await rejectedOptionsOf(odd, (accessToken) => client.logIn(accessToken))).toEqual(['accessToken']);
    expect(await rejectedOptionsOf(odd, (unsynced) => client.logOut({ unsynced }))).toEqual(['logOut.unsynced']);
  });

  it('of its timeouts, including those that would connect, ping or time out without end', async () => {
    for (const name of Object.keys(defaultTimeouts)) {
      const mayBeZero = ['linger', 'healthy', 'quickRetry'].includes(name);
      const work = (ms: number) => createSyncClient({ url, timeouts: { [name]: ms } }).close();
      expect(await rejectedOptionsOf(odd, work)).toEqual([`timeouts.${name}`]);
      expect(await rejectedOptionsOf([0], work)).toEqual([mayBeZero ? 'taken' : `timeouts.${name}`]);
    }
  });

  it('but an undefined timeout has its default', async () => {
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
    expect(await rejectedOptionsOf(noStorage, (storage) => opening({ storage }))).toEqual(['storage']);
    expect(await rejectedOptionsOf(oddCalls, (clock) => opening({ clock }))).toEqual(['clock']);
    expect(await rejectedOptionsOf(oddCalls, (clock) => opening({ clock, sync: { client, realm: 'r' } }))).toEqual([
      'clock',
    ]);
  });

  it('of watchReconnectTriggers', async () => {
    expect(await rejectedOptionsOf(odd, (clock) => watchReconnectTriggers({ clock }))).toEqual(['clock']);
    expect(await rejectedOptionsOf([null, 5, 'x'], (sources) => watchReconnectTriggers({ sources }))).toEqual([
      'sources',
    ]);
    expect(await rejectedOptionsOf([null, 5, 'x'], watchReconnectTriggers)).toEqual([
      'options of watchReconnectTriggers',
    ]);
  });
});
