import type { NgZone } from '@angular/core';

/** The functions of a client, a realm and a session that may begin a timer, a socket or a request of the storage. */
const commands = 'write retry discard refresh close logIn logOut reconnect pause resume'.split(' ');
type Commands = Partial<Record<string, (...values: readonly unknown[]) => unknown>>;

const moved = new WeakSet();

/**
 * Makes the commands of an object run outside of Angular's zone. Otherwise a timer or a socket that begins in a call,
 * such as `resume` or `write`, would keep the zone busy, and each of its events would run change detection. Changes the
 * object itself, because functions such as `exportRealm` recognise a realm by its identity. Does nothing in an app
 * without zone.js.
 */
export const moveOutsideZone = <Target extends object>(zone: NgZone, target: Target): Target => {
  // All handles of a realm share its session.
  if (moved.has(target)) return target;
  moved.add(target);
  for (const name of commands) {
    const command = (target as Commands)[name];
    const value = (...values: readonly unknown[]) => zone.runOutsideAngular(() => command?.(...values));
    if (command) Object.defineProperty(target, name, { value });
  }
  return target;
};
