import { compileFilter } from '../../filter/compile-filter.js';
import type { StoredFilter } from '../../filter/stored-filter.js';
import { encodeValue } from '../../model/msgpack.js';
import { checkOneOf, checkSynchronous } from '../../model/check-arguments.js';
import { InvalidArgumentError, InvalidStateError } from '../../model/errors.js';
import { checkOptions, limits } from '../../model/limits.js';
import type { Schema, Shapes } from '../../model/schema.js';
import type { ObjectOf, TypeName } from '../../model/schema-types.js';
import type { Filter } from '../query/filter.js';
import { requireShape } from '../transaction/transaction-context.js';
import { filterTextOf } from '../../filter/canonical-filter.js';
import { selectsSame, type StoredSubscription, type SubscriptionSet } from './subscription-set.js';

/**
 * The objects of a type that a subscription asks for. All fields are optional.
 *
 * @example
 * ```ts sketch
 * realm.subscribe('Task', { where: { list: 'inbox', done: false } });
 * ```
 */
export interface SubscriptionQuery<S extends Schema, T extends TypeName<S>> {
  /**
   * The conditions that an object must match: a filter as queries have it, on properties with a single value, without
   * `$regex` and conditions on collections. Default: every object of the type.
   */
  readonly where?: Filter<ObjectOf<S, T>>;
}

/** Names a subscription. All fields are optional. */
export interface SubscriptionOptions {
  /**
   * The name of the subscription, 1 to 256 characters. A second subscription with the same name takes the place of the
   * first. Default: none. Then the subscription is known by its type and conditions.
   */
  readonly name?: string;
  /**
   * If another query has the name: `replace` it, or throw an `error`. The same query is never an error. Default:
   * `replace`.
   */
  readonly onConflict?: 'replace' | 'error';
}

/** Changes the subscriptions of a realm. Valid only during the call that it was passed to. */
export interface SubscriptionEdit<S extends Schema> {
  /**
   * Adds a subscription, or replaces the query of a named one. A subscription that exists already is left as it is.
   *
   * @param type - The name of the type.
   * @param query - The objects of the type. Default: all.
   * @param options - The name.
   * @throws InvalidArgumentError for a query that a server cannot evaluate, for a name that another query has with
   * `onConflict: 'error'`, and over a limit. Nothing has changed then.
   */
  readonly set: <T extends TypeName<S>>(
    type: T,
    query?: SubscriptionQuery<S, T>,
    options?: SubscriptionOptions,
  ) => void;
  /**
   * Removes a subscription.
   *
   * @param which - Its name, or what `subscribe` has returned.
   * @returns Whether it was there.
   */
  readonly remove: (which: string | { readonly id: number }) => boolean;
  /**
   * Removes all subscriptions, or all of a type.
   *
   * @param type - The name of the type. Default: all types.
   */
  readonly clear: (type?: TypeName<S>) => void;
}

/** One call of a change, with checked arguments. It can be made again on another set. */
export type EditCall =
  | {
      readonly method: 'set';
      readonly name: string | null;
      readonly type: string;
      readonly filter: StoredFilter;
      readonly canReplace: boolean;
      /** Number of an added subscription, negative until a leader has given one. Absent: the next one of the set. */
      readonly id?: number | undefined;
    }
  /** By its name or number. */
  | { readonly method: 'remove'; readonly which: string | number }
  /** By what it is, because the tab that leads has not numbered it yet. */
  | ({ readonly method: 'removeSame' } & Identity)
  | { readonly method: 'clear'; readonly type: string | null };

/** A subscription without its number: no two of a set have the same. */
export type Identity = Pick<StoredSubscription, 'name' | 'type' | 'filter'>;

type SetCall = EditCall & { readonly method: 'set' };

/** The changed set, and the subscriptions of it that the calls of `set` have added or found, in their order. */
export interface EditedSet {
  readonly set: SubscriptionSet;
  readonly found: readonly StoredSubscription[];
  readonly calls: readonly EditCall[];
}

