import type { Operation } from '../../merge/operation.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import type { Instant } from '../../model/changeset.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../../model/errors.js';
import { checkKey } from '../../model/value-types.js';
import type { Container, Property, Schema, Shapes, TypeShape } from '../../model/schema.js';
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
} from '../../model/schema-types.js';
import type { Key } from '../../model/value.js';
import { createAssign } from './assign-object.js';
import {
  type DictionaryEdit,
  createDictionaryEdit,
  type ListEdit,
  createListEdit,
  type SetEdit,
  createSetEdit,
} from './collection-edits.js';
import { clearOldContainer, clearOldContainers } from './clear-old-container.js';
import type { Objects, ObjectWithState } from '../objects/objects.js';
import { createOverlay, type Overlay } from './overlay.js';
import { createQueryPlan, type Query } from '../query/query.js';
import {
  editTargetOf,
  newEditTargetOf,
  requireProperty,
  requireShape,
  type TransactionContext,
} from './transaction-context.js';
import type { EditTarget } from './edit-target.js';
import { queryResultOf } from '../query/live-query.js';
import {
  checkPatchValues,
  checkValue,
  checkNewValues,
  givenOrDefaultOf,
  ownValueOf,
  checkRecord,
  checkNotSetAside,
  createMissingObjectError,
  checkKnownProperties,
} from '../objects/check-input.js';
import { counterValueOf, type View } from '../objects/object-view.js';

/**
 * Reads and changes objects inside `realm.write`. Sees its own changes and those of earlier writes, durable or not. All
 * changes are applied together or, if the function throws, not at all. Usable only synchronously, until the function
 * returns.
 *
 * @throws `SchemaError` for values that do not fit the schema, and for objects that do not exist.
 * @throws `InvalidArgumentError` for unknown types, properties and indexes.
 * @example
 * ```ts
 * await realm.write((tx) => {
 *   tx.create('Task', { id: 'milk', title: 'Buy milk', done: false });
 *   tx.update('Task', 'bread', { done: true });
 * });
 * ```
 */
export interface Transaction<S extends Schema> {
  /** Creates an object. Throws a `SchemaError` if an object with this key exists. */
  readonly create: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /**
   * Creates an object, or updates the existing one with the given properties. Properties that are left out, and
   * counters, keep their values.
   */
  readonly put: <T extends TypeName<S>>(type: T, values: NewObject<S, T>) => void;
  /** Changes some properties of an existing object. Writes only the difference, for collections element by element. */
  readonly update: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>, patch: Patch<S, T>) => void;
  /** Deletes an existing object. This is the only change that is allowed for an object that is set aside. */
  readonly delete: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => void;
  /** Adds a whole number to a counter, 1 by default. Concurrent increments by other devices are added too. */
  readonly increment: <T extends TypeName<S>>(
    type: T,
    key: KeyOf<S, T>,
    property: CounterOf<S, T>,
    by?: number,
  ) => void;
  /** Returns the changes of a list of an existing object. */
  readonly list: <T extends TypeName<S>, P extends ListOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => ListEdit<ElementOf<S, T, P>>;
  /** Returns the changes of a set of an existing object. */
  readonly set: <T extends TypeName<S>, P extends SetOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => SetEdit<ElementOf<S, T, P>>;
  /** Returns the changes of a dictionary of an existing object. */
  readonly dictionary: <T extends TypeName<S>, P extends DictionaryOf<S, T>>(
    type: T,
    key: KeyOf<S, T>,
    property: P,
  ) => DictionaryEdit<ElementOf<S, T, P>>;
  /** Returns the object with this key, with the changes of this transaction; `undefined` if it does not exist. */
  readonly get: <T extends TypeName<S>>(type: T, key: KeyOf<S, T>) => ObjectOf<S, T> | undefined;
  /** Runs a query on the objects, with the changes of this transaction. Reads every object of the type. */
  readonly objects: <T extends TypeName<S>>(type: T, query?: Query<S, T>) => readonly ObjectOf<S, T>[];
}

