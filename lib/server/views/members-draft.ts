import { leastSizeOf } from '../../merge/least-size.js';
import type { ObjectName, ServerChangeset, StoredObject } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';
import { piecesOf, type OperationSpan } from '../history/operation-spans.js';
import type { FoundObject } from './read-found.js';

/** Bytes that a name counts for in a page. */
const nameBytes = 32;

/** Returns the bytes that operations count for, as if no others were between them. */
const sizeOf = (spans: readonly OperationSpan[]): number => {
  let bytes = 0;
  let last: OperationSpan | null = null;
  for (const span of spans) {
    const isNext = last?.record.version === span.record.version && last.index + 1 === span.index;
    bytes += (isNext ? 0 : nameBytes) + span.to - span.from;
    last = span;
  }
  return bytes;
};

/** An object that is not in the view. */
type LeftObject = ObjectName & { readonly state: null };

/** The objects of a page, each named once. */
export class MembersDraft {
  private readonly all: Map<string, StoredObject | LeftObject>;
  /** The operations on objects that stay in the view. */
  private operations: OperationSpan[] = [];
  private operated = 0;
  bytes = 0;

  constructor(before: MembersDraft | null = null) {
    this.all = new Map(before?.all);
    this.bytes = before?.bytes ?? 0;
  }

  get size(): number {
    return this.all.size + this.operated;
  }

  /** Whether the page must end here. */
  get isFull(): boolean {
    return this.bytes >= limits.pageBytesMax || this.all.size >= limits.pageChangesetsMax;
  }

  /** Whether more of another kind can follow in the same page. */
  get isShort(): boolean {
    return this.bytes < limits.pageBytesMax / 4 && this.all.size < limits.pageChangesetsMax / 4;
  }

  addState(text: string, { type, key }: ObjectName, state: Uint8Array): void {
    this.bytes += nameBytes + state.byteLength;
    this.all.set(text, { type, key, state });
  }

  /** Adds the operations on an object, if they are smaller than its state. Returns whether they are. */
  addOperations(spans: readonly OperationSpan[], found: FoundObject): boolean {
    const bytes = sizeOf(spans);
    if (bytes >= nameBytes + leastSizeOf(found.state) && bytes >= nameBytes + found.bytes.byteLength) return false;
    this.bytes += bytes;
    this.operated += 1;
    for (const span of spans) this.operations.push(span);
    return true;
  }

  addLeave(text: string, { type, key }: ObjectName): void {
    this.bytes += nameBytes;
    this.all.set(text, { type, key, state: null });
  }

  /** Removes an object that does not concern the view any more. */
  remove(text: string): void {
    this.all.delete(text);
  }

  /** The objects with their states. */
  get objects(): readonly StoredObject[] {
    const objects: StoredObject[] = [];
    for (const each of this.all.values()) if (each.state !== null) objects.push(each);
    return objects;
  }

  get leaves(): readonly ObjectName[] {
    const leaves: ObjectName[] = [];
    for (const { type, key, state } of this.all.values()) if (state === null) leaves.push({ type, key });
    return leaves;
  }

  /** The pieces of changesets with the operations. */
  get changesets(): readonly ServerChangeset[] {
    return this.operations.length === 0 ? [] : piecesOf(this.operations);
  }
}
