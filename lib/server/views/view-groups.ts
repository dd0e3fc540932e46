import type { Version } from '../../model/version.js';
import { FilterIndex } from './filter-index.js';
import type { ServedView } from './served-view.js';
import { GroupMember, groupTextOf, ViewGroup, type GroupBatch, type RoutedSession } from './view-group.js';

/** The sessions that a router follows the history for, in groups with the same view. */
export class ViewGroups {
  /** The filters of all groups. */
  readonly index = new FilterIndex<ViewGroup>();
  private readonly members = new Map<string, GroupMember>();
  private readonly groups = new Map<string, ViewGroup>();

  /** Number of sessions. */
  get size(): number {
    return this.members.size;
  }

  /** Number of groups. */
  get groupCount(): number {
    return this.groups.size;
  }

  /** All sessions, also after later changes of the groups. */
  get allMembers(): readonly GroupMember[] {
    return [...this.members.values()];
  }

  get allGroups(): readonly ViewGroup[] {
    return [...this.groups.values()];
  }

  /** Returns the session of a replica. */
  memberOf(replica: string): GroupMember | undefined {
    return this.members.get(replica);
  }

  has(member: GroupMember): boolean {
    return this.members.get(member.session.replica) === member;
  }

  add(session: RoutedSession, view: ServedView, since: Version): GroupMember {
    const text = groupTextOf(view);
    const group = this.groups.get(text) ?? new ViewGroup(text, view);
    if (!this.groups.has(text)) group.addTo(this.index);
    this.groups.set(text, group);
    const member = new GroupMember(session, group, since);
    group.members.add(member);
    this.members.set(session.replica, member);
    return member;
  }

  /** Removes a session. Nothing is read for its batch any more if no other session waits for that. */
  remove(member: GroupMember): void {
    const { session, group, batch } = member;
    if (this.has(member)) this.members.delete(session.replica);
    group.members.delete(member);
    member.batch = null;
    if (batch?.members.delete(member) === true && batch.members.size === 0) endBatch(batch);
    this.removeIfEmpty(group);
  }

  removeIfEmpty(group: ViewGroup): void {
    if (!group.isEmpty || this.groups.get(group.text) !== group) return;
    this.groups.delete(group.text);
    group.removeFrom(this.index);
  }
}

const endBatch = (batch: GroupBatch): void => {
  if (batch.group.batch === batch) batch.group.batch = null;
  batch.task?.unsubscribe();
};
