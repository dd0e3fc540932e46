import { Subscription, type SchedulerLike } from 'rxjs';
import type { Version } from '../../model/version.js';
import type { History } from '../history/history.js';
import { watchedValuesOf } from '../history/touches.js';
import { serverLimits } from '../server-limits.js';
import type { HistoryFollowers } from '../sessions/history-followers.js';
import { HistoryReader } from '../sessions/history-reader.js';
import type { NamedTouch, SharedPage } from '../sessions/shared-page.js';
import { watchedSinceOf } from './watched-since.js';
import { MembersDraft } from './members-draft.js';
import { readPageTouches, type PageTouches } from './page-touches.js';
import { PartsPage } from './parts-page.js';
import { isOutdated } from './plan-view.js';
import { readBatch, type BatchPorts } from './read-batch.js';
import { readFound } from './read-found.js';
import type { ReadPage } from './read-pages.js';
import type { ServedView } from './served-view.js';
import { GroupBatch, type GroupMember, type RoutedSession, type ViewGroup } from './view-group.js';
import { ViewGroups } from './view-groups.js';

export interface ViewRouterPorts extends BatchPorts {
  readonly history: Pick<
    History,
    'log' | 'bytes' | 'watchedProperties' | 'projection' | 'retentionCutoff' | 'retentionCutoffFrom'
  >;
  readonly followers: HistoryFollowers;
  readonly scheduler: SchedulerLike;
}

/** Sessions whose clients are moved in one event-loop turn: that takes a few milliseconds. */
const progressAtOnce = 500;

/** An error in the work of one session ends that session only. */
const guard = (session: RoutedSession, act: () => void): void => {
  try {
    act();
  } catch (thrown) {
    session.failed(thrown);
  }
};

/** Touches of objects in the views of groups. */
type GroupTouches = ReadonlySet<readonly [ViewGroup, NamedTouch]>;

/** The work that a page of the history causes. */
interface Routing {
  readonly page: SharedPage;
  /** The sessions that read the page themselves, with the versions after which they read. */
  readonly released: Map<GroupMember, Version>;
  readonly begun: GroupBatch[];
}

/**
 * Follows the history of a realm for all of its sessions with a view that are at the head and have nothing to do.
 * Sessions whose views have the same objects are a group. Each page of the history is read once. It concerns the groups
 * whose views have an object of it before or after, and the sessions whose own changes are in it. Only these do
 * something: a group reads the states of the changed objects once for all of its members, and a session with changes
 * of its own reads the page itself, like a session that is behind.
 *
 * A class with plain state, because a server has ten thousand sessions. Subscribes to the history while it has members,
 * and to each read.
 */
export class ViewRouter {
  private readonly groups = new ViewGroups();
  /** The version up to which the members were sent everything, except those of a batch. */
  private position: Version = 0;
  private types: History['watchedProperties']['types'] | null = null;
  private reader: HistoryReader | null = null;
  /** Ends all reads. */
  private running = new Subscription();
  private isReading = false;
  /** Whether a page is being routed, after which sessions may join again. */
  private isRouting = false;
  private readonly waiting = new Set<() => void>();
  private timer: Subscription | null = null;

  constructor(private readonly ports: ViewRouterPorts) {}

  /** Number of groups of sessions with the same view. */
  get groupCount(): number {
    return this.groups.groupCount;
  }

  /** Takes over a session that is at the head of the history, until `leave` or a call of `readItself`. */
  join(session: RoutedSession, view: ServedView): GroupMember {
    const { head } = this.ports.history.log;
    const member = this.groups.add(session, view, head);
    if (this.reader === null) this.start(head);
    this.startTimer(); // Its client may be behind, because its own changes were not sent to it.
    return member;
  }

  /** Releases a session. */
  leave(member: GroupMember): void {
    this.groups.remove(member);
    this.stopIfUnused();
  }

  /** Returns the version up to which a session was sent everything, or nothing concerns it. */
  positionOf({ batch, since, releasedAt }: GroupMember): Version {
    return releasedAt ?? batch?.from ?? Math.max(since, this.position);
  }

  /** Lets a session read the history itself. */
  wake(member: GroupMember): void {
    const after = this.positionOf(member);
    member.releasedAt = after;
    this.leave(member);
    member.session.readItself(after);
  }

