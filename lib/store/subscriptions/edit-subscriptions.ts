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

/** The changed set, and the subscriptions of it that the calls of `set` have added or found, in their order. */
export interface EditedSet {
  readonly set: SubscriptionSet;
  readonly found: readonly StoredSubscription[];
}

type Identity = Pick<StoredSubscription, 'name' | 'type' | 'filter'>;

/** Throws an `InvalidArgumentError` for a name that is too long or no text. */
const checkName = (name: unknown): string | null => {
  if (name === undefined) return null;
  const { subscriptionNameCharsMax: max } = limits;
  if (typeof name === 'string' && name.length > 0 && name.length <= max) return name;
  throw new InvalidArgumentError('options.name', `a text of 1 to ${max} characters`, name);
};

const createNameTest = (given: unknown): ((each: StoredSubscription) => boolean) => {
  const name = checkName(given);
  if (name === null) throw new InvalidArgumentError('name', 'the name of a subscription', given);
  return (each) => each.name === name;
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
class Edit<S extends Schema> implements SubscriptionEdit<S> {
  /** The arguments of the calls of `set`. */
  readonly asked: Identity[] = [];
  isOver = false;
  private all: readonly StoredSubscription[];
  private lastId: number;

  constructor(
    private readonly shapes: Shapes,
    private readonly before: SubscriptionSet,
    private readonly now: number,
  ) {
    this.all = before.subscriptions;
    this.lastId = before.lastId;
  }

  // As functions of their own, so that they can be taken from the edit.
  readonly set: SubscriptionEdit<S>['set'] = (type, query = {}, options = {}) => {
    this.checkOpen();
    const shape = requireShape(this.shapes, type);
    const { where = {} } = checkOptions('query', query, ['where']);
    const { name: given, onConflict = 'replace' } = checkOptions('options', options, ['name', 'onConflict']);
    checkOneOf('options.onConflict', ['replace', 'error'], onConflict);
    this.put(checkName(given), { type, filter: compileFilter(shape, where) }, onConflict === 'replace');
  };

  readonly remove: SubscriptionEdit<S>['remove'] = (which) => {
    this.checkOpen();
    const { id } = Object(which) as { readonly id?: unknown };
    const isWanted: (each: StoredSubscription) => boolean =
      typeof id === 'number' ? (each) => each.id === id : createNameTest(which);
    const left = this.all.filter((each) => !isWanted(each));
    const isRemoved = left.length < this.all.length;
    this.all = left;
    return isRemoved;
  };

  readonly clear: SubscriptionEdit<S>['clear'] = (type) => {
    this.checkOpen();
    if (type !== undefined) requireShape(this.shapes, type);
    this.all = type === undefined ? [] : this.all.filter((each) => each.type !== type);
  };

  /** Returns the changed set: the one before when its content is the same. */
  end(): SubscriptionSet {
    const { all: subscriptions, lastId, before } = this;
    checkTotalSize(subscriptions);
    const after = { version: before.version + 1, lastId, subscriptions };
    return contentOf(after) === contentOf(before) ? before : after;
  }

  private put(name: string | null, query: { type: string; filter: StoredFilter }, canReplace: boolean): void {
    const at = this.all.findIndex((each) => each.name === name && (name !== null || selectsSame(each, query)));
    const existing = this.all[at];
    this.asked.push({ name, ...query });
    if (existing && selectsSame(existing, query)) return;
    if (existing && !canReplace) throw createConflictError(existing.name ?? '');
    if (!existing && this.all.length >= limits.subscriptionsMax) throw createTooManyError(this.all.length + 1);
    this.lastId += 1;
    const { now } = this;
    const added = { id: this.lastId, name, ...query, createdAt: existing?.createdAt ?? now, updatedAt: now };
    this.all = existing ? this.all.map((each) => (each === existing ? added : each)) : [...this.all, added];
  }

  private checkOpen(): void {
    if (this.isOver)
      throw new InvalidStateError('This edit of the subscriptions is over. Call `subscriptions.update` again.');
  }
}

/**
 * Applies a function of the app to a set. If the function throws, nothing has changed. A change to the same content as
 * before returns the set of before.
 *
 * @throws InvalidArgumentError of the calls of the function, and whatever it throws.
 */
export const editSubscriptions = <S extends Schema>(
  shapes: Shapes,
  before: SubscriptionSet,
  now: number,
  change: (edit: SubscriptionEdit<S>) => unknown,
): EditedSet => {
  const edit = new Edit<S>(shapes, before, now);
  try {
    const returned = change({
      set: edit.set,
      remove: edit.remove,
      clear: edit.clear,
    });
    checkSynchronous('change', returned);
    const set = edit.end();
    const found = edit.asked.flatMap(({ name, ...query }) =>
      set.subscriptions.filter((each) => each.name === name && selectsSame(each, query)),
    );
    return { set, found };
  } finally {
    edit.isOver = true;
  }
};
