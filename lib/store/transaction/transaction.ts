import type { Operation } from '../../merge/operation.js';
import { collectionStateOf } from '../../merge/collection-state.js';
import type { Instant } from '../../model/changeset.js';
import { InvalidArgumentError, RealmClosedError, SchemaError } from '../../model/errors.js';
import { checkKey } from '../../model/value-types.js';
import type { Container, Property, Schema, Shapes, TypeShape } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { createAssign } from './assign-object.js';
import { createDictionaryEdit, createListEdit, createSetEdit } from './collection-edits.js';
import { clearOldContainer, clearOldContainers } from './clear-old-container.js';
import type { Objects } from '../objects/objects.js';
import type { ObjectWithState } from '../objects/object-change.js';
import { createOverlay, type Overlay } from './overlay.js';
import { createQueryPlan } from '../query/query.js';
import {
  editTargetOf,
  newEditTargetOf,
  requireProperty,
  requireShape,
  type TransactionContext,
} from './transaction-context.js';
import type { Transaction } from './transaction-api.js';
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
  const key = checkKey(shape, givenOrDefaultOf(shape.primaryKey, given));
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
  const { name } = shape.primaryKey;
  const key = checkKey(shape, givenOrDefaultOf(shape.primaryKey, given));
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
    return context.view(shape, checkKey(shape, given));
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
      const key = checkKey(shape, given);
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