/** A running transaction. Not typed by a schema. */
export interface TransactionDraft {
  readonly tx: Transaction<Schema>;
  /** The overlay, for operations that exist already. */
  readonly overlay: Overlay;
  /** Ends the transaction and returns its operations and changed objects. */
  readonly end: () => { readonly operations: readonly Operation[]; readonly touched: readonly ObjectWithState[] };
}

const createCollectionEdit =
  <E>(context: TransactionContext, container: Container, edit: (target: EditTarget) => E) =>
  (type: string, key: unknown, name: string): E => {
    const shape = context.requireOpenShape(type);
    return edit(editTargetOf(context, shape, key, requireProperty(shape, name, container)));
  };

/**
 * Checks the collections of a new object or a patch. The returned function writes them. Checks everything before it
 * changes anything, because an app may catch the error and continue.
 */
const createAssignAll = (
  context: TransactionContext,
  shape: TypeShape,
  key: Key,
  given: Record<string, unknown>,
  isNew: boolean,
) => {
  const { name: type } = shape;
  const all: {
    readonly property: Property;
    readonly isDefault: boolean;
    readonly assign: ReturnType<typeof createAssign>;
  }[] = [];
  for (const property of shape.properties.values()) {
    if (property.container === 'value' || property.container === 'counter') continue;
    const own = ownValueOf(given, property.name);
    const isDefault = isNew && own === undefined;
    const value = isDefault ? givenOrDefaultOf(property, given) : own;
    if (value === undefined) continue;
    all.push({ property, isDefault, assign: createAssign({ type, key, property }, value) });
  }
  const createTarget = isNew ? newEditTargetOf : editTargetOf;
  return (created: number | null): void => {
    for (const { property, isDefault, assign } of all)
      assign(createTarget(context, shape, key, property), isDefault ? created : null);
  };
};

const createObject = (context: TransactionContext, type: string, values: unknown): void => {
  const shape = context.requireOpenShape(type);
  const given = checkRecord('values', shape, values);
  const key = checkKey(type, shape.primaryKey.kind, givenOrDefaultOf(shape.primaryKey, given));
  checkKnownProperties(shape, key, given);
  checkNotSetAside(context, type, key);
  if (context.visibleState(type, key)) {
    throw new SchemaError({ type, key, expected: 'an unused key', received: key, problem: 'already exists' });
  }
  const created = checkNewValues(shape, key, given);
  const fill = createAssignAll(context, shape, key, given, true);
  const { count } = context.nextStamp();
  context.perform({ kind: 'create', type, key, values: created });
  fill(count);
};

const updateObject = (context: TransactionContext, type: string, given: unknown, patch: unknown): void => {
  const shape = context.requireOpenShape(type);
  const [key, state] = context.requireObject(shape, given);
  const changes = checkRecord('patch', shape, patch);
  checkKnownProperties(shape, key, changes);
  const values = checkPatchValues(shape, key, state, changes);
  const fill = createAssignAll(context, shape, key, changes, false);
  clearOldContainers(context, shape, { key, state, changes });
  if (Object.keys(values).length > 0) context.perform({ kind: 'update', type, key, values });
  fill(null);
};

const putObject = (context: TransactionContext, type: string, values: unknown): void => {
  const shape = context.requireOpenShape(type);
  const given = checkRecord('values', shape, values);
  const { name, kind } = shape.primaryKey;
  const key = checkKey(type, kind, givenOrDefaultOf(shape.primaryKey, given));
  if (!context.visibleState(type, key)) {
    createObject(context, type, { ...given, [name]: key });
    return;
  }
  const isChanged = ([each, value]: readonly [string, unknown]): boolean => {
    const property = shape.properties.get(each);
    if (property?.container !== 'counter') return true;
    // The counter keeps its value, but the given value must be valid.
    if (value !== undefined) checkValue(type, key, property, value);
    return false;
  };
  updateObject(context, type, key, Object.fromEntries(Object.entries({ ...given, [name]: key }).filter(isChanged)));
};

