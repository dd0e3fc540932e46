import { utf8Decoder } from '../model/built-ins.js';
import { limits } from '../model/limits.js';
import { encodeValue } from '../model/msgpack.js';
import {
  type Cursor,
  createCursor,
  isContainerToken,
  readRecordLength,
  readValue,
  skipValue,
} from '../model/msgpack-reader.js';
import type { Property, Shapes, TypeShape } from '../model/schema.js';
import { fits } from '../model/value-types.js';
import type { Key } from '../model/value.js';
import { writerIdOf } from './timestamp.js';

/*
 * Copies the state of a new object out of the body of the changeset that creates it. Most downloaded changesets create
 * one object that the device does not have. Its state is the stamp of the changeset and the values of the body, byte
 * for byte. To decode the operation, merge it and encode the state took three quarters of the time of a download
 * (measured).
 *
 * The copier only accepts. A body that it does not accept is decoded and merged. So it must accept nothing that the
 * decoder rejects or of which the result does not fit the schema.
 */

interface PropertyLayout {
  readonly property: Property;
  /** The encoded name. */
  readonly name: Uint8Array;
  /** The number of the last body that had the property. */
  seenIn: number;
}

/** The parts of a type that bodies are compared with. */
interface TypeLayout {
  readonly shape: TypeShape;
  /** The beginning of a body that creates one object of the type. */
  readonly head: Uint8Array;
  readonly properties: readonly PropertyLayout[];
  /** The number of properties for which the schema has no value when they were never written. */
  readonly required: number;
}

const isRequired = ({ missing, primaryKey }: TypeShape, property: Property): boolean =>
  property !== primaryKey && !missing.has(property.name);

const layoutOf = (shape: TypeShape): TypeLayout => {
  const properties = [...shape.properties.values()];
  return {
    shape,
    head: Uint8Array.from([0x91, 0x94, 1, ...encodeValue(shape.name)]),
    properties: properties.map((property) => ({ property, name: encodeValue(property.name).slice(), seenIn: 0 })),
    required: properties.filter((property) => isRequired(shape, property)).length,
  };
};

const startsAt = (part: Uint8Array, bytes: Uint8Array, from: number): boolean => {
  for (let at = 0; at < part.byteLength; at += 1) if (part[at] !== bytes[from + at]) return false;
  return true;
};

const isString = (token: number): boolean => (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);
const isBinary = (token: number): boolean => token >= 0xc4 && token <= 0xc6;

/** Skips a value. Returns whether it surely fits the property. */
const skipFitting = (cursor: Cursor, { kind, optional, container }: Property): boolean => {
  const token = cursor.bytes[cursor.at] ?? 0;
  const isOne = container === 'value' || container === 'counter';
  if (token === 0xc0) {
    cursor.at += 1;
    return isOne ? optional : true;
  }
  // Bytes would be views of the body in the state that is read before the page is stored.
  if (!isOne || isContainerToken(token) || isBinary(token)) return false;
  if (!isString(token) || kind === 'uuid') return fits(kind, readValue(cursor, 0) as Key);
  skipValue(cursor, 0);
  return kind === 'string' || kind === 'mixed';
};

/** Bytes that a state may have more than the body, if the replica's id has the greatest allowed length. */
export const stateBytesMore = 40 + 3 * limits.idCharsMax;

/** Where a state has the time and the count of its create, after two heads and the first byte of a float. */
const timeAt = 3;
const countAt = 11;

/** Bytes of keys that are decoded together. */
let keyBytes = new Uint8Array(0);

/**
 * The short keys of a page. They are decoded together and are slices of one text: the engine joins a text that is read
 * in pieces when it becomes a key of a map, which took more time than all the rest (measured).
 */
class PageKeys {
  private text = '';
  private readonly ends: number[] = [];

  begin(): void {
    this.ends.length = 0;
  }

  /** Adds the key at an index of a body, if it is a short text. */
  add(body: Uint8Array, at: number): void {
    const from = this.ends.at(-1) ?? 0;
    const length = (body[at] ?? 0) - 0xa0;
    const isShort = length > 0 && length < 0x20 && at + length < body.byteLength;
    if (isShort) {
      if (from + length > keyBytes.byteLength) keyBytes = growBytes(keyBytes, from, length);
      for (let index = 0; index < length; index += 1)
        keyBytes[from + index] = body[at + 1 + index] as unknown as number;
    }
    this.ends.push(isShort ? from + length : from);
  }

  finish(): void {
    const length = this.ends.at(-1) ?? 0;
    this.text = length === 0 ? '' : utf8Decoder.decode(keyBytes.subarray(0, length));
    if (this.text.length !== length) this.ends.length = 0; // It is not ASCII: each key is read by itself.
  }

  /** Reads the key at the cursor, in the body of an index. */
  read(cursor: Cursor, index: number): Key {
    const from = index === 0 ? 0 : (this.ends[index - 1] ?? 0);
    const to = this.ends[index] ?? 0;
    if (to <= from) return readValue(cursor, 0) as Key;
    cursor.at += 1 + to - from;
    return this.text.slice(from, to);
  }
}