/** Throws an `InvalidArgumentError` for a name that is too long or no text. */
const checkName = (name: unknown): string | null => {
  if (name === undefined) return null;
  const { subscriptionNameCharsMax: max } = limits;
  if (typeof name === 'string' && name.length > 0 && name.length <= max) return name;
  throw new InvalidArgumentError('options.name', `a text of 1 to ${max} characters`, name);
};

const checkGivenName = (given: unknown): string => {
  const name = checkName(given);
  if (name === null) throw new InvalidArgumentError('name', 'the name of a subscription', given);
  return name;
};

const createConflictError = (name: string): InvalidArgumentError =>
  new InvalidArgumentError('options.name', 'a name that no other query has', name, {
    problem: `Another subscription has the name ${JSON.stringify(name)}.`,
    advice: "Use another name, or `onConflict: 'replace'`.",
  });

const createTooManyError = (count: number): InvalidArgumentError =>
  new InvalidArgumentError('subscriptions', `at most ${limits.subscriptionsMax}`, count, {
    problem: `A realm can have ${limits.subscriptionsMax} subscriptions, and this would be one more.`,
    advice: 'Remove some, or select by several values of a property: { $in: […] }.',
  });

/** Throws an `InvalidArgumentError` when the filters together are larger than a frame may be. */
const checkTotalSize = (subscriptions: readonly StoredSubscription[]): void => {
  const bytes = subscriptions.reduce((sum, { filter }) => sum + encodeValue(filter).byteLength, 0);
  if (bytes <= limits.filtersBytesMax) return;
  throw new InvalidArgumentError('subscriptions', `at most ${limits.filtersBytesMax} bytes of conditions`, bytes, {
    problem: `The conditions of all subscriptions would have ${bytes} bytes, and at most ${limits.filtersBytesMax} are possible.`,
    advice: 'Select by a property that many objects have in common, instead of many values.',
  });
};

const contentOf = ({ subscriptions }: SubscriptionSet): string =>
  JSON.stringify(
    subscriptions.map(({ name, type, filter }) => JSON.stringify([name, type, filterTextOf(filter)])).sort(),
  );

/** A set while it is being changed. */
class ChangedSet {
  readonly calls: EditCall[] = [];
  private all: readonly StoredSubscription[];
  private lastId: number;

  constructor(
    private readonly before: SubscriptionSet,
    private readonly now: number,
  ) {
    this.all = before.subscriptions;
    this.lastId = before.lastId;
  }

  /** Makes a call. Returns whether subscriptions were added or removed. Throws an `InvalidArgumentError`. */
  run(call: EditCall): boolean {
    const { all } = this;
    if (call.method === 'set') this.put(call);
    else this.all = all.filter((each) => !isRemovedBy(call, each));
    this.calls.push(call);
    return this.all.length !== all.length;
  }

  find(id: number): Identity | undefined {
    const found = this.all.find((each) => each.id === id);
    return found && { name: found.name, type: found.type, filter: found.filter };
  }

  /** Returns the changed set: the one before when its content is the same. */
  end(): SubscriptionSet {
    const { all: subscriptions, lastId, before } = this;
    checkTotalSize(subscriptions);
    const after = { version: before.version + 1, lastId, subscriptions };
    return contentOf(after) === contentOf(before) ? before : after;
  }

  private put({ name, type, filter, canReplace, id }: SetCall): void {
    const query = { type, filter };
    const existing = this.all.find((each) => each.name === name && (name !== null || selectsSame(each, query)));
    if (existing && selectsSame(existing, query)) return;
    if (existing && !canReplace) throw createConflictError(existing.name ?? '');
    if (!existing && this.all.length >= limits.subscriptionsMax) throw createTooManyError(this.all.length + 1);
    if (id === undefined) this.lastId += 1;
    const { now } = this;
    const added = { id: id ?? this.lastId, name, ...query, createdAt: existing?.createdAt ?? now, updatedAt: now };
    this.all = existing ? this.all.map((each) => (each === existing ? added : each)) : [...this.all, added];
  }
}

