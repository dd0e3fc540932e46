import { compareInstants } from './counter.js';
import type { VisibleElement } from './list.js';
import type { Value } from './msgpack.js';
import type { MergedObject } from './merged-object.js';
import type { Instant, Key, Operation, Values } from './operations.js';
import { PositionChooser } from './list-positions.js';
import { stampOf, restampedReplicaOf } from './timestamps.js';
import { canonicalJsonOf } from './canonical-values.js';

/** One transaction: each call adds operations, which later calls in the transaction see. */
export class SecondTransaction {
  readonly operations: Operation[] = [];
  private readonly chooser: PositionChooser;

  constructor(
    private readonly replica: string,
    readonly instant: Instant,
    private readonly objectOf: (type: string, key: Key) => MergedObject,
    draw: () => string,
    /** Increments of this replica up to this instant may be missing: see docs/PROTOCOL.md, "Operations". */
    private readonly missingUpTo: Instant | null,
  ) {
    this.chooser = new PositionChooser(restampedReplicaOf(replica, instant.time), draw);
  }

  create(type: string, key: Key, values: Values, lists: Readonly<Record<string, readonly Value[]>> = {}): void {
    const created = this.instant.count + this.operations.length;
    this.push({ does: 'create', type, key, values });
    for (const [property, elements] of Object.entries(lists)) {
      const byDefault = this.instant.count + this.operations.length - created;
      this.insert(type, key, property, Infinity, elements, byDefault);
    }
  }

  update(type: string, key: Key, values: Values): void {
    this.push({ does: 'update', type, key, values });
  }

  delete(type: string, key: Key): void {
    this.push({ does: 'delete', type, key });
  }

  insert(type: string, key: Key, property: string, at: number, values: readonly Value[], byDefault = 0): void {
    const list = this.objectOf(type, key).list(property);
    const index = Math.min(at, list.length);
    const { run, keys } = this.positionsAt(type, key, property, list, index, values.length);
    this.push({ does: 'insert', type, key, property, run, keys, values, indexes: null, default: byDefault });
  }

  /** Moves the element at `from`, so that it is at `to` afterwards. */
  move(type: string, key: Key, property: string, from: number, to: number): void {
    const list = this.objectOf(type, key).list(property);
    const element = list[from]!;
    const others = list.filter((each) => each !== element);
    const { run, keys } = this.positionsAt(type, key, property, others, to, 1);
    this.push({ does: 'move', type, key, property, element: element.name, run, position: keys[0]! });
  }

  replace(type: string, key: Key, property: string, at: number, value: Value): void {
    const element = this.objectOf(type, key).list(property)[at]!.name;
    this.push({ does: 'replace', type, key, property, element, value });
  }

  remove(type: string, key: Key, property: string, at: number): void {
    const element = this.objectOf(type, key).list(property)[at]!.name;
    this.push({ does: 'remove', type, key, property, elements: [element] });
  }

  put(type: string, key: Key, property: string, name: string, value: Value): void {
    this.push({ does: 'put', type, key, property, entries: [[name, value]] });
  }

  drop(type: string, key: Key, property: string, name: string): void {
    this.push({ does: 'drop', type, key, property, keys: [name] });
  }

  putIntoSet(type: string, key: Key, property: string, value: Value): void {
    this.put(type, key, property, canonicalJsonOf(value), value);
  }

  empty(type: string, key: Key, property: string): void {
    this.push({ does: 'empty', type, key, property });
  }

  add(type: string, key: Key, property: string, by: number): void {
    const object = this.objectOf(type, key);
    const born = object.born!;
    const writer = restampedReplicaOf(this.replica, this.instant.time);
    const last = object.counterPart(property)?.lastOf(writer, born) ?? null;
    const after = compareInstants(last, this.missingUpTo) < 0 ? this.missingUpTo : last;
    this.push({ does: 'add', type, key, property, born, after, by });
  }

  private positionsAt(
    type: string,
    key: Key,
    property: string,
    list: readonly VisibleElement[],
    index: number,
    amount: number,
  ) {
    const left = this.objectOf(type, key).listPart(property)?.leftovers() ?? { removed: [], moved: [] };
    return this.chooser.choose(list[index - 1], list[index], amount, [...left.removed, ...left.moved]);
  }

  private push(operation: Operation): void {
    const stamp = stampOf(this.instant, this.replica, this.operations.length);
    this.objectOf(operation.type, operation.key).apply(operation, stamp);
    this.operations.push(operation);
  }
}