/** Returns a larger buffer with the first bytes of another. */
export const growBytes = (bytes: Uint8Array, used: number, more: number): Uint8Array<ArrayBuffer> => {
  const larger = new Uint8Array(2 * (used + more));
  larger.set(bytes.subarray(0, used));
  return larger;
};

export class CreateCopier {
  /** The object that the last accepted body creates. */
  type = '';
  key: Key = 0;
  private readonly layouts: readonly TypeLayout[];
  private layout: TypeLayout | undefined;
  private bodies = 0;
  private readonly keys = new PageKeys();
  private body: Uint8Array = new Uint8Array(0);
  private valuesFrom = 0;
  private replica = '';
  private head: Uint8Array = new Uint8Array(0);
  private headView: DataView = new DataView(new ArrayBuffer(0));

  constructor(shapes: Shapes) {
    this.layouts = [...shapes.values()].map(layoutOf);
    this.layout = this.layouts[0];
  }

  /** Must be called before the bodies of a page are read. */
  beginPage(changesets: readonly { readonly body: Uint8Array }[]): void {
    const { keys } = this;
    keys.begin();
    for (const { body } of changesets) keys.add(body, this.findLayout(body)?.head.byteLength ?? body.byteLength);
    keys.finish();
  }

  /**
   * Reads a body by its index in the page. Returns whether it creates one object, and its values fit the schema. If
   * not, a decoder must read the body. Never throws.
   */
  accept(body: Uint8Array, index: number): boolean {
    try {
      return this.read(createCursor(body, Infinity), index);
    } catch {
      return false; // The decoder reports it.
    }
  }

  /**
   * Writes the state of the last accepted body, created at an instant. Returns its end. The caller has checked the
   * instant, and that there is room for the body and `stateBytesMore`.
   */
  write(target: Uint8Array, from: number, time: number, count: number, origin: string): number {
    const { body, valuesFrom } = this;
    const head = this.stateHeadOf(time, count, origin.includes('~') ? writerIdOf(origin, time) : origin);
    const at = from + head.byteLength;
    // The whole body is copied, and the head written over its beginning: a view of the values would cost more.
    if (head.byteLength >= valuesFrom) target.set(body, at - valuesFrom);
    else target.set(body.subarray(valuesFrom), at);
    target.set(head, from);
    return at + body.byteLength - valuesFrom;
  }

  /** Returns the bytes before the values in a state: the same array for the same replica, if the instant is usual. */
  private stateHeadOf(time: number, count: number, replica: string): Uint8Array {
    if (time < 2 ** 32 || count >= 0x80) return encodeValue([[time, count, replica], null, 0]).slice(0, -1);
    if (replica !== this.replica) {
      this.replica = replica;
      this.head = encodeValue([[2 ** 32, 0, replica], null, 0]).slice(0, -1);
      this.headView = new DataView(this.head.buffer);
    }
    this.headView.setFloat64(timeAt, time); // As `encodeValue` writes a large number.
    this.head[countAt] = count;
    return this.head;
  }

  private read(cursor: Cursor, index: number): boolean {
    const layout = this.findLayout(cursor.bytes);
    if (!layout) return false;
    cursor.at = layout.head.byteLength;
    const token = cursor.bytes[cursor.at] ?? 0;
    if (isContainerToken(token) || isBinary(token)) return false;
    const key = this.keys.read(cursor, index);
    if (!fits(layout.shape.primaryKey.kind, key)) return false;
    if (typeof key === 'string' && (key.length === 0 || key.length > limits.keyCharsMax)) return false;
    this.type = layout.shape.name;
    this.key = key;
    this.body = cursor.bytes;
    this.valuesFrom = cursor.at;
    return this.skipValues(cursor, layout) && cursor.at === cursor.bytes.byteLength;
  }

  private findLayout(body: Uint8Array): TypeLayout | undefined {
    if (!this.layout || startsAt(this.layout.head, body, 0)) return this.layout;
    const layout = this.layouts.find(({ head }) => startsAt(head, body, 0));
    if (layout) this.layout = layout;
    return layout;
  }

  /** Skips the values. Returns whether all are known, fit, and none is twice or missing. */
  private skipValues(cursor: Cursor, { shape, properties, required }: TypeLayout): boolean {
    const entries = readRecordLength(cursor);
    if (entries === null || entries > properties.length) return false;
    this.bodies += 1;
    let missing = required;
    let next = 0;
    for (let index = 0; index < entries; index += 1) {
      const at = findProperty(properties, cursor, next);
      const found = properties[at];
      if (!found || found.seenIn === this.bodies) return false;
      found.seenIn = this.bodies;
      cursor.at += found.name.byteLength;
      if (!skipFitting(cursor, found.property)) return false;
      if (required > 0 && isRequired(shape, found.property)) missing -= 1;
      next = at + 1;
    }
    return missing === 0;
  }
}

/** Finds the property of the name at the cursor. Writers nearly always write them in the order of the schema. */
const findProperty = (properties: readonly PropertyLayout[], { bytes, at }: Cursor, first: number): number => {
  for (let tried = 0; tried < properties.length; tried += 1) {
    const index = (first + tried) % properties.length;
    if (startsAt((properties[index] as unknown as PropertyLayout).name, bytes, at)) return index;
  }
  return -1;
};
