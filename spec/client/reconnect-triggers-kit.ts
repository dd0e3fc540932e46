import { type ClientCore, createClientCore } from '../../lib/client/client-core.js';
import { checkClientOptions } from '../../lib/client/client-options.js';
import type { SyncClientOptions } from '../../lib/index.js';
import { toSyncSession } from '../../lib/session/api/sync-session.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { runAt, lettersOf, createScriptedDial } from '../session/test-kit.js';
import { silentRealmMember, createTestRealm } from '../session/test-realm.js';

/** Creates a page. `held` counts its listeners. */
export const createPage = (visibilityState = 'visible') => {
  const listeners: [what: string, heard: (event: unknown) => void][] = [];
  const target = (name: string) => ({
    addEventListener: (type: string, listener: (event: unknown) => void) =>
      void listeners.push([`${name} ${type}`, listener]),
    removeEventListener: (type: string, listener: (event: unknown) => void) => {
      const at = listeners.findIndex(([name, by]) => name === `${name} ${type}` && by === listener);
      listeners.splice(at, 1);
    },
  });
  const dispatch = (eventName: string, event: object = {}): void =>
    listeners.filter(([name]) => name === eventName).forEach(([, listener]) => listener(event));
  const document = { ...target('document'), visibilityState };
  const show = (state: 'visible' | 'hidden'): void => {
    document.visibilityState = state;
    dispatch('document visibilitychange');
  };
  return {
    window: { ...target('window'), document },
    held: () => listeners.map(([name]) => name).sort(),
    show,
    say: dispatch,
  };
};

export interface Scene extends Omit<SyncClientOptions, 'url'> {
  readonly paused?: boolean;
  /** When the client is closed: a repeating timer would run for ever. */
  readonly ends: string;
}

/** Plays a client in virtual time, except for its storage. Both its sessions show the states of a diagram. */
export const expectStates = (
  m: MarbleHelpers,
  { paused = false, ends, ...options }: Scene,
  states: string,
): ClientCore => {
  const timeouts = { ping: 10_000_000, read: 2_000_000_000, linger: 0, ...options.timeouts };
  const core = createClientCore(checkClientOptions({ clock: m.clock, ...options, timeouts }));
  for (const realm of [createTestRealm(), createTestRealm()]) {
    const initialDownload = { version: 0, bytes: 0, ofBytes: null };
    const known = { realmName: 'r', outbox: realm.present(), initialDownload, clientReset: 'manual' } as const;
    const machine = core.createSession(realm, { ...known, paused });
    core.addMember({ machine, ...silentRealmMember });
    m.expectObservable(lettersOf(toSyncSession(machine, core.reconnect).connectionState$)).toBe(states);
  }
  runAt(m, `${ends} x`, { x: core.close });
  return core;
};

/** Plays a client whose server never answers: it connects at 0, 1, 3, 7 and 15 s by itself. */
export const expectUnanswered = (
  m: MarbleHelpers,
  options: Omit<SyncClientOptions, 'url' | 'dial'>,
  states: string,
): ClientCore =>
  expectStates(
    m,
    { ...options, dial: createScriptedDial(m, ...Array<string>(9).fill('--#')).dial, ends: '11s' },
    states,
  );
export const backoffStates = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 3991ms |';
export const reconnectStates = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 2991ms c-d 997ms |';
