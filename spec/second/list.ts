import type { Value } from './msgpack.js';
import {
  arrayIn,
  elementIn,
  runIn,
  stampIn,
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
} from './stamps.js';
import { compareValues } from './values.js';

export interface Place {
  readonly run: readonly string[];
  readonly key: string;
}

interface Moved extends Place {
  readonly stamp: Stamp;
}
interface Replaced {
  readonly value: Value;
  readonly stamp: Stamp;
}

/** What is known of an element: with a `place` once its insert has come, until then only what was said of it. */
export interface Element {
  readonly name: ElementName;
  inserted: (Place & { readonly value: Value; readonly default: number }) | null;
  moved: Moved | null;
  replaced: Replaced | null;
}

export interface Shown {
  readonly name: ElementName;
  readonly place: Place;
  readonly value: Value;
  readonly default: number;
}

export function comparePlaces(a: Place, b: Place): number {
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
  private readonly gone = new Map<string, ElementName>();

  isEmpty(): boolean {
    return this.elements.size === 0 && this.gone.size === 0;
  }

  /** Everything that was inserted up to this has never been. */
  forgetUpTo(floor: Stamp): void {
    for (const held of [this.elements, this.gone] as Map<string, ElementName | Element>[])
      for (const [name, each] of held) if (!isLater('name' in each ? each.name : each, floor)) held.delete(name);
  }

  /** All elements that are there, in their order, those among them that came as a default. */
  shown(): readonly Shown[] {
    const shown: Shown[] = [];
    for (const { name, inserted, moved, replaced } of this.elements.values())
      if (inserted)
        shown.push({
          name,
          place: moved ?? inserted,
          value: replaced ? replaced.value : inserted.value,
          default: inserted.default,
        });
    return shown.sort((a, b) => comparePlaces(a.place, b.place) || compareElements(a.name, b.name));
  }

  /** Elements that are not where they were inserted any more, because they were removed or moved. */
  left(): { readonly removed: readonly ElementName[]; readonly moved: readonly ElementName[] } {
    const moved = [...this.elements.values()].filter((each) => each.moved).map(({ name }) => name);
    return { removed: [...this.gone.values()], moved };
  }

  stamps(): readonly Stamp[] {
    const elements = [...this.elements.values()];
    return [
      ...this.gone.values(),
      ...elements.flatMap(({ name, moved, replaced }) => [name, moved?.stamp ?? name, replaced?.stamp ?? name]),
    ];
  }

  insert(operation: Insert, stamp: Stamp): void {
    operation.keys.forEach((key, n) => {
      const name = { ...stamp, index: operation.indexes ? operation.indexes[n]! : n };
      if (this.gone.has(textOf(name))) return;
      const element = this.element(name);
      const inserted = { run: operation.run, key, value: operation.values[n]!, default: operation.default };
      const order = element.inserted
        ? comparePlaces(inserted, element.inserted) || compareValues(inserted.value, element.inserted.value)
        : 1;
      if (order > 0) element.inserted = inserted;
    });
  }

  change(operation: Extract<Operation, { readonly does: 'move' | 'replace' }>, stamp: Stamp): void {
    if (!isLater(stamp, operation.element) || this.gone.has(textOf(operation.element))) return;
    const element = this.element(operation.element);
    if (operation.does === 'move') {
      const moved = { run: operation.run, key: operation.place, stamp };
      const order = element.moved
        ? compareStamps(stamp, element.moved.stamp) || comparePlaces(moved, element.moved)
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
      this.gone.set(textOf(name), name);
    }
  }

  write(): Value {
    if (this.isEmpty()) return null;
    const runs: Value[][] = [];
    let last: readonly string[] | null = null;
    for (const { name, place, value, default: byDefault } of this.shown()) {
      const { moved, replaced } = this.elements.get(textOf(name))!;
      const written: Value[] = [place.key, writeElement(name), value];
      if (moved || replaced || byDefault) {
        written.push(moved && writeStamp(moved.stamp), replaced && writeStamp(replaced.stamp));
        if (byDefault) written.push(byDefault);
      }
      if (JSON.stringify(last) !== JSON.stringify(place.run)) runs.push([place.run]);
      last = place.run;
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
    return [runs, early, [...this.gone.values()].map(writeElement)];
  }

  static read(raw: Value | undefined): ListPart {
    const list = new ListPart();
    if (raw === null) return list;
    const [runs, early, gone] = arrayIn(raw);
    for (const written of arrayIn(runs)) {
      const [rawRun, ...elements] = arrayIn(written);
      const run = runIn(rawRun);
      for (const each of elements) {
        const [key, name, value, moved = null, replaced = null, byDefault = 0] = arrayIn(each);
        const element = list.element(elementIn(name));
        const place = { run, key: key as string };
        element.inserted = { ...place, value: value!, default: byDefault as number };
        if (moved !== null) element.moved = { ...place, stamp: stampIn(moved) };
        if (replaced !== null) element.replaced = { value: value!, stamp: stampIn(replaced) };
      }
    }
    for (const each of arrayIn(early)) {
      const [name, moved, replaced] = arrayIn(each);
      const element = list.element(elementIn(name));
      if (moved !== null) {
        const [run, key, stamp] = arrayIn(moved);
        element.moved = { run: runIn(run), key: key as string, stamp: stampIn(stamp) };
      }
      if (replaced !== null) {
        const [value, stamp] = arrayIn(replaced);
        element.replaced = { value: value!, stamp: stampIn(stamp) };
      }
    }
    for (const each of arrayIn(gone)) list.gone.set(textOf(elementIn(each)), elementIn(each));
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
