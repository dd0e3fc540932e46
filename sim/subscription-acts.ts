import { from, type Subscription } from 'rxjs';
import { createSubscriptions } from '../lib/index.js';
import { isAlive } from '../lib/merge/object-state.js';
import { createSeededRandom } from '../lib/model/seeded-random.js';
import { decodeMetadata } from '../lib/store/metadata.js';
import { metadataKey } from '../lib/store/storage-keys.js';
import {
  applyCardEdit,
  cardContentsOf,
  cardRealmOf,
  cardSchema,
  earlierCardSchema,
  worldQueries,
  type WorldQuery,
} from './card-edits.js';
import { userOf, type DeviceOptions, type DeviceParts } from './device-process.js';
import { InvariantError, type EditNote } from './invariants.js';
import { applyEdit, differenceOf, schema, type EditOptions, type WorldRealm } from './random-edits.js';
import type { WatchOptions } from './session-watch.js';
import type { TabActs } from './tab-acts.js';
import type { Settings } from './themes.js';
import { checkPartialDisk, readPartialDisk } from './partial-disk.js';

type Parts = Pick<DeviceParts, 'disk' | 'unsentCards'>;

/** The device whose app is of an earlier version, in worlds with subscriptions. */
const earlierDevice = 5;

/** Whether a device has subscriptions. */
export const isPartial = (device: number, { partialDevices }: Settings): boolean => device <= partialDevices;

const isEarlier = ({ number, oracle }: DeviceOptions): boolean => oracle !== null && number === earlierDevice;

/** The options of `openRealm` of a device that depend on subscriptions. */
export const realmOptionsOf = (options: DeviceOptions) => {
  const { number, oracle, settings } = options;
  // The simulator uses the realm by its common types, and by `cardRealmOf`.
  const cards = (isEarlier(options) ? earlierCardSchema : cardSchema) as unknown as typeof schema;
  return {
    schema: oracle === null ? schema : cards,
    ...(isPartial(number, settings) && { subscriptions: createSubscriptions<typeof schema>() }),
  };
};

/** Applies one transaction of a device. */
export const applyWorldEdit = (
  options: DeviceOptions,
  tx: Parameters<typeof applyEdit>[0],
  edit: EditOptions,
): EditNote => (options.oracle === null ? applyEdit(tx, edit) : applyCardEdit(tx, edit, isEarlier(options)));

/** Records the card of a write that is stored. */
export const noteUnsentCard = ({ number, settings, ledger }: DeviceOptions, parts: Parts, id: string): void => {
  const { what, about } = ledger.editOf(id);
  const card = about.find((name) => name.startsWith('Card '));
  if (!isPartial(number, settings) || card === undefined || ledger.wasDurable(id)) return;
  if (!what.endsWith('delete')) parts.unsentCards.set(id, card);
  // A card that the device itself has deleted is gone, whatever else is unsent.
  else for (const [earlier, other] of parts.unsentCards) if (other === card) parts.unsentCards.delete(earlier);
};

/** Checks that no card leaves the device while the server does not have a write that changed it. */
export const watchLeaves = (
  { ledger }: DeviceOptions,
  { unsentCards }: Parts,
  { deviceName, realm, mayReset, mayBeDenied, whileAlive }: WatchOptions,
): Subscription =>
  cardRealmOf(realm)
    .changes$('Card')
    .subscribe(
      whileAlive(({ left }) => {
        if (left.size === 0) return;
        for (const [id, card] of unsentCards) {
          if (ledger.wasSettled(id) || ledger.wasRejected(id) || ledger.wasHidden(id)) unsentCards.delete(id);
          else if (left.has(card.slice('Card '.length)) && !id.endsWith('bad') && !mayReset() && !mayBeDenied())
            throw new InvariantError('an object with unsent changes stays', `${deviceName}: ${card} of ${id}`, [card]);
        }
      }),
    );

/**
 * Returns the check of a mark that is asked for now: the latest subscriptions are placed, and everything that the
 * server has now was downloaded. `null` on a device without subscriptions.
 */