  private start(head: Version): void {
    const { history, followers } = this.ports;
    this.position = head;
    this.types = history.watchedProperties.types;
    this.running = new Subscription();
    this.reader = new HistoryReader({
      ...{ log: history.log, followers, teardown: this.running },
      hasRoom: () => !this.isReading,
      receive: (page) => this.receive(page),
      closed: () => this.close(),
      failed: () => this.wakeAll(), // Each session finds the error itself, and ends.
    });
    followers.isShared = true;
    this.reader.start(head);
  }

  private stopIfUnused(): void {
    if (this.groups.size > 0 || this.isRouting) return;
    this.reader?.stop();
    this.reader = null;
    this.isReading = false;
    this.running.unsubscribe();
    this.timer?.unsubscribe();
    this.timer = null;
  }

  private close(): void {
    for (const { session } of this.groups.allMembers) session.closed();
  }

  private wakeAll(): void {
    for (const member of this.groups.allMembers) if (this.groups.has(member)) this.wake(member);
  }

  private receive(page: SharedPage): void {
    const touches = readPageTouches(page, (type) => this.groups.index.hasType(type));
    if (touches.unchanged.size === 0) this.route(page, touches, new Set());
    else this.readUnchanged(page, touches);
  }

  /** Finds the groups whose views have objects of which a page does not say it. */
  private readUnchanged(page: SharedPage, touches: PageTouches): void {
    const { history, readWith } = this.ports;
    const found = new Set<readonly [ViewGroup, NamedTouch]>();
    const read$ = readWith(({ headState }) =>
      readFound({ history, headState }, touches.unchanged.keys(), (text, object) => {
        const touch = touches.unchanged.get(text);
        const watched = touch && history.watchedProperties.types.get(touch.type);
        if (touch === undefined || watched === undefined) return true;
        // The state may be a later one. Then the values before the later change say in which views the object was.
        const values = watchedValuesOf(object?.state, watched);
        const groups = new Set<ViewGroup>();
        this.groups.index.addConcerned(touch, { before: values, after: values }, watched, groups);
        for (const group of groups) found.add([group, touch]);
        return true;
      }),
    );
    this.isReading = true;
    const end = (): void => {
      this.route(page, touches, found);
      this.isReading = false;
      this.reader?.resume();
    };
    this.running.add(read$.subscribe({ error: () => this.wakeAll(), complete: end }));
  }

  /** Finds all that a page concerns, then moves past the page, and only then lets sessions do something. */
  private route(page: SharedPage, touches: PageTouches, same: GroupTouches): void {
    const routing: Routing = { page, released: new Map(), begun: [] };
    this.isRouting = true;
    try {
      this.findConcerned(routing, touches, same);
    } catch {
      for (const member of this.groups.allMembers) this.release(routing, member); // Each finds the error itself.
    }
    this.position = page.upTo;
    for (const check of [...this.waiting]) check();
    for (const batch of routing.begun) if (batch.group.batch === batch) this.readBatch(batch);
    for (const [{ session }, after] of routing.released) guard(session, () => session.readItself(after));
    this.isRouting = false;
    this.startTimer();
    this.stopIfUnused();
  }

  private findConcerned(routing: Routing, touches: PageTouches, same: GroupTouches): void {
    this.findReleased(routing, touches);
    const { types } = this.ports.history.watchedProperties;
    const found = new Set<ViewGroup>();
    for (const touch of touches.changed) {
      const watched = types.get(touch.type);
      if (watched === undefined) continue;
      this.groups.index.addConcerned(touch, touch.change, watched, found);
      for (const group of found) this.collect(routing, group, touch);
      found.clear();
    }
    for (const [group, touch] of same) this.collect(routing, group, touch);
  }

  /** Finds the sessions with changes of their own in a page, and those whose views may need more than its touches. */
  private findReleased(routing: Routing, { isIncomplete }: PageTouches): void {
    const { page } = routing;
    for (const { origin } of page.entries) {
      const member = this.groups.memberOf(origin);
      if (member !== undefined && member.since < page.upTo) this.release(routing, member);
    }
    const { types } = this.ports.history.watchedProperties;
    if (!isIncomplete && types === this.types) return;
    this.types = types;
    for (const { view, members, batch } of this.groups.allGroups)
      if ((isIncomplete && view.types.size > 0) || watchedSinceOf(types, view) > (batch?.from ?? page.after))
        for (const member of [...members, ...(batch?.members ?? [])]) this.release(routing, member);
  }

