import { limits } from '../../model/limits.js';
import type { Version } from '../../model/version.js';
import type { OperationSpan } from '../history/operation-spans.js';
import type { SharedPage } from '../sessions/shared-page.js';

/** Bytes of the pages whose operations are kept: with more changes, states are sent. */
const keptBytesMax = 4 * limits.pageBytesMax;

/** Returns the operations of other replicas on an object; `null` if they are not all known. */
export type FindOperations = (text: string) => readonly OperationSpan[] | null;

/** The pages of the history with the changes of a view, for as long as they were not sent. */
export class KeptOperations {
  private pages: (readonly [page: SharedPage, after: Version])[] = [];
  private bytes = 0;
  private isLost = false;

  get isEmpty(): boolean {
    return this.pages.length === 0;
  }

  /** Keeps the changesets of a page after a version. */
  add(page: SharedPage, after = page.after): void {
    if (this.isLost || this.pages.at(-1)?.[0] === page) return;
    this.bytes += page.bytes;
    this.pages.push([page, after]);
    if (this.bytes > keptBytesMax) this.lose();
  }

  /** Called when a page is missing. States are sent from then on. */
  lose(): void {
    this.isLost = true;
    this.pages = [];
  }

  /** Called when none of the changes so far is to be sent. */
  clear(): void {
    this.isLost = false;
    this.pages = [];
    this.bytes = 0;
  }

  /** Finds the operations on an object. `replica`: the one that has its own; `null`: none has. */
  find(text: string, replica: string | null): ReturnType<FindOperations> {
    const found: OperationSpan[] = [];
    for (const [page, after] of this.pages) {
      const spans = page.readSpans();
      if (spans === null) return null;
      for (const span of spans.get(text) ?? [])
        if (span.record.version > after && span.record.origin !== replica) found.push(span);
    }
    return this.isLost || found.length === 0 ? null : found;
  }
}