export const createMarkCheck = (
  { number, settings, oracle, scopeCheck, scheduler }: DeviceOptions,
  { disk }: Parts,
  realm: WorldRealm,
): (() => void) | null => {
  if (oracle === null || !isPartial(number, settings)) return null;
  const [head, version, askedAt] = [oracle.head(), cardRealmOf(realm).subscriptions.version, scheduler.now()];
  return () => {
    const stored = readPartialDisk(disk.entries());
    const placed = stored?.placed.number ?? -1;
    if (placed < version)
      throw new InvariantError('a mark is answered after the view', `device ${number}: view ${placed} of ${version}`);
    if (stored) scopeCheck?.checkPlaced(stored.metadata.replica, stored.placed.scope, askedAt);
    checkPartialDisk(`device ${number}`, disk.entries(), { oracle, scopeCheck }, head);
  };
};

/** Acts of an app on its subscriptions. They do nothing on a device that holds the whole realm, or is closed. */
export interface SubscriptionActs {
  /** Adds a subscription, or replaces the one of a name. */
  readonly subscribe: (drawn: number) => void;
  /** Adds a subscription twice, written in another way. */
  readonly subscribeAgain: (drawn: number) => void;
  /** Removes the subscription of a name, or all. */
  readonly unsubscribe: (drawn: number) => void;
  /** Several of these acts at once. */
  readonly subscribeOften: (drawn: number) => void;
  /** Replaces all subscriptions by the last ones. */
  readonly settle: () => void;
  /** Checks the disk of the device. */
  readonly check: () => void;
  /** Checks the device against one with the whole realm. */
  readonly checkEnd: (whole: WorldRealm) => void;
  /** Number of objects on a device with subscriptions; otherwise `null`. */
  readonly countObjects: () => number | null;
}

const names = [null, null, 'x', 'y'] as const;

/** Milliseconds within which a server moves a connected device past changes that do not concern it. */
const movedMs = 100_000;

/** The same filter with the values of each `$in`, and the filters of each group, in the opposite order. */
const reverseFilter = (where: unknown): unknown => {
  if (Array.isArray(where)) return where.map(reverseFilter).reverse();
  if (typeof where !== 'object' || where === null) return where;
  return Object.fromEntries(Object.entries(where).map(([name, value]) => [name, reverseFilter(value)]));
};

