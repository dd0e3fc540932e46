import { concat, defer, EMPTY, reduce, throwError, type Observable } from 'rxjs';
import { keyName } from '../../filter/stored-filter.js';
import { encodeValue } from '../../model/msgpack.js';
import { runAction } from '../../model/operators.js';
import { createDamageError, decodeStoredFields, storedFieldsOf } from '../../model/stored-data.js';
import { isCount, type Version } from '../../model/version.js';
import type { Storage, StorageChange, StorageEntry } from '../../storage/storage.js';
import { serverLimits } from '../server-limits.js';
import { readPagesUnder } from './record-codec.js';

/*
 * Stores which properties a realm watches. `watched/<type>` is `[since, [[property, since], …]]`, in the order in which
 * the properties were first watched. `watched/<type>/<position>` exists if the index has all stored objects, for the
 * property at that position. That is another record, because the projector writes it, and the upload queue the first.
 */
const prefix = 'watched/';
const typeKey = (type: string): string => prefix + type;
const indexedKey = (type: string, position: number): string => `${prefix}${type}/${position}`;

/** A property that filters of a realm name. */
export interface WatchedProperty {
  readonly name: string;
  /** Every changeset after this version has the values of the property before and after it. */
  readonly since: Version;
  /** Whether the index has all stored objects. */
  readonly isIndexed: boolean;
}

/** A type of which filters of a realm select objects. */
export interface WatchedType {
  /** Every changeset after this version says of each object of the type whether it existed before and after it. */
  readonly since: Version;
  /** The properties, in the order in which they were first watched. None is ever removed. */
  readonly properties: readonly WatchedProperty[];
}

/**
 * The types and properties that filters of a realm name.
 *
 * @see {@link History.watchedProperties}
 */
export interface WatchedTypes {
  /** The watched types by their names. Empty if the realm is not watched, as most realms. */
  readonly types: ReadonlyMap<string, WatchedType>;
  /**
   * Watches a type, and properties of it besides those that are watched already. The name of the primary key is left
   * out. Nothing may be appended meanwhile. Cold. Emits nothing. Completes when durable. Errors with a
   * `WatchLimitError` or a `StorageError` without any change.
   *
   * @param type - The name of the type.
   * @param properties - The names of the properties; none if every object of the type is selected.
   * @param since - The head of the history.
   * @param by - Whose filters name them: by default those of subscriptions. Those of scopes may name more.
   * @returns A stream without values.
   */
  readonly watch: (
    type: string,
    properties: readonly string[],
    since: Version,
    by?: 'subscriptions' | 'scopes',
  ) => Observable<never>;
  /**
   * Watches types again from a version on, because the changesets before it may lack their values. Otherwise like
   * `watch`. A version before the present one changes nothing.
   *
   * @param types - The names of watched types.
   * @param since - The version after which every changeset has the values.
   * @returns A stream without values.
   */
  readonly raiseSince: (types: Iterable<string>, since: Version) => Observable<never>;
}

/** The watched properties of a history on the server's own storage, which has an index of its objects by them. */
export interface WatchedProperties extends WatchedTypes {
  /** Returns the change that marks a property as indexed, to be written with the last rows of its index. */
  readonly toIndexedChange: (type: string, property: string) => StorageChange;
  /** Confirms that the batch with `toIndexedChange(type, property)` is durable. */
  readonly confirmIndexed: (type: string, property: string) => void;
  /** Returns the changes that mark all properties as not indexed, to be written before the index is built again. */
  readonly toUnindexedChanges: () => readonly StorageChange[];
  /** Confirms that the batch with `toUnindexedChanges()` is written. */
  readonly confirmUnindexed: () => void;
}

/** The reason why a type or a property cannot be watched. */
export class WatchLimitError extends Error {
  override readonly name = 'WatchLimitError';
  constructor(
    readonly code: 'too-many-types' | 'too-many-properties',
    text: string,
  ) {
    super(text);
  }
}

const noTypes: ReadonlyMap<string, WatchedType> = new Map();

const encodeType = ({ since, properties }: WatchedType): Uint8Array =>
  encodeValue([since, properties.map((each) => [each.name, each.since])]);

const decodeType = (key: string, bytes: Uint8Array): WatchedType => {
  const [since, properties] = decodeStoredFields(key, bytes);
  if (!isCount(since)) throw createDamageError('record', key);
  return {
    since,
    properties: storedFieldsOf(key, properties).map((each): WatchedProperty => {
      const [name, from] = storedFieldsOf(key, each);
      if (typeof name === 'string' && isCount(from)) return { name, since: from, isIndexed: false };
      throw createDamageError('record', key);
    }),
  };
};

const positionOf = (watched: WatchedType | undefined, property: string): number =>
  watched?.properties.findIndex(({ name }) => name === property) ?? -1;

/** Returns the type with some properties marked. */
const markIndexed = (
  watched: WatchedType,
  isIndexed: (property: WatchedProperty, at: number) => boolean,
): WatchedType => ({
  ...watched,
  properties: watched.properties.map((each, at) => ({ ...each, isIndexed: isIndexed(each, at) })),
});

