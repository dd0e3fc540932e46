import type { SyncSession } from '../lib/index.js';
import type { DeviceProcess } from './device-process.js';
import type { DiskCounts } from './disk-counts.js';
import type { WorldRealm } from './random-edits.js';
import type { SubscriptionActs } from './subscription-acts.js';
import type { TabActs, TabChoice } from './tab-acts.js';
import type { TokenSource } from './token-source.js';
import type { ScopeChange } from './world-scopes.js';

/**
 * One device with its user. A command that is invalid at the moment (a write to a closed realm) does nothing. In worlds
 * with several tabs a command concerns the tab of its event; without an event the last one that can be used.
 */
export interface Device {
  readonly open: () => void;
  readonly close: (at?: TabChoice) => void;
  /** `lost`: the disk is lost as well, and the device continues with an empty one. */
  readonly crash: (how: 'killed' | 'power' | 'lost') => void;
  /** `copy` saves the device's folder, like a phone backup. `putBack` kills the process and restores that folder. */
  readonly copy: () => void;
  readonly putBack: () => void;
  readonly write: (bad: boolean, seed: number, at?: TabChoice) => void;
  readonly jump: (seed: number) => void;
  /** Logs the user out and discards changes that the server does not have. */
  readonly discard: (at?: TabChoice) => void;
  /** Logs another user in on the device, or its own user again. */
  readonly changeUser: (isOther: boolean) => void;
  /** Allows the device's user to write, or only to read from the next bind on. */
  readonly mayWrite: (may: boolean) => void;
  /** Changes what the device's user may see, if it is a part of the realm. */
  readonly changeScope: (change: ScopeChange, seed: number) => void;
  /** Lets the server not know what the user may see, or know it again. */
  readonly failScope: (doesFail: boolean) => void;
  /** Takes the client offline by the switch of the inspector, or back online. */
  readonly simulateOffline: (offline: boolean) => void;
  /** Ends the slow phases of the disk. */
  readonly calm: () => void;
  /** Entries on the device's disk. */
  readonly folder: () => ReadonlyMap<string, Uint8Array>;
  /** Turns the device into a copy of another one: kills the process and replaces its folder. */
  readonly become: (other: Pick<Device, 'folder'>) => void;
  readonly tokens: TokenSource;
  readonly tabs: TabActs;
  readonly subscriptions: SubscriptionActs;
  /** The processes that run: one, or one for each tab. */
  readonly processes: () => readonly DeviceProcess[];
  readonly session: (at?: TabChoice) => SyncSession | null;
  readonly logOut: (at?: TabChoice) => void;
  /** Logs the user in, in one tab or in all. */
  readonly logIn: (at: TabChoice | 'all') => void;
  readonly realm: () => WorldRealm | null;
  /** Subscribes to `uploadComplete$`, checks its claim, and calls `done` after it emits. */
  readonly uploaded: (done: () => void, at?: TabChoice) => void;
  readonly downloaded: (done: () => void, at?: TabChoice) => void;
  /** Checks the results of the live queries, and what a device with subscriptions has stored. */
  readonly check: () => void;
  /** Counts of the entries on the disk. */
  readonly kept: () => DiskCounts;
  /** Ends all subscriptions and closes the client. */
  readonly end: () => void;
}