export const createSubscriptionActs = (
  options: DeviceOptions,
  parts: Parts,
  choose: TabActs['choose'],
): SubscriptionActs => {
  const { number, scheduler, network, seed, settings, oracle, scopes, scopeCheck, log, broken } = options;
  const { disk } = parts;
  const isActive = isPartial(number, settings);
  /** Checks that the device does not hold the history back, although nothing may have concerned it for a while. */
  const checkCursor = (): void => {
    const downloadedTo = readPartialDisk(disk.entries())?.metadata.downloadedTo ?? Infinity;
    const head = oracle?.head() ?? 0;
    if (isActive && downloadedTo < head)
      throw new InvariantError(
        'a device that nothing concerns follows the history',
        `device ${number}: ${downloadedTo} of ${head}`,
      );
  };
  /** The heads of the history at earlier checks, since the device is connected without a pause. */
  let heads: { readonly at: number; readonly head: number }[] = [];
  let connection = '';
  /** Checks that a device that is connected is moved, so that it does not hold the history back. */
  const checkMoved = (): void => {
    if (oracle === null) return;
    const at = scheduler.now();
    const openedAt = network.openedAt(number);
    const isConnected = choose()?.session?.connectionState === 'connected' && network.connectionCount(number) === 1;
    const now = JSON.stringify([isConnected, openedAt, oracle.restores()]);
    if (now !== connection) heads = [];
    connection = now;
    heads = [...heads.slice(-60), { at, head: oracle.head() }];
    if (!isConnected || openedAt === null) return;
    const earlier = heads.findLast((each) => each.at <= at - movedMs && openedAt <= each.at);
    const stored = disk.entries().get(metadataKey);
    if (!earlier || stored === undefined) return;
    const { downloadedTo } = decodeMetadata(stored);
    if (downloadedTo < earlier.head)
      throw new InvariantError(
        'a connected device does not hold the history back',
        `device ${number}: ${downloadedTo} of ${earlier.head}, for ${movedMs} ms`,
      );
  };
  let checked: readonly unknown[] = [];
  let last: readonly WorldQuery[] = [];

  const act = (drawn: number, change: (realm: ReturnType<typeof cardRealmOf>, random: () => number) => void): void => {
    const realm = isActive ? choose()?.realm : null;
    if (realm) change(cardRealmOf(realm), createSeededRandom(drawn));
  };
  const pick = <A>(all: readonly A[], random: () => number): A => all[Math.floor(random() * all.length)]!;
  const subscribe = (drawn: number): void =>
    act(drawn, (realm, random) => {
      const [query, name] = [pick(worldQueries, random), pick(names, random)];
      log('subscriptions', `${name ?? 'unnamed'}: ${JSON.stringify(query.where)}`);
      query.subscribe(realm, name === null ? {} : { name });
    });
  const unsubscribe = (drawn: number): void =>
    act(drawn, (realm, random) => {
      const name = pick([null, 'x', 'y'], random);
      log('subscriptions', `remove ${name ?? 'all'}`);
      const removed = realm.subscriptions.update((edit) => (name === null ? edit.clear() : edit.remove(name)));
      from(removed).subscribe({ error: () => undefined }); // The process may end before.
    });
  const guard = (check: () => void): void => {
    try {
      check();
    } catch (thrown) {
      if (thrown instanceof InvariantError) broken(thrown);
      else throw thrown;
    }
  };

  return {
    subscribe,
    unsubscribe,
    subscribeAgain: (drawn) =>
      act(drawn, (realm, random) => {
        const { type, where, subscribe: add } = pick(worldQueries, random);
        add(realm, { name: 'x' });
        const { version } = realm.subscriptions;
        realm.subscribe(type, { where: reverseFilter(where) as object }, { name: 'x' });
        if (realm.subscriptions.version !== version)
          broken(
            new InvariantError(
              'a subscription that exists changes nothing',
              `device ${number}: ${JSON.stringify(where)}`,
            ),
          );
      }),
    subscribeOften: (drawn) =>
      act(drawn, (_, random) => {
        for (let edit = 0; edit < 4; edit += 1)
          (random() < 0.7 ? subscribe : unsubscribe)(Math.floor(random() * 2 ** 31));
      }),
    settle: () =>
      act(seed, (realm, random) => {
        last = [pick(worldQueries, random), pick(worldQueries, random)];
        const all = last;
        const changed = realm.subscriptions.update((edit) => {
          edit.clear();
          for (const { type, where } of all) edit.set(type, { where });
        });
        from(changed).subscribe({ error: () => undefined });
        if (isActive && random() < 0.7) scopes?.change(userOf(number, settings), 'any', seed);
      }),
    check: () => {
      if (oracle === null || !isActive) return;
      // The server of a world with scopes ends sessions without their connection.
      if (scopes === null) guard(checkMoved);
      const entries = disk.entries();
      // What was checked before is the same as long as it is the same disk and the same history.
      const now = [entries.get('meta'), entries.get('view'), entries.size, oracle.restores()];
      if (now.every((each, at) => each === checked[at])) return;
      checked = now;
      guard(() => checkPartialDisk(`device ${number}`, entries, { oracle, scopeCheck }));
    },
    checkEnd: (whole) => {
      const realm = choose()?.realm;
      if (oracle === null || !realm || realm === whole) return;
      const lacksNumbers = isEarlier(options);
      const toComparable = (contents: ReadonlyMap<string, string>): ReadonlyMap<string, string> =>
        lacksNumbers ? new Map([...contents].map(([name, text]) => [name, text.replace(/"n":[^,]*,/, '')])) : contents;
      const scope = isActive ? (scopes?.filtersOf(userOf(number, settings)) ?? null) : null;
      const expected = cardContentsOf(cardRealmOf(whole), isActive ? last : null, scope);
      const difference = differenceOf(toComparable(expected), cardContentsOf(cardRealmOf(realm), null, null));
      if (difference === null) {
        checkCursor();
        return;
      }
      const { name, ours, theirs } = difference;
      throw new InvariantError('all are equal', `${name}: expected: ${ours}; device ${number}: ${theirs}`, [name]);
    },
    countObjects: () =>
      isActive ? [...(readPartialDisk(disk.entries())?.objects.values() ?? [])].filter(isAlive).length : null,
  };
};
