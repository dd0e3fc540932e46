import { lastIncrement } from '../merge/counter.js';
import type { ObjectState } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { noPart, partIn } from '../merge/part.js';
import type { Instant } from '../model/changeset.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../model/errors.js';
import { checkedKey } from '../model/kinds.js';
import type { Container, Property, Schema, Shapes, TypeShape } from '../model/schema.js';
import type {
  CounterOf,
  DictionaryOf,
  ElementOf,
  KeyOf,
  ListOf,
  NewObject,
  ObjectOf,
  Patch,
  SetOf,
  TypeName,
} from '../model/types.js';
import type { Key } from '../model/value.js';
import { assigning } from './assign.js';
import { type DictionaryEdit, dictionaryEdit, type ListEdit, listEdit, type SetEdit, setEdit } from './collections.js';
import { makeRoom, makeRoomForValues } from './make-room.js';
import type { Objects, Touched } from './objects.js';
import { createSheet, type Sheet } from './sheet.js';
import { planOf, type Query } from './queries.js';
import type { Site } from './site.js';
import { answerOf } from './standing.js';
import {
  changedValues,
  checkedValue,
  createdValues,
  givenFor,
  ownIn,
  record,
  refuseSetAside,
  refuseUnknown,
} from './values.js';
import { countIn, type View } from './views.js';

/**
 * What a write may do. It sees its own changes and those of writes before it, durable or not. Everything it does comes
 * true together or not at all; if its function throws, nothing has happened. What does not fit the schema throws a `SchemaError`.
 */
export interface Transaction<S extends Schema> {
  /** Makes an object. Throws a `SchemaError` when its key is taken. */
  readonly create: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /**
   * Makes an object, or changes the one that is there: the properties that are given. What is left out stays as it is, and so do counters, which
   * are incremented.
   */
  readonly put: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /** Changes some properties of an object that is there. Only what differs is written: of a collection, the elements that do. */
  readonly update: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>, patch: Patch<S, T>) => void;
  /** Deletes an object that is there. Of an object that is set aside it is the only change that is allowed. */
  readonly delete: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => void;
  /** Adds a whole number to a counter, 1 unless given: what others add meanwhile counts too. */
  readonly increment: <T extends TypeName<S>>(
    type: T,
    key: KeyOf<S, T>,
    property: CounterOf<S, T>,
    by?: number,
  ) => void;
  /** A list of an object that is there, to be changed. */
  readonly list: <T extends TypeName<S>, P extends ListOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => ListEdit<ElementOf<S, T, P>>;
  /** A set of an object that is there, to be changed. */
  readonly set: <T extends TypeName<S>, P extends SetOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => SetEdit<ElementOf<S, T, P>>;
  /** A dictionary of an object that is there, to be changed. */
  readonly dictionary: <T extends TypeName<S>, P extends DictionaryOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => DictionaryEdit<ElementOf<S, T, P>>;
  /** The object with this key, as the transaction has it by now; `undefined` when there is none. */
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
  /** The objects of a query, as the transaction has them by now. Looks at every object of the type. */
  readonly objects: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => readonly ObjectOf<S, T>[];
}

/** A transaction at work, not typed by a schema. */
export interface Draft {
  readonly tx: Transaction<Schema>;
  /** What it writes on, for operations that are there already. */
  readonly sheet: Sheet;
  /** Ends it and says what it did. */
  readonly end: () => { readonly operations: readonly Operation[]; readonly touched: readonly Touched[] };
}

export const shapeIn = (shapes: Shapes, type: unknown): TypeShape => {
  const shape = shapes.get(type as string);
  if (shape) return shape;
  throw new InvalidArgumentError('type', `one of ${[...shapes.keys()].join(', ')}`, type);
};

