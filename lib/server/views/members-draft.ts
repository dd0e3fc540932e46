import type { ObjectName, StoredObject } from '../../model/changeset.js';
import { limits } from '../../model/limits.js';

/** Bytes that a name counts for in a page. */
const nameBytes = 32;

/** An object that is not in the view. */
type LeftObject = ObjectName & { readonly state: null };

/** The objects of a page, each named once. */
export class MembersDraft {
  private readonly all: Map<string, StoredObject | LeftObject>;
  bytes = 0;

  constructor(before: MembersDraft | null = null) {
    this.all = new Map(before?.all);
    this.bytes = before?.bytes ?? 0;
  }

  get size(): number {
    return this.all.size;
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
}
