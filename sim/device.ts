import type { SyncClient, SyncSession } from '../lib/index.js';
import type { countKeys } from './disk-counts.js';
import type { WorldRealm } from './random-edits.js';
import type { TokenSource } from './token-source.js';

/** One device with its user. What makes no sense at the moment (writing while closed) does nothing. */
export interface Device {
  readonly open: () => void;
  readonly close: () => void;
  /** `lost`: its disk is gone, too, and it comes back with an empty one. */
  readonly crash: (how: 'killed' | 'power' | 'lost') => void;
  /**
   * Copies its folder, as a backup of a phone does; and puts the copy in the place of what is there, with the process
   * gone.
   */
  readonly copy: () => void;
  readonly putBack: () => void;
  readonly write: (bad: boolean, seed: number) => void;
  readonly jump: (seed: number) => void;
  /** Logs the user out and throws away what is not on the server. */
  readonly discard: () => void;
  /** Somebody else logs in on it, or its own user again. */
  readonly changeUser: (isOther: boolean) => void;
  /** Its user may write, or may only read from the next bind on. */
  readonly mayWrite: (may: boolean) => void;
  /** Its disk is as quick as any from now on. */
  readonly calm: () => void;
  /** What is on its disk. */
  readonly folder: () => ReadonlyMap<string, Uint8Array>;
  /** Becomes a copy of another device: its folder is put in the place of what is there, with the process gone. */
  readonly become: (other: Pick<Device, 'folder'>) => void;
  readonly tokens: TokenSource;
  readonly session: () => SyncSession | null;
  readonly client: () => SyncClient | null;
  readonly realm: () => WorldRealm | null;
  /** Asks for `uploadComplete$` and sees to it that it tells the truth; tells when it does. */
  readonly uploaded: (done: () => void) => void;
  readonly downloaded: (done: () => void) => void;
  /** Looks at what its live queries show. */
  readonly check: () => void;
  /** What is on its disk, counted. */
  readonly kept: () => ReturnType<typeof countKeys>;
  /** Everything is let go of. */
  readonly end: () => void;
}
