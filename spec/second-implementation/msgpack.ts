/*
 * MessagePack as docs/PROTOCOL.md uses it, written from its specification: nil, booleans, numbers, strings, binary,
 * arrays and maps with string keys.
 */

/** A value of MessagePack. */
export type Value =
  null | boolean | number | string | Uint8Array | readonly Value[] | { readonly [name: string]: Value };

const depthMax = 64;
const utf8 = new TextEncoder();

class Writer {
  private readonly bytes: number[] = [];

  write(value: Value): void {
    if (value === null) this.bytes.push(0xc0);
    else if (typeof value === 'boolean') this.bytes.push(value ? 0xc3 : 0xc2);
    else if (typeof value === 'number') this.writeNumber(value);
    else if (typeof value === 'string') {
      const text = utf8.encode(value);
      if (text.length < 32) this.bytes.push(0xa0 | text.length);
      else this.writeHead(text.length, 0xd9);
      this.append(text);
    } else if (value instanceof Uint8Array) {
      this.writeHead(value.length, 0xc4);
      this.append(value);
    } else if (Array.isArray(value)) {
      this.writeSize(value.length, 0x90, 0xdc);
      for (const each of value as readonly Value[]) this.write(each);
    } else {
      const entries = Object.entries(value);
      this.writeSize(entries.length, 0x80, 0xde);
      for (const [name, each] of entries) {
        this.write(name);
        this.write(each);
      }
    }
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.bytes);
  }

  private append(bytes: Uint8Array): void {
    for (const byte of bytes) this.bytes.push(byte);
  }

  /** Writes the length of a string or of binary, in one, two or four bytes. */
  private writeHead(length: number, first: number): void {
    if (length < 0x100) this.bytes.push(first, length);
    else if (length < 0x10000) this.bytes.push(first + 1, length >> 8, length & 0xff);
    else this.pushWide(first + 2, 4, (view) => view.setUint32(0, length));
  }

  /** Writes the length of an array or a map, in half a byte, two or four bytes. */
  private writeSize(length: number, small: number, first: number): void {
    if (length < 16) this.bytes.push(small | length);
    else if (length < 0x10000) this.bytes.push(first, length >> 8, length & 0xff);
    else this.pushWide(first + 1, 4, (view) => view.setUint32(0, length));
  }

  private writeNumber(value: number): void {
    if (!Number.isSafeInteger(value)) this.pushWide(0xcb, 8, (view) => view.setFloat64(0, value));
    else if (value >= 0 && value < 0x80) this.bytes.push(value);
    else if (value < 0 && value >= -32) this.bytes.push(value & 0xff);
    else if (value >= 0 && value < 0x1_0000_0000) this.pushWide(0xce, 4, (view) => view.setUint32(0, value));
    else this.pushWide(0xd3, 8, (view) => view.setBigInt64(0, BigInt(value)));
  }

  private pushWide(first: number, width: number, fill: (view: DataView) => void): void {
    const view = new DataView(new ArrayBuffer(width));
    fill(view);
    this.bytes.push(first);
    this.append(new Uint8Array(view.buffer));
  }
}

class Reader {
  private at = 0;
  private read = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly valuesMax: number,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  readAll(): Value {
    const value = this.readValue(0);
    if (this.at !== this.bytes.length) throw new Error('bytes follow the value');
    return value;
  }

  private readValue(depth: number): Value {
    if (depth > depthMax) throw new Error('nested too deeply');
    this.read += 1;
    if (this.read > this.valuesMax + 1) throw new Error('too many values');
    const first = this.view.getUint8(this.take(1));
    if (first < 0x80) return first;
    if (first < 0x90) return this.readMap(first & 0x0f, depth);
    if (first < 0xa0) return this.readArray(first & 0x0f, depth);
    if (first < 0xc0) return this.readText(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    return this.readLong(first, depth);
  }

  private readLong(first: number, depth: number): Value {
    const view = this.view;
    if (first === 0xc0) return null;
    if (first === 0xc2 || first === 0xc3) return first === 0xc3;
    if (first >= 0xc4 && first <= 0xc6) {
      const length = this.readLength(1 << (first - 0xc4));
      const start = this.take(length);
      return this.bytes.slice(start, start + length);
    }
    if (first >= 0xcc && first <= 0xce) return this.readLength(1 << (first - 0xcc));
    if (first >= 0xd9 && first <= 0xdb) return this.readText(this.readLength(1 << (first - 0xd9)));
    if (first === 0xdc || first === 0xdd) return this.readArray(this.readLength(2 << (first - 0xdc)), depth);
    if (first === 0xde || first === 0xdf) return this.readMap(this.readLength(2 << (first - 0xde)), depth);
    if (first === 0xca) return view.getFloat32(this.take(4));
    if (first === 0xcb) return view.getFloat64(this.take(8));
    if (first === 0xcf) return Number(view.getBigUint64(this.take(8)));
    if (first === 0xd0) return view.getInt8(this.take(1));
    if (first === 0xd1) return view.getInt16(this.take(2));
    if (first === 0xd2) return view.getInt32(this.take(4));
    if (first === 0xd3) return Number(view.getBigInt64(this.take(8)));
    throw new Error(`not allowed: type ${first.toString(16)}`);
  }

  private take(length: number): number {
    const start = this.at;
    if (start + length > this.bytes.length) throw new Error('the value is cut off');
    this.at += length;
    return start;
  }

  private readLength(width: number): number {
    const start = this.take(width);
    if (width === 1) return this.view.getUint8(start);
    return width === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
  }

  private readText(length: number): string {
    const start = this.take(length);
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(
      this.bytes.subarray(start, start + length),
    );
  }

  private readArray(length: number, depth: number): Value {
    const array: Value[] = [];
    for (let n = 0; n < length; n += 1) array.push(this.readValue(depth + 1));
    return array;
  }

  private readMap(length: number, depth: number): Value {
    const map: Record<string, Value> = {};
    for (let n = 0; n < length; n += 1) {
      const name = this.readValue(depth + 1);
      if (typeof name !== 'string') throw new Error('the key of a map has to be a string');
      map[name] = this.readValue(depth + 1);
    }
    return map;
  }
}

export function pack(value: Value): Uint8Array {
  const writer = new Writer();
  writer.write(value);
  return writer.finish();
}

export function unpack(bytes: Uint8Array, valuesMax = 2_000_000): Value {
  return new Reader(bytes, valuesMax).readAll();
}
