import { applyOperation, isAlive, type ObjectState, valueIn } from '../merge/object.js';
import type { Operation } from '../merge/operation.js';
import { stampAt } from '../merge/stamp.js';
import type { Instant } from '../model/changeset.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../model/errors.js';
import { checkedKey, expectationOf, stored } from '../model/kinds.js';
import type {
  KeyOf,
  NewObject,
  ObjectOf,
  Patch,
  Property,
  Schema,
  Shapes,
  TypeName,
  TypeShape,
} from '../model/schema.js';
import { type Key, sameValue, type Value } from '../model/value.js';
import { type Objects, type Touched, viewOf } from './objects.js';

/**
 * What a write may do. It sees its own changes and those of writes before it, durable or not. Everything it does comes
 * true together or not at all; if its function throws, nothing has happened.
 */
export interface Transaction<S extends Schema> {
  /** Makes an object. Throws a `SchemaError` when its key is taken or a property does not fit. */
  readonly create: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /** Changes some properties of an object that is there. Values that are what they were are not written. */
  readonly update: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>, patch: Patch<S, T>) => void;
  /** Deletes an object that is there. */
  readonly delete: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => void;
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
}

/** A transaction at work, not typed by a schema. */
export interface Draft {
  readonly tx: Transaction<Schema>;
  /** Ends it and says what it did. */
  readonly end: () => { readonly operations: readonly Operation[]; readonly touched: readonly Touched[] };
}

export const shapeIn = (shapes: Shapes, type: unknown): TypeShape => {
  const shape = shapes.get(type as string);
  if (shape) return shape;
  throw new InvalidArgumentError('type', `one of ${[...shapes.keys()].join(', ')}`, type);
};

const checkedValue = (type: string, key: Key | undefined, property: Property, given: unknown): Value => {
  if (given === null && property.optional) return null;
  const value = stored(property.kind, given);
  if (value !== undefined && value !== null) return value;
  const place = key === undefined ? { type } : { type, key };
  throw new SchemaError({ ...place, property: property.name, expected: expectationOf(property), received: given });
};

const refuseUnknown = (shape: TypeShape, key: Key, given: object): void => {
  for (const name of Object.keys(given)) {
    if (shape.properties.has(name)) continue;
    const expected = `one of ${[...shape.properties.keys()].join(', ')}`;
    throw new SchemaError({
      type: shape.name,
      key,
      property: name,
      expected,
      received: (given as Record<string, unknown>)[name],
    });
  }
};

const record = (argument: string, given: unknown): Record<string, unknown> => {
  if (typeof given === 'object' && given !== null && !Array.isArray(given)) return given as Record<string, unknown>;
  throw new InvalidArgumentError(argument, 'a record of properties', given);
};

const createdValues = (shape: TypeShape, key: Key, given: Record<string, unknown>): Record<string, Value> => {
  const values: Record<string, Value> = {};
  for (const property of shape.properties.values()) {
    const { name, optional } = property;
    values[name] =
      property === shape.primaryKey
        ? key
        : checkedValue(shape.name, key, property, given[name] ?? (optional ? null : given[name]));
  }
  return values;
};

const changedValues = (
  shape: TypeShape,
  key: Key,
  state: ObjectState,
  patch: Record<string, unknown>,
): Record<string, Value> => {
  const values: Record<string, Value> = {};
  for (const [name, given] of Object.entries(patch)) {
    const property = shape.properties.get(name);
    if (!property || given === undefined) continue;
    if (property === shape.primaryKey) {
      throw new SchemaError({
        type: shape.name,
        key,
        property: name,
        expected: 'no new primary key: delete and create instead',
        received: given,
      });
    }
    const value = checkedValue(shape.name, key, property, given);
    if (!sameValue(valueIn(state, name), value)) values[name] = value;
  }
  return values;
};

/** The objects as a transaction sees them, and what it has done. */
interface Sheet {
  readonly operations: Operation[];
  readonly latest: (type: string, key: Key) => ObjectState | undefined;
  readonly perform: (operation: Operation) => void;
  readonly touched: () => readonly Touched[];
}

const sheet = (objects: Objects, instant: Instant, replica: string): Sheet => {
  const operations: Operation[] = [];
  const changed = new Map<string, Touched>();
  const placeOf = (type: string, key: Key): string => `${type}/${typeof key}/${key}`;
  const latest = (type: string, key: Key): ObjectState | undefined =>
    changed.get(placeOf(type, key))?.state ?? objects.latest(type, key);
  return {
    operations,
    latest,
    perform: (operation) => {
      const { type, key } = operation;
      const stamp = stampAt(instant, replica, operations.length);
      changed.set(placeOf(type, key), { type, key, state: applyOperation(latest(type, key), operation, stamp) });
      operations.push(operation);
    },
    touched: () => [...changed.values()],
  };
};

/** Starts a transaction at an instant of the realm's clock: its operations are stamped from there on. */
export const draft = (shapes: Shapes, objects: Objects, instant: Instant, replica: string): Draft => {
  const { operations, latest, perform, touched } = sheet(objects, instant, replica);
  let open = true;

  const enter = (type: unknown): TypeShape => {
    if (open) return shapeIn(shapes, type);
    throw new RealmClosedError(
      'This transaction is over: use it only inside the function of its write, synchronously.',
    );
  };
  const found = (shape: TypeShape, key: Key): ObjectState | undefined => {
    const state = latest(shape.name, key);
    return state && isAlive(state) ? state : undefined;
  };
  const living = (shape: TypeShape, given: unknown): readonly [Key, ObjectState] => {
    const key = checkedKey(shape.name, shape.primaryKey.kind, given);
    const state = found(shape, key);
    if (state) return [key, state];
    throw new SchemaError({ type: shape.name, key, expected: 'an object that is there', received: undefined });
  };

  const tx: Transaction<Schema> = {
    create: (type, values) => {
      const shape = enter(type);
      const given = record('values', values);
      const key = checkedKey(type, shape.primaryKey.kind, given[shape.primaryKey.name]);
      refuseUnknown(shape, key, given);
      if (found(shape, key)) {
        throw new SchemaError({ type, key, expected: 'a primary key that is not taken', received: key });
      }
      perform({ kind: 'create', type, key, values: createdValues(shape, key, given) });
    },
    update: (type, given, patch) => {
      const shape = enter(type);
      const [key, state] = living(shape, given);
      const changes = record('patch', patch);
      refuseUnknown(shape, key, changes);
      const values = changedValues(shape, key, state, changes);
      if (Object.keys(values).length > 0) perform({ kind: 'update', type, key, values });
    },
    delete: (type, given) => {
      const [key] = living(enter(type), given);
      perform({ kind: 'delete', type, key });
    },
    get: (type, given) => {
      const shape = enter(type);
      const key = checkedKey(type, shape.primaryKey.kind, given);
      const state = found(shape, key);
      return (state && viewOf(shape, state, key)) as never;
    },
  };

  return {
    tx,
    end: () => {
      open = false;
      return { operations, touched: touched() };
    },
  };
};
