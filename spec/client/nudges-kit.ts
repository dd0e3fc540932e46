import { type ClientCore, createClientCore } from '../../lib/client/core.js';
import { checkedClientOptions } from '../../lib/client/options.js';
import type { SyncClientOptions } from '../../lib/index.js';
import { asSyncSession } from '../../lib/session/syncsession.js';
import type { MarbleHelpers } from '../../lib/testing/marbles.js';
import { at, drawn, phone } from '../session/kit.js';
import { silentMember, testRealm } from '../session/testrealm.js';

/** A page. `held` is what somebody listens to. */
export const page = (visibilityState = 'visible') => {
  const listeners: [what: string, heard: (event: unknown) => void][] = [];
  const target = (name: string) => ({
    addEventListener: (type: string, heard: (event: unknown) => void) =>
      void listeners.push([`${name} ${type}`, heard]),
    removeEventListener: (type: string, heard: (event: unknown) => void) => {
      const at = listeners.findIndex(([what, by]) => what === `${name} ${type}` && by === heard);
      listeners.splice(at, 1);
    },
  });
  const say = (said: string, event: object = {}): void =>
    listeners.filter(([what]) => what === said).forEach(([, heard]) => heard(event));
  const document = { ...target('document'), visibilityState };
  const show = (state: 'visible' | 'hidden'): void => {
    document.visibilityState = state;
    say('document visibilitychange');
  };
  return { window: { ...target('window'), document }, held: () => listeners.map(([what]) => what).sort(), show, say };
};

export interface Scene extends Omit<SyncClientOptions, 'url'> {
  readonly paused?: boolean;
  /** When the client is closed: a timer that repeats would go on for ever. */
  readonly ends: string;
}

/** A client, in virtual time: all of it but the storage. Both its sessions show the states of a diagram. */
export const showing = (m: MarbleHelpers, { paused = false, ends, ...options }: Scene, states: string): ClientCore => {
  const timeouts = { ping: 10_000_000, read: 2_000_000_000, linger: 0, ...options.timeouts };
  const core = createClientCore(checkedClientOptions({ clock: m.clock, ...options, timeouts }));
  for (const realm of [testRealm(), testRealm()]) {
    const here = { version: 0, bytes: 0, ofBytes: null };
    const known = { realmName: 'r', outbox: realm.present(), here, clientReset: 'manual' } as const;
    const machine = core.session(realm, { ...known, paused });
    core.joined({ machine, ...silentMember });
    m.expectObservable(drawn(asSyncSession(machine, core.reconnect).connectionState$)).toBe(states);
  }
  at(m, `${ends} x`, { x: core.close });
  return core;
};

/** Whom nobody answers: it calls by itself at 0, 1, 3, 7 and 15 s. */
export const calling = (
  m: MarbleHelpers,
  options: Omit<SyncClientOptions, 'url' | 'dial'>,
  states: string,
): ClientCore => showing(m, { ...options, dial: phone(m, ...Array<string>(9).fill('--#')).dial, ends: '11s' }, states);
export const unnudged = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 3991ms |';
export const nudged = 'c-d 999ms c-d 1999ms c-d 3999ms c-d 2991ms c-d 997ms |';
