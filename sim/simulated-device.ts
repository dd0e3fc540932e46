import { from } from 'rxjs';
import { simulateOffline } from '../lib/inspector/simulate-offline.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import type { Device } from './device.js';
import {
  checkSwitch,
  createDeviceParts,
  type DeviceOptions,
  type DeviceProcess,
  startProcess,
  tabsMaxOf,
  userOf,
} from './device-process.js';
import { countRecords, isOwned } from './disk-counts.js';
import { InvariantError } from './invariants.js';
import { createSubscriptionActs, isPartial } from './subscription-acts.js';
import { createAppRunner } from './simulated-tab.js';
import { createTabActs } from './tab-acts.js';

/** Milliseconds after which an earlier token, and the server's answer to it, has certainly arrived. */
const tokensLateMs = 60_000;
/** Milliseconds within which a discard in one tab takes effect in all, also when the leader changes meanwhile. */
const discardMs = 2_000;

export const createDevice = (options: DeviceOptions): Device => {
  const { number, scheduler, settings, network, ledger, userAccess, scopes, mayReset, log, broken } = options;
  const parts = createDeviceParts(options);
  const { random, disk, tokens, writes } = parts;
  const own = tokens.currentUser();
  const running: DeviceProcess[] = [];

  /** Another user's token may still be in flight after the device's own user is back. */
  const mayBeOtherUsers = (code: string): boolean => code === 'other-user' && scheduler.now() < parts.otherUserUntil;

  const app = createAppRunner(options, parts, mayBeOtherUsers);
  const tabs = createTabActs(options, parts, app, running);
  const { choose } = tabs;
  const subscriptions = createSubscriptionActs(options, parts, choose);

  const noteLogOut = (): void => {
    parts.hasLoggedOut = true;
    parts.logIns.loggedOut(running);
    tabs.note();
  };
  const open = (): void => {
    if (tabsMaxOf(number, settings) > 1) tabs.open();
    else {
      if (running.length === 0) running.push(startProcess(options, parts));
      const [process] = running;
      if (process?.realm === null) app.open(process);
    }
  };
  const close: Device['close'] = (at) => {
    const process = choose(at);
    if (process) {
      parts.logIns.leaves(process.tab);
      app.close(process);
    }
    tabs.note();
  };

  const crash: Device['crash'] = (how) => {
    // A new, empty replica would belong to the other user from then on.
    if (running.length === 0 || (how === 'lost' && tokens.currentUser() !== own)) return;
    log('realm', how);
    const ended = running.splice(0);
    for (const { kill } of ended) kill();
    for (const { subscription } of ended) subscription.unsubscribe();
    network.cut(number, random() < 0.5 ? 'cut' : 'half-open');
    parts.browser = null;
    disk.crash(how === 'killed' ? 'killed' : 'power');
    subscriptions.check();
    if (how !== 'lost') return;
    disk.put(new Map());
    parts.rejected.clear();
    ledger.excuse(writes);
  };

  const replaceFolder = (folder: ReadonlyMap<string, Uint8Array>, how: string): void => {
    crash('power');
    log('realm', how);
    disk.put(folder);
    parts.wasPutBack = true;
    parts.rejected.clear();
    ledger.excuse(writes);
  };

  return {
    open,
    close,
    crash,
    copy: () => {
      if (!choose()?.realm) return;
      log('realm', 'copied');
      parts.copy = new Map(disk.synced());
    },
    putBack: () => {
      if (running.length > 0 && tokens.currentUser() === own && parts.copy !== null)
        replaceFolder(parts.copy, 'put back');
    },
    write: (bad, drawn, at) => {
      const process = choose(at);
      if (process) app.write(process, bad, drawn);
    },
    jump: (drawn) => {
      // Stays within bounds of the true time, whatever the clock shows.
      const by = Math.floor((createSeededRandom(drawn)() - 0.5) * 2 * settings.jumpMs) - parts.wrong;
      parts.wrong += by;
      for (const process of running) process.jump(by);
      log('clock', String(by));
    },
    logOut: (at) => {
      const process = choose(at);
      if (!process) return;
      noteLogOut();
      void process.client.logOut();
    },
    logIn: (at) => {
      for (const process of at === 'all' ? running : [choose(at)]) {
        if (!process) continue;
        parts.logIns.loggedIn(process.tab);
        process.client.logIn();
      }
      tabs.note();
    },
    discard: (at) => {
      const process = choose(at);
      if (!process?.realm || tokens.currentUser() !== own) return; // The new replica would belong to the other user.
      log('user', 'discards');
      parts.isDiscarded = true;
      noteLogOut();
      parts.rejected.clear();
      ledger.excuse(writes);
      // Other tabs may write until the leader, or the next one, discards everything.
      if (tabsMaxOf(number, settings) > 1) scheduler.schedule(() => ledger.excuse(writes), discardMs);
      from(process.client.logOut({ unsynced: 'discard' })).subscribe({
        error: (thrown: unknown) => broken(new InvariantError('unsent changes are discarded', String(thrown))),
      });
    },
    changeUser: (isOther) => {
      const other = userOf(number + 2, settings);
      // A replica that the server does not know belongs to the first user who logs in: apps name the user when they
      // open it.
      if (tokens.currentUser() === (isOther ? other : own)) return;
      // While a replica is discarded, the disk still names its owner; what is written meanwhile is the next user's.
      if (isOther && (!isOwned(disk) || parts.isDiscarded || mayReset())) return;
      tokens.setUser(isOther ? other : own);
      log('user', tokens.currentUser());
      parts.otherUserUntil = isOther ? Infinity : scheduler.now() + tokensLateMs;
      const process = choose();
      void process?.client.logOut();
      process?.client.logIn();
      if (isOther || !process?.realm) return;
      app.close(process); // The session may have ended, because the replica was another user's.
      open();
    },
    mayWrite: (may) => {
      userAccess.setAccess(own, may ? 'write' : 'read');
      log('user', may ? 'may write' : 'may read');
      ledger.excuse([]);
    },
    changeScope: (change, drawn) => {
      if (scopes === null || !isPartial(number, settings)) return;
      log('user', `scope: ${change}`);
      scopes.change(own, change, drawn);
    },
    failScope: (doesFail) => {
      if (scopes === null || !isPartial(number, settings)) return;
      log('user', doesFail ? 'scope fails' : 'scope works');
      scopes.fail(own, doesFail);
    },
    simulateOffline: (offline) => {
      log('network', offline ? 'switched off' : 'switched on');
      for (const { client } of running) simulateOffline(client, offline);
    },
    calm: () => {
      disk.calm();
      tabs.calm();
    },
    folder: () => {
      parts.wasPutBack = true; // The first of the two devices to bind keeps the replica id.
      return disk.synced();
    },
    become: (other) => {
      if (running.length > 0 && tokens.currentUser() === own) replaceFolder(new Map(other.folder()), 'cloned');
    },
    tokens,
    tabs,
    subscriptions,
    processes: () => running,
    session: (at) => choose(at)?.session ?? null,
    realm: () => choose()?.realm ?? null,
    check: () => {
      for (const { page, queries } of running) if (page?.isFrozen() !== true) queries?.check();
      for (const process of running) checkSwitch(`device ${number}`, process);
      subscriptions.check();
    },
    kept: () => countRecords(disk),
    uploaded: (done, at) => {
      const process = choose(at);
      if (process) app.uploaded(process, done);
    },
    downloaded: (done, at) => {
      const process = choose(at);
      if (process) app.downloaded(process, done);
    },
    end: () => {
      for (const { subscription, client } of running.splice(0)) {
        subscription.unsubscribe();
        void client.close();
      }
    },
  };
};