/** Returns the type with further properties. Throws a `WatchLimitError` for too many. */
const addProperties = (
  type: string,
  before: WatchedType | undefined,
  added: readonly string[],
  since: Version,
  max: number,
): WatchedType => {
  const known = before?.properties ?? [];
  if (known.length + added.length > max)
    throw new WatchLimitError(
      'too-many-properties',
      // Without the names of the others: those may be of users or objects that this user must not know of.
      `Filters of type ${type} name more than ${max} properties, over all users of the realm.`,
    );
  const properties = [...known, ...added.map((name): WatchedProperty => ({ name, since, isIndexed: false }))];
  return { since: before?.since ?? since, properties };
};

/** A class, because a server has one for each open realm. */
class StoredWatchedProperties implements WatchedProperties {
  types = noTypes;

  constructor(private readonly storage: Pick<Storage, 'batch'>) {}

  watch(...[type, properties, since, by]: Parameters<WatchedTypes['watch']>): Observable<never> {
    return defer(() => {
      const before = this.types.get(type);
      const added = [...new Set(properties)].filter((name) => name !== keyName && positionOf(before, name) === -1);
      if (before !== undefined && added.length === 0) return EMPTY;
      const times = by === 'scopes' ? serverLimits.watchedByScopes : 1;
      const typesMax = serverLimits.watchedTypesMax * times;
      if (before === undefined && this.types.size >= typesMax)
        return throwError(
          () => new WatchLimitError('too-many-types', `Filters of this realm name more than ${typesMax} types.`),
        );
      const propertiesMax = serverLimits.watchedPropertiesMax * times;
      return this.write(new Map([[type, addProperties(type, before, added, since, propertiesMax)]]));
    });
  }

  raiseSince(types: Iterable<string>, since: Version): Observable<never> {
    return defer(() => {
      const raised = new Map<string, WatchedType>();
      for (const type of types) {
        const before = this.types.get(type);
        if (before === undefined) continue;
        const raise = <A extends { readonly since: Version }>(each: A): A => ({
          ...each,
          since: Math.max(each.since, since),
        });
        raised.set(type, { ...raise(before), properties: before.properties.map(raise) });
      }
      return this.write(raised);
    });
  }

  toIndexedChange(type: string, property: string): StorageChange {
    const position = positionOf(this.types.get(type), property);
    if (position === -1) throw new Error(`Defect: ${type}.${property} is not watched.`);
    return { type: 'put', key: indexedKey(type, position), value: new Uint8Array(0) };
  }

  confirmIndexed(type: string, property: string): void {
    const watched = this.types.get(type);
    if (watched === undefined) return;
    this.set(
      type,
      markIndexed(watched, ({ name, isIndexed }) => isIndexed || name === property),
    );
  }

  toUnindexedChanges(): readonly StorageChange[] {
    return [...this.types].flatMap(([type, { properties }]) =>
      properties.map((_, position): StorageChange => ({ type: 'del', key: indexedKey(type, position) })),
    );
  }

  confirmUnindexed(): void {
    for (const [type, watched] of this.types)
      this.set(
        type,
        markIndexed(watched, () => false),
      );
  }

  /** Adds a stored record. */
  load([key, bytes]: StorageEntry): void {
    const [type = '', position] = key.slice(prefix.length).split('/');
    if (position === undefined) {
      this.set(type, decodeType(key, bytes));
      return;
    }
    const watched = this.types.get(type);
    if (watched?.properties[Number(position)] === undefined) throw createDamageError('record', key);
    this.set(
      type,
      markIndexed(watched, ({ isIndexed }, at) => isIndexed || at === Number(position)),
    );
  }

  private write(types: ReadonlyMap<string, WatchedType>): Observable<never> {
    const changes = [...types].map(([type, watched]): StorageChange => ({
      type: 'put',
      key: typeKey(type),
      value: encodeType(watched),
    }));
    if (changes.length === 0) return EMPTY;
    return concat(
      this.storage.batch(changes, { durable: true }),
      // The projector may have marked properties as indexed meanwhile.
      runAction(() => {
        for (const [type, watched] of types) {
          const present = this.types.get(type)?.properties;
          this.set(
            type,
            markIndexed(watched, (_, at) => present?.[at]?.isIndexed === true),
          );
        }
      }),
    );
  }

  private set(type: string, watched: WatchedType): void {
    this.types = new Map([...this.types, [type, watched]]);
  }
}

/** Reads the watched properties of a realm. Emits once and completes. Errors with a `StorageError`. */
export const openWatchedProperties = (storage: Storage): Observable<WatchedProperties> =>
  defer(() =>
    readPagesUnder(storage, prefix).pipe(
      reduce((all, page) => {
        page.forEach((entry) => all.load(entry));
        return all;
      }, new StoredWatchedProperties(storage)),
    ),
  );