const expectedCount = 'from -(2^53 - 1) to 2^53 - 1 after the increment';

const incrementCounter = (
  context: TransactionContext,
  type: string,
  given: unknown,
  name: unknown,
  by: unknown,
): void => {
  const shape = context.requireOpenShape(type);
  const [key, state] = context.requireObject(shape, given);
  const { born, collections } = state;
  const counter = requireProperty(shape, name, 'counter');
  const property = counter.name;
  if (!Number.isSafeInteger(by)) throw new InvalidArgumentError('by', 'a whole number', by);
  clearOldContainer(context, { type, key, property: counter }, state);
  if (by === 0 || born === null) return;
  const sum = counterValueOf(context.requireObject(shape, key)[1], property) + (by as number);
  if (!Number.isSafeInteger(sum))
    throw new SchemaError({ type, key, property, expected: expectedCount, received: sum });
  const after = context.previousIncrement(collectionStateOf(collections, property).counter, born);
  context.perform({ kind: 'increment', type, key, property, born, after, by: by as number });
};

const createTransaction = (context: TransactionContext): Transaction<Schema> => ({
  create: (type, values) => {
    createObject(context, type, values);
  },
  put: (type, values) => {
    putObject(context, type, values);
  },
  update: (type, key, patch) => {
    updateObject(context, type, key, patch);
  },
  delete: (type, given) => {
    const shape = context.requireOpenShape(type);
    const key = context.misfit(type, given) ? given : context.requireObject(shape, given)[0];
    context.perform({ kind: 'delete', type, key });
  },
  increment: (type, key, property, by = 1) => {
    incrementCounter(context, type, key, property, by);
  },
  list: createCollectionEdit(context, 'list', createListEdit),
  set: createCollectionEdit(context, 'set', createSetEdit),
  dictionary: createCollectionEdit(context, 'dictionary', createDictionaryEdit),
  get: (type, given) => {
    const shape = context.requireOpenShape(type);
    return context.view(shape, checkKey(type, shape.primaryKey.kind, given));
  },
  objects: (type, query = {}) => {
    const shape = context.requireOpenShape(type);
    const views = context.keysOf(type).flatMap((key): readonly View[] => {
      const view = context.view(shape, key);
      return view ? [view] : [];
    });
    return queryResultOf(createQueryPlan(shape, query), views);
  },
});

/** Starts a transaction. Its operations are stamped from `instant` on. */
export const beginTransaction = (
  shapes: Shapes,
  objects: Objects,
  instant: Instant,
  replica: string,
  ownUpTo: Instant | null = null,
): TransactionDraft => {
  const overlay = createOverlay(objects, instant, replica, ownUpTo);
  let open = true;

  const context: TransactionContext = {
    replica,
    visibleState: overlay.visibleState,
    view: overlay.view,
    misfit: overlay.misfit,
    nextStamp: overlay.nextStamp,
    perform: overlay.perform,
    previousIncrement: overlay.previousIncrement,
    ownership: overlay.ownership,
    keysOf: overlay.keysOf,
    requireOpenShape: (type) => {
      if (open) return requireShape(shapes, type);
      throw new RealmClosedError(
        'This transaction is over. Use it only inside the function of its write, synchronously.',
      );
    },
    requireObject: (shape, given) => {
      const key = checkKey(shape.name, shape.primaryKey.kind, given);
      const state = overlay.visibleState(shape.name, key);
      if (state) return [key, state];
      checkNotSetAside(overlay, shape.name, key);
      throw createMissingObjectError(shape.name, key);
    },
  };

  return {
    tx: createTransaction(context),
    overlay,
    end: () => {
      open = false;
      return { operations: overlay.operations, touched: overlay.changedObjects() };
    },
  };
};
