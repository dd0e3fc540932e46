import { nameTextOf, type ObjectName, type StoredObject } from '../../model/changeset.js';
import type { Members } from '../../protocol/view-messages.js';

/**
 * The received members of a view. They outlive a connection, so that a disconnect costs one page and not all.
 *
 * In memory, as the realm itself. After a restart of the process they are fetched again. The session that owns the
 * buffer drops it when it ends.
 */
export interface MembersBuffer {
  /** Continues with the members that this id stands for, or begins them. Returns the position to go on from. */
  begin(id: string): string | null;
  /** Adds a page. Returns its contradiction to the page before, having added nothing, or `null`. */
  add(page: Members): string | null;
  /** Whether a page was added since `begin` or `drop`. */
  hasPages(): boolean;
  /** Returns the last statement about each object. */
  content(): MembersContent;
  /** Discards all pages. */
  drop(): void;
}

/** The objects that enter or stay in a view, and those that are not in it. */
export interface MembersContent {
  readonly objects: readonly StoredObject[];
  readonly leaves: readonly ObjectName[];
}

interface BufferedMembers {
  readonly id: string;
  readonly objects: Map<string, StoredObject>;
  readonly leaves: Map<string, ObjectName>;
  position: string | null;
}

const createEmptyMembers = (id: string): BufferedMembers => ({
  id,
  objects: new Map(),
  leaves: new Map(),
  position: null,
});

const addPage = ({ objects, leaves }: BufferedMembers, page: Members): void => {
  for (const object of page.objects) {
    const text = nameTextOf(object);
    objects.set(text, object);
    leaves.delete(text);
  }
  for (const name of page.leaves) {
    const text = nameTextOf(name);
    leaves.set(text, name);
    objects.delete(text);
  }
};

/** Most sessions never receive members, so that an empty buffer holds nothing. */
class LazyMembersBuffer implements MembersBuffer {
  #members: BufferedMembers | null = null;

  begin(id: string): string | null {
    if (this.#members?.id !== id) this.#members = createEmptyMembers(id);
    return this.#members.position;
  }

  add(page: Members): string | null {
    const members = (this.#members ??= createEmptyMembers(''));
    if (page.position !== null && page.position === members.position)
      return 'its page ends where the page before has ended';
    addPage(members, page);
    members.position = page.position;
    return null;
  }

  hasPages(): boolean {
    return this.#members !== null && this.#members.position !== null;
  }

  content(): MembersContent {
    const { objects, leaves } = this.#members ?? createEmptyMembers('');
    return { objects: [...objects.values()], leaves: [...leaves.values()] };
  }

  drop(): void {
    this.#members = null;
  }
}

export const createMembersBuffer = (): MembersBuffer => new LazyMembersBuffer();