/** A transaction's view of its realm: objects are looked up, and over is over. */
interface Room extends Pick<Sheet, 'replica' | 'living' | 'view' | 'misfit' | 'stamp' | 'perform' | 'work' | 'keysOf'> {
  readonly enter: (type: unknown) => TypeShape;
  /** An object that has to be there. */
  readonly found: (shape: TypeShape, given: unknown) => readonly [Key, ObjectState];
}

const propertyIn = (shape: TypeShape, name: unknown, container: Container): Property => {
  const property = shape.properties.get(name as string);
  if (property?.container === container) return property;
  const names = [...shape.properties.values()].filter((each) => each.container === container).map((each) => each.name);
  throw new InvalidArgumentError(
    'property',
    `a ${container} of ${shape.name}: ${names.join(', ') || 'it has none'}`,
    name,
  );
};

const siteOf = (room: Room, shape: TypeShape, given: unknown, property: Property): Site => {
  const [key, state] = room.found(shape, given);
  makeRoom(room, { type: shape.name, key, property }, state);
  return {
    ...newSiteOf(room, shape, key, property),
    part: () => partIn(room.found(room.enter(shape.name), key)[1].parts, property.name),
  };
};

/** A collection of an object that is being made. What others have put in cannot be seen, and is not taken for what the app wants to be gone. */
const newSiteOf = ({ replica, stamp, perform, work }: Room, shape: TypeShape, key: Key, property: Property): Site => ({
  ...{ type: shape.name, key, property, replica, stamp, part: () => noPart, perform, work },
});

const collectionOf =
  <E>(room: Room, container: Container, edit: (site: Site) => E) =>
  (type: string, key: unknown, name: string): E => {
    const shape = room.enter(type);
    return edit(siteOf(room, shape, key, propertyIn(shape, name, container)));
  };

/**
 * Checks what a new object, or a patch, has of collections. The result fills or changes them. Everything is checked before anything is done: an app may
 * catch what is thrown, and go on.
 */
const assigningAll = (room: Room, shape: TypeShape, key: Key, given: Record<string, unknown>, isNew: boolean) => {
  const { name: type } = shape;
  const all = [...shape.properties.values()].flatMap((property) => {
    if (property.container === 'value' || property.container === 'counter') return [];
    const own = ownIn(given, property.name);
    const isDefault = isNew && own === undefined;
    const value = isDefault ? givenFor(property, given) : own;
    return value === undefined ? [] : [{ property, isDefault, assign: assigning({ type, key, property }, value) }];
  });
  const siteIn = isNew ? newSiteOf : siteOf;
  return (created: number | null): void => {
    for (const { property, isDefault, assign } of all)
      assign(siteIn(room, shape, key, property), isDefault ? created : null);
  };
};

const create = (room: Room, type: string, values: unknown): void => {
  const shape = room.enter(type);
  const given = record('values', shape, values);
  const key = checkedKey(type, shape.primaryKey.kind, givenFor(shape.primaryKey, given));
  refuseUnknown(shape, key, given);
  refuseSetAside(room, type, key);
  if (room.living(type, key)) {
    throw new SchemaError({ type, key, expected: 'a primary key that is not taken', received: key });
  }
  const created = createdValues(shape, key, given);
  const fill = assigningAll(room, shape, key, given, true);
  const { count } = room.stamp();
  room.perform({ kind: 'create', type, key, values: created });
  fill(count);
};

const update = (room: Room, type: string, given: unknown, patch: unknown): void => {
  const shape = room.enter(type);
  const [key, state] = room.found(shape, given);
  const changes = record('patch', shape, patch);
  refuseUnknown(shape, key, changes);
  const values = changedValues(shape, key, state, changes);
  const fill = assigningAll(room, shape, key, changes, false);
  makeRoomForValues(room, shape, { key, state, changes });
  if (Object.keys(values).length > 0) room.perform({ kind: 'update', type, key, values });
  fill(null);
};

