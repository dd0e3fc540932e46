import type { Subscription } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { FilterIndex, IndexedView } from './filter-index.js';
import type { PartsPage } from './parts-page.js';
import type { ServedView } from './served-view.js';
import { ViewDifference } from './view-difference.js';

/** A session for which a router follows the history. */
export interface RoutedSession {
  /** The id of the session's replica. */
  readonly replica: string;
  /** Whether the session takes another page. */
  readonly hasRoom: () => boolean;
  /** Called when the session must read the history after a version itself. It is no member of a group any more. */
  readonly readItself: (after: Version) => void;
  /** Sends changes that the session shares with its group. */
  readonly sendShared: (page: PartsPage) => void;
  /** Moves the client to a version, if it is behind. Nothing up to there concerns the session. */
  readonly sendProgress: (page: PartsPage) => void;
  /** Called once, when the history is closed. */
  readonly closed: () => void;
  /** Called with an error of the session itself. */
  readonly failed: (thrown: unknown) => void;
}

/** The place of a session in its group. */
export class GroupMember {
  /** The changes that the session waits for; `null`: nothing concerns it. */
  batch: GroupBatch | null = null;
  /** The version after which the session reads itself, once it is no member any more. */
  releasedAt: Version | null = null;

  /** @param since - The version up to which the session was sent everything when it joined. */
  constructor(
    readonly session: RoutedSession,
    readonly group: ViewGroup,
    public since: Version,
  ) {}
}

/** Changes of a view that are being read for several sessions at once. */
export class GroupBatch {
  readonly difference: ViewDifference;
  /** Number of pages of the history that concern the view. */
  pages = 0;
  /** The read of the states, once it began. */
  task: Subscription | null = null;

  /**
   * @param from - The version up to which all members were sent everything.
   * @param members - The sessions that wait for the changes.
   */
  constructor(
    readonly group: ViewGroup,
    readonly from: Version,
    readonly members: Set<GroupMember>,
  ) {
    this.difference = new ViewDifference(group.view);
  }
}

/** Sessions of a realm whose views have the same objects. Work for their changes is done once. */
export class ViewGroup {
  /** The sessions that nothing concerns now. */
  members = new Set<GroupMember>();
  batch: GroupBatch | null = null;
  /** Number of batches that are being sent. A session may leave then, before the others are members again. */
  sending = 0;
  private indexed: IndexedView<ViewGroup> = [];

  constructor(
    readonly text: string,
    readonly view: ServedView,
  ) {}

  /** Whether no session is left. */
  get isEmpty(): boolean {
    return this.members.size === 0 && this.batch === null && this.sending === 0;
  }

  addTo(index: FilterIndex<ViewGroup>): void {
    this.indexed = index.add(this, this.view);
  }

  removeFrom(index: FilterIndex<ViewGroup>): void {
    index.remove(this.indexed);
    this.indexed = [];
  }
}

/** Returns a text that two views share exactly if they have the same filters, whatever their numbers and order. */
export const groupTextOf = ({ types }: ServedView): string =>
  JSON.stringify(
    [...types]
      .map(([type, { filters }]) => [type, ...filters.map(({ text }) => text).sort()])
      .sort(([a = ''], [b = '']) => (a < b ? -1 : 1)),
  );
