import type { Version } from '../../model/version.js';
import type { WantedView } from '../../model/view.js';
import type { Fault, Fetch } from '../../protocol/messages.js';
import type { NextMembers, Subscribe } from '../../protocol/view-messages.js';
import { createProtocolViolation } from '../server-errors.js';

/**
 * The view and the page that the client of a session wants. Plain state that one feed owns. Each method throws a
 * `ConnectionError` for an invalid message.
 */
export class ViewRequests {
  /** The latest view that the client wants, or the placed one. */
  latest: WantedView;
  /** The latest view, while it is not planned. */
  unplanned: WantedView | null = null;
  /** The page that the client waits for. */
  page: NextMembers | null = null;
  hasSubscribed = false;

  /** @param placed - The view that the client has; its number is `null` if it has none. */
  constructor(private readonly placed: { readonly number: Version | null; readonly filters: WantedView['filters'] }) {
    this.latest = { number: placed.number ?? 0, filters: placed.filters };
  }

  takeView({ number, filters }: Subscribe): void {
    const least = this.hasSubscribed ? this.latest.number + 1 : (this.placed.number ?? 0);
    if (number < least) throw createProtocolViolation(`subscribe: number ${number} comes after ${this.latest.number}.`);
    this.hasSubscribed = true;
    this.page = null;
    this.latest = { number, filters };
  }

  /** `number`: of the view whose members are sent. */
  takeNext(message: NextMembers, number: Version | undefined): void {
    if ((this.unplanned?.number ?? number) !== message.number || this.page !== null)
      throw createProtocolViolation(`next: no members of view ${message.number} can be fetched now.`);
    this.page = message;
  }

  /** Plans the latest view again. Its announcement answers the page that the client waits for. */
  askAgain(): void {
    if (this.unplanned === null) this.page = null;
    this.unplanned = this.latest;
  }
}

/** Throws for a `fetch`: a client with a view gets no snapshot. */
export const rejectFetch = ({ version }: Fetch): never => {
  throw createProtocolViolation(`fetch: no objects of version ${version} can be fetched now.`);
};

/** Throws for a fault of a version that does not exist. */
export const checkFault = ({ version }: Fault, head: Version): void => {
  if (version > head) throw createProtocolViolation(`fault: version ${version} was not sent.`);
};
