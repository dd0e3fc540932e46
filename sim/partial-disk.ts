import { decodeOperationsLeniently } from '../lib/merge/operation-codec.js';
import type { ObjectState } from '../lib/merge/object-state.js';
import { decodeState } from '../lib/merge/state-codec.js';
import { decodeEntryBlock } from '../lib/log/entry-blocks.js';
import { decodeStoredFields } from '../lib/model/stored-data.js';
import { objectTextOf } from '../lib/model/object-key.js';
import { isRight } from '../lib/model/result.js';
import type { PlacedView } from '../lib/model/view.js';
import { decodeMetadata, type MetadataRecord } from '../lib/store/metadata.js';
import { storedChangesetOf } from '../lib/store/commit/outbox.js';
import { decodeBlock } from '../lib/store/objects/object-block.js';
import { isGoneMark } from '../lib/store/objects/stored-object.js';
import {
  blockPrefix,
  detachedPrefix,
  metadataKey,
  objectKeysFrom,
  outboxPrefix,
  viewKey,
} from '../lib/store/storage-keys.js';
import { noView } from '../lib/model/view.js';
import { decodeDetached, decodeView } from '../lib/store/subscriptions/view-records.js';
import { InvariantError } from './invariants.js';
import type { ScopeCheck } from './scope-check.js';
import { isSelected, visibleTextOf, type ViewOracle } from './view-oracle.js';
import { limitFilters } from './world-scopes.js';

type Entries = ReadonlyMap<string, Uint8Array>;

/** Everything that a device with subscriptions has stored. */
export interface PartialDisk {
  readonly metadata: MetadataRecord;
  readonly placed: PlacedView;
  /** The stored objects, also deleted ones, by the texts of their names. */
  readonly objects: ReadonlyMap<string, ObjectState>;
  /** The objects that changesets touch which are not acknowledged, each with the last of them. */
  readonly unsent: ReadonlyMap<string, number>;
  readonly detached: ReadonlyMap<string, number>;
}

const stateOf = (bytes: Uint8Array): ObjectState => {
  const read = decodeState(bytes);
  if (isRight(read)) return read.right;
  throw new Error(read.left);
};

const under = (entries: Entries, prefix: string): (readonly [string, Uint8Array])[] =>
  [...entries].filter(([key]) => key.startsWith(prefix));

const objectsOf = (entries: Entries): ReadonlyMap<string, ObjectState> => {
  const objects = new Map<string, ObjectState>();
  for (const [blockKey, record] of under(entries, blockPrefix).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const { states, rows } = decodeBlock(blockKey, record);
    for (const { type, key, from, to } of rows)
      objects.set(objectTextOf(type, key), stateOf(states.subarray(from, to)));
  }
  for (const [key, bytes] of under(entries, objectKeysFrom)) {
    const text = key.slice(objectKeysFrom.length);
    if (isGoneMark(bytes)) objects.delete(text);
    else objects.set(text, stateOf(bytes));
  }
  return objects;
};

const unsentOf = (entries: Entries, acknowledged: number): ReadonlyMap<string, number> => {
  const unsent = new Map<string, number>();
  const records = [
    ...under(entries, `${outboxPrefix}e`),
    ...under(entries, `${outboxPrefix}b`).flatMap(([key, record]) =>
      decodeEntryBlock(key, record).map((bytes) => [key, bytes] as const),
    ),
  ];
  for (const [key, bytes] of records) {
    const { version, body } = storedChangesetOf(key, decodeStoredFields(key, bytes));
    const read = decodeOperationsLeniently(body);
    if (version <= acknowledged || !isRight(read)) continue;
    for (const { type, key: objectKey } of read.right) {
      const text = objectTextOf(type, objectKey);
      unsent.set(text, Math.max(version, unsent.get(text) ?? 0));
    }
  }
  return unsent;
};

/** Reads the disk of a device with subscriptions; `null` before its realm was stored. */
export const readPartialDisk = (entries: Entries): PartialDisk | null => {
  const stored = entries.get(metadataKey);
  if (stored === undefined) return null;
  const metadata = decodeMetadata(stored);
  const view = entries.get(viewKey);
  return {
    metadata,
    placed: view === undefined ? noView : decodeView(viewKey, view),
    objects: objectsOf(entries),
    unsent: unsentOf(entries, metadata.acknowledged),
    detached: new Map(
      under(entries, detachedPrefix).map(([key, bytes]) => [
        key.slice(detachedPrefix.length),
        decodeDetached(key, bytes),
      ]),
    ),
  };
};

const shownName = (text: string): string => text.replace('/s', ' ');

/** Checks that every detached object waits for a changeset that touches it. */
const checkDetached = (deviceName: string, { detached, unsent }: PartialDisk): void => {
  for (const [text, version] of detached)
    if ((unsent.get(text) ?? 0) < version)
      throw new InvariantError('a detached object has unsent changes', `${deviceName}: ${text} (${version})`, [
        shownName(text),
      ]);
};

/**
 * Checks that a disk has exactly what the placed view selects of the history at its cursor. Objects that the device has
 * changed itself, and of which the server or the cursor does not have everything, may be different. `marked`: a version
 * whose mark was answered. The cursor may be earlier, if nothing up to there concerns the view.
 */
export const checkPartialDisk = (
  deviceName: string,
  entries: Entries,
  { oracle, scopeCheck }: { readonly oracle: ViewOracle; readonly scopeCheck: ScopeCheck | null },
  marked = 0,
): void => {
  const disk = readPartialDisk(entries);
  if (disk === null) return;
  checkDetached(deviceName, disk);
  const { metadata, placed, objects, unsent } = disk;
  const { replica, downloadedTo } = metadata;
  if (placed.number === null || metadata.history !== oracle.history() || downloadedTo > oracle.head()) return;
  const scope = scopeCheck?.filtersOf(replica, placed.scope) ?? null;
  const filters = scope === null ? placed.filters : limitFilters(placed.filters, scope);
  for (const text of new Set([...objects.keys(), ...oracle.texts()])) {
    if (unsent.has(text) || oracle.hasChanged(text, replica, downloadedTo)) continue;
    const selectedTextOf = (state: ObjectState | null): string =>
      visibleTextOf(isSelected(filters, text, state) ? state : null);
    const expected = selectedTextOf(oracle.stateAt(text, Math.max(downloadedTo, marked)));
    const found = visibleTextOf(objects.get(text) ?? null);
    const hasHad = (from: number): boolean =>
      oracle.statesFrom(text, from).some((each) => selectedTextOf(each) === found);
    // The scope of a rejection may be later than that of the view.
    const wasShown = (): boolean =>
      oracle
        .statesFrom(text, downloadedTo)
        .some((each) => visibleTextOf(isSelected(placed.filters, text, each) ? each : null) === found);
    if (expected === found) continue;
    // A rejection brings the state of its moment, which may be later than the cursor. The cursor then follows.
    if (oracle.rejectedUpTo(text, replica) > downloadedTo && (hasHad(downloadedTo) || wasShown())) continue;
    if (marked > downloadedTo && hasHad(marked)) continue;
    // A rejection hides an object that the user may not see any more. Then the view without it comes.
    if (found === visibleTextOf(null) && oracle.hiddenAt(text, replica) >= downloadedTo) continue;
    throw new InvariantError(
      'a device has what its subscriptions select',
      `${deviceName}: ${text} at version ${downloadedTo} in view ${placed.number}: ${found} instead of ${expected}`,
      [shownName(text)],
    );
  }
};