export const isSameSubscription = (a: Identity, b: Identity): boolean => a.name === b.name && selectsSame(a, b);

const isRemovedBy = (call: Exclude<EditCall, SetCall>, each: StoredSubscription): boolean => {
  if (call.method === 'clear') return call.type === null || call.type === each.type;
  if (call.method === 'removeSame') return isSameSubscription(call, each);
  return call.which === (typeof call.which === 'number' ? each.id : each.name);
};

/** The functions that an app changes a set with. */
class Edit<S extends Schema> implements SubscriptionEdit<S> {
  isOver = false;

  constructor(
    private readonly shapes: Shapes,
    private readonly changed: ChangedSet,
    private readonly nextId: () => number | undefined,
  ) {}

  // As functions of their own, so that they can be taken from the edit.
  readonly set: SubscriptionEdit<S>['set'] = (type, query = {}, options = {}) => {
    this.checkOpen();
    const shape = requireShape(this.shapes, type);
    const { where = {} } = checkOptions('query', query, ['where']);
    const { name: given, onConflict = 'replace' } = checkOptions('options', options, ['name', 'onConflict']);
    checkOneOf('options.onConflict', ['replace', 'error'], onConflict);
    const [name, canReplace] = [checkName(given), onConflict === 'replace'];
    this.changed.run({ method: 'set', name, type, filter: compileFilter(shape, where), canReplace, id: this.nextId() });
  };

  readonly remove: SubscriptionEdit<S>['remove'] = (which) => {
    this.checkOpen();
    const { id } = Object(which) as { readonly id?: unknown };
    if (typeof id !== 'number') return this.changed.run({ method: 'remove', which: checkGivenName(which) });
    const same = id < 0 ? this.changed.find(id) : undefined;
    return this.changed.run(same ? { method: 'removeSame', ...same } : { method: 'remove', which: id });
  };

  readonly clear: SubscriptionEdit<S>['clear'] = (type) => {
    this.checkOpen();
    if (type !== undefined) requireShape(this.shapes, type);
    this.changed.run({ method: 'clear', type: type ?? null });
  };

  private checkOpen(): void {
    if (this.isOver)
      throw new InvalidStateError('This edit of the subscriptions is over. Call `subscriptions.update` again.');
  }
}

const editedOf = (changed: ChangedSet): EditedSet => {
  const set = changed.end();
  const found = changed.calls.flatMap((call) => {
    if (call.method !== 'set') return [];
    return set.subscriptions.filter((each) => isSameSubscription(each, call));
  });
  return { set, found, calls: changed.calls };
};

/**
 * Applies a function of the app to a set. If the function throws, nothing has changed. A change to the same content as
 * before returns the set of before.
 *
 * @param nextId - Returns the number of a subscription, should the call add one. Default: the next one of the set.
 * @throws InvalidArgumentError of the calls of the function, and whatever it throws.
 */
export const editSubscriptions = <S extends Schema>(
  shapes: Shapes,
  before: SubscriptionSet,
  now: number,
  change: (edit: SubscriptionEdit<S>) => unknown,
  nextId: () => number | undefined = () => undefined,
): EditedSet => {
  const changed = new ChangedSet(before, now);
  const edit = new Edit<S>(shapes, changed, nextId);
  try {
    const returned = change({
      set: edit.set,
      remove: edit.remove,
      clear: edit.clear,
    });
    checkSynchronous('change', returned);
    return editedOf(changed);
  } finally {
    edit.isOver = true;
  }
};

/**
 * Makes the calls of an earlier change again, on another set.
 *
 * @throws InvalidArgumentError for a name that another query has by now, and over a limit.
 */
export const repeatEdit = (before: SubscriptionSet, now: number, calls: readonly EditCall[]): EditedSet => {
  const changed = new ChangedSet(before, now);
  for (const call of calls) changed.run(call);
  return editedOf(changed);
};
