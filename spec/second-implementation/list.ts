import type { Value } from './msgpack.js';
import {
  readArray,
  readElement,
  readRun,
  readStamp,
  writeElement,
  writeStamp,
  type Insert,
  type Operation,
} from './operations.js';
import {
  compareElements,
  compareStamps,
  compareTexts,
  isLater,
  textOf,
  type ElementName,
  type Stamp,
} from './timestamps.js';
import { compareValues } from './canonical-values.js';

export interface ListPosition {
  readonly run: readonly string[];
  readonly key: string;
}

interface MovedPosition extends ListPosition {
  readonly stamp: Stamp;
}
interface ReplacedValue {
  readonly value: Value;
  readonly stamp: Stamp;
}

/**
 * The known state of an element. `inserted` is null until its insert has arrived: operations on the element may arrive
 * earlier.
 */
export interface Element {
  readonly name: ElementName;
  inserted: (ListPosition & { readonly value: Value; readonly default: number }) | null;
  moved: MovedPosition | null;
  replaced: ReplacedValue | null;
}

export interface VisibleElement {
  readonly name: ElementName;
  readonly position: ListPosition;
  readonly value: Value;
  readonly default: number;
}

export function comparePositions(a: ListPosition, b: ListPosition): number {
  const left = [...a.run, a.key];
  const right = [...b.run, b.key];
  for (let n = 0; n < left.length && n < right.length; n += 1) {
    const order = compareTexts(left[n]!, right[n]!);
    if (order !== 0) return order;
  }
  return left.length - right.length;
}

export class ListPart {
  private readonly elements = new Map<string, Element>();
  private readonly deleted = new Map<string, ElementName>();

  isEmpty(): boolean {
    return this.elements.size === 0 && this.deleted.size === 0;
  }

  /** Removes all elements that were inserted up to this stamp. */
  forgetUpTo(floor: Stamp): void {
    for (const held of [this.elements, this.deleted] as Map<string, ElementName | Element>[])
      for (const [name, each] of held) if (!isLater('name' in each ? each.name : each, floor)) held.delete(name);
  }

  /** Returns the visible elements in their order, including those of a default. */
  visibleElements(): readonly VisibleElement[] {
    const shown: VisibleElement[] = [];
    for (const { name, inserted, moved, replaced } of this.elements.values())
      if (inserted)
        shown.push({
          name,
          position: moved ?? inserted,
          value: replaced ? replaced.value : inserted.value,
          default: inserted.default,
        });
    return shown.sort((a, b) => comparePositions(a.position, b.position) || compareElements(a.name, b.name));
  }

  /** Returns the elements that are not where they were inserted, because they were removed or moved. */
  leftovers(): { readonly removed: readonly ElementName[]; readonly moved: readonly ElementName[] } {
    const moved = [...this.elements.values()].filter((each) => each.moved).map(({ name }) => name);
    return { removed: [...this.deleted.values()], moved };
  }

  stamps(): readonly Stamp[] {
    const elements = [...this.elements.values()];
    return [
      ...this.deleted.values(),
      ...elements.flatMap(({ name, moved, replaced }) => [name, moved?.stamp ?? name, replaced?.stamp ?? name]),
    ];
  }

  insert(operation: Insert, stamp: Stamp): void {
    operation.keys.forEach((key, n) => {
      const name = { ...stamp, index: operation.indexes ? operation.indexes[n]! : n };
      if (this.deleted.has(textOf(name))) return;
      const element = this.element(name);
      const inserted = { run: operation.run, key, value: operation.values[n]!, default: operation.default };
      const order = element.inserted
        ? comparePositions(inserted, element.inserted) || compareValues(inserted.value, element.inserted.value)
        : 1;
      if (order > 0) element.inserted = inserted;
    });
  }

  change(operation: Extract<Operation, { readonly does: 'move' | 'replace' }>, stamp: Stamp): void {
    if (!isLater(stamp, operation.element) || this.deleted.has(textOf(operation.element))) return;
    const element = this.element(operation.element);
    if (operation.does === 'move') {
      const moved = { run: operation.run, key: operation.position, stamp };
      const order = element.moved
        ? compareStamps(stamp, element.moved.stamp) || comparePositions(moved, element.moved)
        : 1;
      if (order > 0) element.moved = moved;
    } else {
      const { value } = operation;
      const known = element.replaced;
      const order = known ? compareStamps(stamp, known.stamp) || compareValues(value, known.value) : 1;
      if (order > 0) element.replaced = { value, stamp };
    }
  }

  remove(names: readonly ElementName[], stamp: Stamp): void {
    for (const name of names) {
      if (!isLater(stamp, name)) continue;
      this.elements.delete(textOf(name));
      this.deleted.set(textOf(name), name);
    }
  }

  write(): Value {
    if (this.isEmpty()) return null;
    const runs: Value[][] = [];
    let last: readonly string[] | null = null;
    for (const { name, position, value, default: byDefault } of this.visibleElements()) {
      const { moved, replaced } = this.elements.get(textOf(name))!;
      const written: Value[] = [position.key, writeElement(name), value];
      if (moved || replaced || byDefault) {
        written.push(moved && writeStamp(moved.stamp), replaced && writeStamp(replaced.stamp));
        if (byDefault) written.push(byDefault);
      }
      if (JSON.stringify(last) !== JSON.stringify(position.run)) runs.push([position.run]);
      last = position.run;
      runs.at(-1)!.push(written);
    }
    const early: Value[] = [];
    for (const { name, inserted, moved, replaced } of this.elements.values())
      if (!inserted)
        early.push([
          writeElement(name),
          moved && [moved.run, moved.key, writeStamp(moved.stamp)],
          replaced && [replaced.value, writeStamp(replaced.stamp)],
        ]);
    return [runs, early, [...this.deleted.values()].map(writeElement)];
  }

  static read(raw: Value | undefined): ListPart {
    const list = new ListPart();
    if (raw === null) return list;
    const [runs, early, deleted] = readArray(raw);
    for (const written of readArray(runs)) {
      const [rawRun, ...elements] = readArray(written);
      const run = readRun(rawRun);
      for (const each of elements) {
        const [key, name, value, moved = null, replaced = null, byDefault = 0] = readArray(each);
        const element = list.element(readElement(name));
        const listPosition = { run, key: key as string };
        element.inserted = { ...listPosition, value: value!, default: byDefault as number };
        if (moved !== null) element.moved = { ...listPosition, stamp: readStamp(moved) };
        if (replaced !== null) element.replaced = { value: value!, stamp: readStamp(replaced) };
      }
    }
    for (const each of readArray(early)) {
      const [name, moved, replaced] = readArray(each);
      const element = list.element(readElement(name));
      if (moved !== null) {
        const [run, key, stamp] = readArray(moved);
        element.moved = { run: readRun(run), key: key as string, stamp: readStamp(stamp) };
      }
      if (replaced !== null) {
        const [value, stamp] = readArray(replaced);
        element.replaced = { value: value!, stamp: readStamp(stamp) };
      }
    }
    for (const each of readArray(deleted)) list.deleted.set(textOf(readElement(each)), readElement(each));
    return list;
  }

  private element(name: ElementName): Element {
    const known = this.elements.get(textOf(name));
    if (known) return known;
    const element: Element = { name, inserted: null, moved: null, replaced: null };
    this.elements.set(textOf(name), element);
    return element;
  }
}