  /** Releases a session, which reads from a page on. */
  private release({ page, released }: Routing, member: GroupMember): void {
    const after = member.batch?.from ?? Math.max(member.since, page.after);
    member.releasedAt = after;
    released.set(member, after);
    this.leave(member);
  }

  /** Adds a touch to the changes of a group that it concerns. */
  private collect(routing: Routing, group: ViewGroup, touch: NamedTouch): void {
    const { page } = routing;
    const batch = group.batch ?? this.beginBatch(routing, group);
    // Who joined after the batch began does not wait for it.
    for (const member of group.members) if (member.since < page.upTo) this.release(routing, member);
    const watched = this.ports.history.watchedProperties.types.get(touch.type);
    if (batch === null || group.batch !== batch || watched === undefined) return;
    batch.difference.add(touch.text, touch, touch.change, watched, false);
    batch.difference.operations.add(page);
    batch.pages += 1;
    if (batch.difference.size > serverLimits.viewObjectsMax)
      for (const member of [...batch.members]) this.release(routing, member);
  }

  /** Begins a batch for the sessions that were sent everything before the page. */
  private beginBatch(routing: Routing, group: ViewGroup): GroupBatch | null {
    const { after } = routing.page;
    const batch = new GroupBatch(group, after, new Set());
    for (const member of group.members) {
      if (member.since > after || !member.session.hasRoom()) continue;
      group.members.delete(member);
      batch.members.add(member);
      member.batch = batch;
    }
    if (batch.members.size === 0) return null;
    group.batch = batch;
    routing.begun.push(batch);
    return batch;
  }

  private readBatch(batch: GroupBatch): void {
    const { ports, waiting } = this;
    const isAtHead = (): boolean => this.position >= ports.history.log.head;
    const task = new Subscription();
    batch.task = task;
    this.running.add(task);
    const wake = (): void => this.wakeBatch(batch);
    const send = (page: ReadPage): void => this.sendBatch(batch, page);
    task.add(readBatch(ports, batch, { isAtHead, waiting }).subscribe({ next: send, error: wake }));
    task.add(() => this.running.remove(task));
  }

  private wakeBatch({ members }: GroupBatch): void {
    for (const member of [...members]) if (members.has(member)) this.wake(member);
  }

  private sendBatch(batch: GroupBatch, { draft, isWhole }: ReadPage): void {
    const { history } = this.ports;
    const { group, members } = batch;
    if (!isWhole || isOutdated(history, batch.from)) {
      this.wakeBatch(batch);
      return;
    }
    const upTo = this.position;
    const page = new PartsPage(upTo, history.bytes, draft);
    group.batch = null;
    group.sending += 1;
    for (const member of [...members]) {
      if (!members.has(member)) continue;
      // A client that answers at once may have appended more, which was not collected for the rest.
      if (this.position !== upTo) {
        this.wake(member);
        continue;
      }
      members.delete(member);
      member.batch = null;
      member.since = upTo;
      group.members.add(member);
      guard(member.session, () => member.session.sendShared(page));
    }
    group.sending -= 1;
    this.groups.removeIfEmpty(group);
    this.stopIfUnused();
  }

  private startTimer(): void {
    if (this.timer !== null || this.groups.size === 0) return;
    const { scheduler } = this.ports;
    this.timer = scheduler.schedule(() => this.sendProgress(this.groups.allMembers), serverLimits.viewProgressMs);
  }

  /** Moves the clients that nothing has concerned, so that they do not hold the history back. */
  private sendProgress(members: readonly GroupMember[]): void {
    const { history, scheduler } = this.ports;
    const { head } = history.log;
    const page = new PartsPage(head, history.bytes, new MembersDraft());
    // Before the head, an object may lack a change after which a later one removes it from the view.
    for (const member of members.slice(0, progressAtOnce))
      if (this.groups.has(member) && this.positionOf(member) === head)
        guard(member.session, () => member.session.sendProgress(page));
    const rest = members.slice(progressAtOnce);
    this.timer = rest.length > 0 ? scheduler.schedule(() => this.sendProgress(rest), 0) : null;
  }
}
