import type { ObjectName, ServerChangeset, StoredObject } from '../../model/changeset.js';
import type { Version } from '../../model/version.js';
import type { Parts } from '../../protocol/view-messages.js';
import type { HistoryHead } from '../sessions/shared-page.js';
import type { MembersDraft } from './members-draft.js';

/** A page of changes that several sessions may be sent, as one message for all that have the same number. */
export class PartsPage {
  readonly size: number;
  /** Bytes that the page counts for. */
  readonly bytes: number;
  private readonly changesets: readonly ServerChangeset[];
  private readonly states: readonly StoredObject[];
  private readonly leaves: readonly ObjectName[];
  private parts: Parts | null = null;

  /** @param total - The bytes of the history up to the page. */
  constructor(
    readonly upTo: Version,
    private readonly total: number,
    draft: MembersDraft,
  ) {
    this.size = draft.size;
    this.bytes = draft.bytes;
    this.changesets = draft.changesets;
    this.states = draft.objects;
    this.leaves = draft.leaves;
  }

  /** Returns the message for a session. */
  partsFor(session: number, head: HistoryHead): Parts {
    const { upTo, total, changesets, states, leaves } = this;
    const remaining = head.version - upTo;
    const remainingBytes = Math.max(0, head.bytes - total);
    if (this.parts?.session === session && this.parts.remaining === remaining) return this.parts;
    this.parts = {
      ...{ type: 'parts', session, changesets, states, leaves, upTo },
      ...{ remaining, bytes: total, remainingBytes },
    };
    return this.parts;
  }
}
