import type { PlacedView, ViewFilter, ViewMode, WantedView } from '../../model/view.js';
import type { Version } from '../../model/version.js';

/** Members of a view that are being fetched. */
export interface ArrivingView {
  readonly mode: ViewMode;
  /** The view, as it will be placed. */
  readonly view: PlacedView & { readonly number: Version };
}

const hasFilter = (filters: readonly ViewFilter[], { id }: ViewFilter): boolean =>
  filters.some((each) => each.id === id);

/** The state of a view in one conversation. A record for plain functions. */
export class ViewExchange {
  /** The last view that this conversation has asked for; `null` before the first. */
  requested: WantedView | null = null;
  /** The latest view that the app wants; `null`: it is not known yet. */
  wanted: WantedView | null = null;
  /** The members that are being fetched. Of an overtaken view only a pending last page may still come. */
  arriving: ArrivingView | null = null;
  /** A requested view whose first page was requested as well, until it or a later one is announced. */
  fetchedAhead: WantedView | null = null;
  /** Whether a mark waits until the changes of the app are stored. */
  isMarkWaiting = false;
  /** Whether the server follows the placed view. Otherwise it waits to be asked. */
  isFollowed = false;

  constructor(public placed: PlacedView) {}

  /** Whether the server has not been asked for the latest view. */
  isBehind(): boolean {
    const { wanted, requested } = this;
    return wanted === null || requested?.number !== wanted.number;
  }

  /** Whether the latest view is placed already, and nothing of it was rejected. */
  isPlaced(): boolean {
    const { wanted, placed } = this;
    return wanted !== null && wanted.number === placed.number && wanted.filters.length === placed.filters.length;
  }

  /** Returns the view that is announced, if its first page was requested before. */
  takeAhead(number: Version): WantedView | null {
    const { fetchedAhead } = this;
    if (fetchedAhead === null || number < fetchedAhead.number) return null;
    this.fetchedAhead = null;
    return number === fetchedAhead.number ? fetchedAhead : null;
  }

  /** Whether a later view than this one was asked for. */
  isOvertaken(number: Version): boolean {
    return this.requested !== null && number < this.requested.number;
  }

  /** Whether the latest view needs something of what is arriving, so that this is worth waiting for. */
  needsArriving(): boolean {
    const { wanted, arriving, placed } = this;
    if (wanted === null || arriving === null || this.isOvertaken(arriving.view.number)) return false;
    return arriving.view.filters.some((each) => !hasFilter(placed.filters, each) && hasFilter(wanted.filters, each));
  }
}
