import { CounterPart } from './counter.js';
import { EntriesPart } from './entries.js';
import { ListPart, type VisibleElement } from './list.js';
import { pack, unpack, type Value } from './msgpack.js';
import { readArray, readStamp, writeStamp, type Operation, type PartOperation, type Values } from './operations.js';
import { compareStamps, isLater, latest, textOf, type Stamp } from './timestamps.js';
import { compareValues } from './canonical-values.js';

/** The known state of a list, a set, a dictionary or a counter. */
class Part {
  cleared: Stamp | null = null;
  list = new ListPart();
  entries = new EntriesPart();
  counter = new CounterPart();

  isEmpty(): boolean {
    return !this.cleared && this.list.isEmpty() && this.entries.isEmpty() && this.counter.isEmpty();
  }

  write(): Value {
    const { cleared, list, entries, counter } = this;
    return [cleared && writeStamp(cleared), list.write(), entries.write(), counter.write()];
  }

  static read(raw: Value | undefined): Part {
    const [cleared, list, entries, counter] = readArray(raw);
    const part = new Part();
    part.cleared = cleared === null ? null : readStamp(cleared);
    part.list = ListPart.read(list);
    part.entries = EntriesPart.read(entries);
    part.counter = CounterPart.read(counter);
    return part;
  }
}

/** An object as docs/PROTOCOL.md merges it, "Merging", and as a state holds it, "States". */
export class MergedObject {
  born: Stamp | null = null;
  private died: Stamp | null = null;
  private readonly values = new Map<string, { readonly value: Value; readonly stamp: Stamp }>();
  private readonly parts = new Map<string, Part>();

  isThere(): boolean {
    return this.born !== null;
  }

  value(property: string): Value | undefined {
    return this.values.get(property)?.value;
  }

  list(property: string): readonly VisibleElement[] {
    return (this.parts.get(property)?.list.visibleElements() ?? []).filter((each) => this.isKept(each));
  }

  /** Returns the list with the known state of removed elements. */
  listPart(property: string): ListPart | undefined {
    return this.parts.get(property)?.list;
  }

  entries(property: string): readonly (readonly [string, Value])[] {
    return this.parts.get(property)?.entries.shown() ?? [];
  }

  counter(property: string): number {
    return Number(this.value(property) ?? 0) + (this.parts.get(property)?.counter.sum() ?? 0);
  }

  counterPart(property: string): CounterPart | undefined {
    return this.parts.get(property)?.counter;
  }

  /** Returns every stamp in the object, which a clock must be later than. */
  stamps(): readonly Stamp[] {
    const all = [this.born, this.died, ...[...this.values.values()].map(({ stamp }) => stamp)];
    for (const { cleared, list, entries, counter } of this.parts.values())
      all.push(cleared, ...list.stamps(), ...entries.stamps(), ...counter.stamps());
    return all.filter((stamp) => stamp !== null);
  }

  apply(operation: Operation, stamp: Stamp): void {
    if (operation.does === 'delete') this.delete(stamp);
    else if ('property' in operation) this.applyToPart(operation, stamp);
    else if (isLater(stamp, this.died)) {
      if (operation.does === 'create') this.born = latest(this.born, stamp);
      this.setValues(operation.values, stamp);
    }
  }

  write(): Uint8Array {
    const values: Record<string, Value> = {};
    const later = new Map<string, Value[]>();
    for (const [property, { value, stamp }] of this.values) {
      values[property] = value;
      if (this.born && compareStamps(stamp, this.born) === 0) continue;
      const group = later.get(textOf(stamp)) ?? [stamp.time, stamp.count, stamp.replica];
      later.set(textOf(stamp), [...group, property]);
    }
    const parts: Record<string, Value> = {};
    for (const [property, part] of this.parts) if (!part.isEmpty()) parts[property] = part.write();
    const head = [this.born && writeStamp(this.born), this.died && writeStamp(this.died), values];
    const hasParts = Object.keys(parts).length > 0;
    if (later.size > 0 || hasParts) head.push([...later.values()]);
    return pack(hasParts ? [...head, parts] : head);
  }

  static read(state: Uint8Array): MergedObject {
    const [born, died, values, later = [], parts = {}] = readArray(unpack(state));
    const object = new MergedObject();
    object.born = born === null ? null : readStamp(born);
    object.died = died === null ? null : readStamp(died);
    const stamps = new Map<string, Stamp>();
    for (const group of readArray(later)) {
      const [time, count, replica, ...properties] = readArray(group);
      for (const property of properties) stamps.set(property as string, readStamp([time!, count!, replica!]));
    }
    for (const [property, value] of Object.entries(values as Values)) {
      const stamp = stamps.get(property) ?? object.born;
      if (!stamp) throw new Error(`no stamp of ${property}`);
      object.values.set(property, { value, stamp });
    }
    for (const [property, part] of Object.entries(parts as Values)) object.parts.set(property, Part.read(part));
    return object;
  }

  /**
   * Whether an element is shown. Elements of a default are shown until a create is known that is later than their own.
   */
  private isKept({ name, default: byDefault }: VisibleElement): boolean {
    if (byDefault === 0 || !this.born) return true;
    return compareStamps(this.born, { ...name, count: name.count - byDefault }) <= 0;
  }

  private delete(stamp: Stamp): void {
    if (!isLater(stamp, this.died)) return;
    this.died = stamp;
    if (!isLater(this.born ?? stamp, stamp)) this.born = null;
    for (const [property, value] of this.values) if (!isLater(value.stamp, stamp)) this.values.delete(property);
    for (const [property, part] of this.parts) {
      if (part.cleared && !isLater(part.cleared, stamp)) part.cleared = null;
      part.list.forgetUpTo(stamp);
      part.entries.forgetUpTo(stamp);
      part.counter.forgetUpTo(stamp);
      if (part.isEmpty()) this.parts.delete(property);
    }
  }

  private setValues(values: Values, stamp: Stamp): void {
    for (const [property, value] of Object.entries(values)) {
      const known = this.values.get(property);
      const order = known ? compareStamps(stamp, known.stamp) || compareValues(value, known.value) : 1;
      if (order > 0) this.values.set(property, { value, stamp });
    }
  }

  private applyToPart(operation: PartOperation, stamp: Stamp): void {
    const part = this.parts.get(operation.property) ?? new Part();
    this.parts.set(operation.property, part);
    const floor = latest(this.died, part.cleared);
    const lives = isLater(stamp, floor);
    switch (operation.does) {
      case 'insert':
        if (lives) part.list.insert(operation, stamp);
        break;
      case 'move':
      case 'replace':
        if (isLater(operation.element, floor)) part.list.change(operation, stamp);
        break;
      case 'remove':
        part.list.remove(
          operation.elements.filter((each) => isLater(each, floor)),
          stamp,
        );
        break;
      case 'put':
        if (lives) for (const [name, value] of operation.entries) part.entries.set(name, value, stamp);
        break;
      case 'drop':
        if (lives) for (const name of operation.keys) part.entries.set(name, undefined, stamp);
        break;
      case 'empty':
        if (!lives) break;
        part.cleared = stamp;
        part.list.forgetUpTo(stamp);
        part.entries.forgetUpTo(stamp);
        break;
      case 'add':
        if (isLater(operation.born, this.died)) part.counter.add(operation, stamp);
    }
    if (part.isEmpty()) this.parts.delete(operation.property);
  }
}
