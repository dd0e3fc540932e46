import { map, type Observable } from 'rxjs';
import { InvalidStateError } from '../../model/errors.js';
import type { ErrorRecord } from '../../model/error-record.js';
import { encodeValue } from '../../model/msgpack.js';
import { decodeStoredFields } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../../storage/storage.js';

/**
 * One write of a tab that follows, for the tab that leads. The leader performs the operations on its own objects, as a
 * transaction of its own.
 */
export interface TabWrite {
  readonly method: 'write' | 'retry' | 'discard' | 'subscribe';
  /** The id of the rejected write that is retried or discarded; 0 without one. */
  readonly rejected: number;
  /** The replica of the follower's stamps, and its stamp of the first operation. */
  readonly replica: string;
  readonly time: number;
  readonly count: number;
  /**
   * The encoded operations; `null`: those of the rejected write, if it is retried. For `subscribe` the encoded calls of
   * a change of the subscriptions.
   */
  readonly body: Uint8Array | null;
}

/** A message with writes. Repeated under the same number until it is answered. */
export interface WritesMessage {
  readonly number: number;
  readonly writes: readonly TabWrite[];
}

/** The outcome of a write that is stored: its client version, and the leader's stamp of the first operation. */
export interface StoredWrite {
  readonly version: Version;
  readonly time: number;
  readonly count: number;
}

/** The outcome of a write, or the error with which nothing was stored. */
export type TabAnswer = StoredWrite | { readonly error: ErrorRecord };

/**
 * The last message with writes of one tab, and what was stored of it. Stored in the same batch as the writes, so that
 * the next leader recognizes a repeated message.
 */
export interface TabRecord {
  readonly number: number;
  readonly stored: readonly StoredWrite[];
}

export const tabPrefix = 't/';
/** The first key after all tabs: "0" follows "/". */
export const tabKeysTo = 't0';

export const toTabPut = (tab: string, { number, stored }: TabRecord): StorageChange => ({
  type: 'put',
  key: tabPrefix + tab,
  value: encodeValue([number, ...stored.flatMap(({ version, time, count }) => [version, time, count])]),
});

export const toTabDelete = (tab: string): StorageChange => ({ type: 'del', key: tabPrefix + tab });

/** Decodes the record of a tab. Throws a `StorageError` for other bytes. */
export const decodeTabRecord = ([key, bytes]: StorageEntry): readonly [tab: string, record: TabRecord] => {
  const [number = 0, ...fields] = decodeStoredFields(key, bytes).filter(isCount);
  const stored: StoredWrite[] = [];
  for (let at = 0; at + 2 < fields.length; at += 3) {
    const [version = 0, time = 0, count = 0] = fields.slice(at);
    stored.push({ version, time, count });
  }
  return [key.slice(tabPrefix.length), { number, stored }];
};

/** Reads the records of all tabs. Emits once and completes; errors with a `StorageError`. */
export const readTabRecords = (storage: Pick<Storage, 'range'>): Observable<Map<string, TabRecord>> =>
  storage
    .range({ from: tabPrefix, to: tabKeysTo, limit: Infinity, bytesMax: Infinity })
    .pipe(map((entries) => new Map(entries.map(decodeTabRecord))));

/** The error of a write that was made before an earlier one of the same tab was rejected. */
export const createDependentError = (): InvalidStateError =>
  new InvalidStateError(
    'An earlier write of this tab was rejected, and this one may build on it. Nothing was changed. Write again.',
  );