const put = (room: Room, type: string, values: unknown): void => {
  const shape = room.enter(type);
  const given = record('values', shape, values);
  const { name, kind } = shape.primaryKey;
  const key = checkedKey(type, kind, givenFor(shape.primaryKey, given));
  if (!room.living(type, key)) {
    create(room, type, { ...given, [name]: key });
    return;
  }
  const isChanged = ([each, value]: readonly [string, unknown]): boolean => {
    const property = shape.properties.get(each);
    if (property?.container !== 'counter') return true;
    if (value !== undefined) checkedValue(type, key, property, value); // Left as it is, but not whatever it is.
    return false;
  };
  update(room, type, key, Object.fromEntries(Object.entries({ ...given, [name]: key }).filter(isChanged)));
};

const countExpected = 'a count that stays from -(2^53 - 1) to 2^53 - 1';

const increment = (room: Room, type: string, given: unknown, name: unknown, by: unknown): void => {
  const shape = room.enter(type);
  const [key, state] = room.found(shape, given);
  const { born, parts } = state;
  const counter = propertyIn(shape, name, 'counter');
  const property = counter.name;
  if (!Number.isSafeInteger(by)) throw new InvalidArgumentError('by', 'a whole number', by);
  makeRoom(room, { type, key, property: counter }, state);
  if (by === 0 || born === null) return;
  const sum = countIn(room.found(shape, key)[1], property) + (by as number);
  if (!Number.isSafeInteger(sum))
    throw new SchemaError({ type, key, property, expected: countExpected, received: sum });
  const after = lastIncrement(partIn(parts, property).counter, born, room.replica);
  room.perform({ kind: 'increment', type, key, property, born, after, by: by as number });
};

const transactionIn = (room: Room): Transaction<Schema> => ({
  create: (type, values) => {
    create(room, type, values);
  },
  put: (type, values) => {
    put(room, type, values);
  },
  update: (type, key, patch) => {
    update(room, type, key, patch);
  },
  delete: (type, given) => {
    const shape = room.enter(type);
    const key = room.misfit(type, given) ? given : room.found(shape, given)[0];
    room.perform({ kind: 'delete', type, key });
  },
  increment: (type, key, property, by = 1) => {
    increment(room, type, key, property, by);
  },
  list: collectionOf(room, 'list', listEdit),
  set: collectionOf(room, 'set', setEdit),
  dictionary: collectionOf(room, 'dictionary', dictionaryEdit),
  get: (type, given) => {
    const shape = room.enter(type);
    return room.view(shape, checkedKey(type, shape.primaryKey.kind, given));
  },
  objects: (type, query = {}) => {
    const shape = room.enter(type);
    const views = room.keysOf(type).flatMap((key): readonly View[] => {
      const view = room.view(shape, key);
      return view ? [view] : [];
    });
    return answerOf(planOf(shape, query), views);
  },
});

/** Starts a transaction at an instant of the realm's clock: its operations are stamped from there on. */
export const draft = (shapes: Shapes, objects: Objects, instant: Instant, replica: string): Draft => {
  const sheet = createSheet(objects, instant, replica);
  let open = true;

  const room: Room = {
    replica,
    living: sheet.living,
    view: sheet.view,
    misfit: sheet.misfit,
    stamp: sheet.stamp,
    perform: sheet.perform,
    work: sheet.work,
    keysOf: sheet.keysOf,
    enter: (type) => {
      if (open) return shapeIn(shapes, type);
      throw new RealmClosedError(
        'This transaction is over: use it only inside the function of its write, synchronously.',
      );
    },
    found: (shape, given) => {
      const key = checkedKey(shape.name, shape.primaryKey.kind, given);
      const state = sheet.living(shape.name, key);
      if (state) return [key, state];
      refuseSetAside(sheet, shape.name, key);
      throw new SchemaError({ type: shape.name, key, expected: 'an object that is there', received: undefined });
    },
  };

  return {
    tx: transactionIn(room),
    sheet,
    end: () => {
      open = false;
      return { operations: sheet.operations, touched: sheet.touched() };
    },
  };
};
