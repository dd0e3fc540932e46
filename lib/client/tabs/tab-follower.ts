import { Observable, type Subscriber } from 'rxjs';
import { runAtEndOfTurn } from '../../clock.js';
import { errorOf } from '../../model/error-record.js';
import { RealmClosedError } from '../../model/errors.js';
import type { OutboxState } from '../../model/sync-port.js';
import { isSameValue } from '../../model/value.js';
import type { RemoteSession, SharedEvent } from '../../session/tabs/remote-session.js';
import type { ConnectionStatus } from '../../session/state/status.js';
import type { SessionRecord } from '../../session/tabs/session-record.js';
import type { StorageChange } from '../../storage/storage.js';
import type { MirroredStore } from '../../store/tabs/mirrored-store.js';
import type { OpenPlan } from '../open-plan.js';
import { tabDifferenceOf } from './plan-record.js';
import type { FollowerMessage, LeaderMessage, TabCall, TabMessage } from './tab-messages.js';
import type { TabParts } from './tab-parts.js';

/** Why this tab cannot follow a leader. */
export interface Rejection {
  readonly leader: string;
  readonly error: unknown;
  /** Whether the two do not fit. Otherwise the tab asks again. */
  readonly isLasting: boolean;
}

export interface FollowerPorts {
  readonly plan: OpenPlan;
  readonly mirror: MirroredStore;
  readonly parts: TabParts;
  readonly post: (message: FollowerMessage) => void;
  /** Is called when the tab follows a leader. */
  readonly onJoined: () => void;
  readonly onRejected: (rejection: Rejection) => void;
  /** Is called when a record of a leader was invalid, or pages are missing: all must be sent again. */
  readonly onInvalid: () => void;
}

interface PendingCall {
  readonly method: TabCall;
  readonly subscriber: Subscriber<never>;
}

/** The work of a tab while another tab leads, or none does. */
export class TabFollower {
  /** The id of the leader that this tab follows; `null` while it follows none. */
  leader: string | null = null;
  #session: RemoteSession | null = null;
  #pages: StorageChange[] = [];
  /** The leader that has sent the pages, which may be incomplete; `null` without any. */
  #source: string | null = null;
  #isRepairing = false; // While everything is sent again, because a record was invalid.
  #areChecked = false;
  /** Whether the pages are the first objects of this tab: then each is added when it arrives. */
  #isLoading = false;
  #calls = new Map<number, PendingCall>();
  #callNumber = 0;
  /** Events that are not sent yet: a mark comes after the subscriptions that were made before it. */
  #events: SharedEvent[] = [];
  readonly #sendLater = runAtEndOfTurn(() => this.#sendWrites(false));

  constructor(private readonly ports: FollowerPorts) {}

  /** Whether this tab follows a leader, or receives the pages of one. */
  hasLeader(tab: string): boolean {
    return this.leader === tab || this.#source === tab;
  }

  /** Asks the leader for some work. Cold. The work continues with the next leader. */
  call(method: TabCall): Observable<never> {
    return new Observable((subscriber) => {
      const number = (this.#callNumber += 1);
      this.#calls.set(number, { method, subscriber });
      this.post({ type: 'call', number, method });
    });
  }

  /** Shows the writes of the outbox as pending, before the session that has stored them reports it. */
  noteOutbox(outbox: OutboxState): void {
    this.#session?.noteOutbox(outbox);
  }

  /** Sends the writes of this turn, when it is over. */
  sendLater(): void {
    this.#sendLater();
  }

  /** There is no leader any more. What it has not answered is sent to the next one. */
  lose(): void {
    this.leader = null;
    this.#pages = [];
    this.#source = null;
    this.#isRepairing = false;
  }

  /** Leaves the leader. */
  leaveLeader(): void {
    this.post({ type: 'bye' });
    this.lose();
  }

  /** Sends a message to the leader, if there is one. */
  post(message: FollowerMessage): void {
    if (this.leader !== null) this.ports.post(message);
  }

  /** The session of a tab that has stopped leading, until it follows another one. */
  wait(record: SessionRecord): RemoteSession | null {
    const connection: ConnectionStatus = { state: 'disconnected', reason: { kind: 'idle' }, attempt: 0, retryAt: null };
    return this.#follow({ ...record, connection, marks: { wanted: 0, answered: 0 } });
  }

  /** The events of the session that no leader has applied. */
  pendingEvents(): readonly SharedEvent[] {
    return this.#session?.pending() ?? [];
  }

  /** Takes the calls that are not answered, for a tab that leads now. */
  takeCalls(): readonly PendingCall[] {
    const all = [...this.#calls.values()];
    this.#calls.clear();
    return all;
  }

  /** Ends the calls that are not answered, because the realm is closed in this tab. */
  close(): void {
    for (const { method, subscriber } of this.takeCalls()) {
      if (method === 'refresh') subscriber.complete();
      else subscriber.error(new RealmClosedError('The realm was closed in this tab.'));
    }
  }

  /** Handles a message of the leader. Ignores others, which a script of the same origin may post on the channel. */
  receive(message: TabMessage): void {
    const { mirror, parts } = this.ports;
    if (message.type === 'result') {
      const call = this.#calls.get(message.number);
      this.#calls.delete(message.number);
      if (message.error) call?.subscriber.error(errorOf(message.error));
      else call?.subscriber.complete();
      return;
    }
    if (message.type !== 'welcome' && message.type !== 'page' && message.type !== 'update') return;
    // A leader that was replaced may report late what the next one has changed since.
    if (message.type === 'update' && message.leader !== this.leader) return;
    try {
      if (message.type === 'welcome') this.#join(message);
      else if (message.type === 'page') this.#takePage(message);
      else {
        this.noteOutbox(message.outbox); // Before the promises of the writes resolve.
        mirror.apply(message);
        if (message.session && this.#session) parts.receive(this.#session, message.session);
      }
    } catch (thrown) {
      this.#repair(message.leader, thrown);
      return;
    }
    this.#sendWrites(false);
  }

  /** Asks for everything once more. `error`: why a record is invalid; `null`: pages are missing. */
  #repair(leader: string, error: unknown): void {
    const { onInvalid, onRejected } = this.ports;
    const isRepeated = this.#isRepairing;
    if (isRepeated && error === null) return; // These are not the pages that it asked for.
    this.lose();
    this.#isRepairing = !isRepeated;
    if (isRepeated) onRejected({ leader, error, isLasting: false });
    else onInvalid();
  }

  #takePage({ records, isFirst, areChecked, leader }: LeaderMessage & { readonly type: 'page' }): void {
    const { mirror } = this.ports;
    if (isFirst) {
      this.#source = leader;
      this.#pages = [];
      this.#areChecked = areChecked;
      this.#isLoading = mirror.stamp === null;
    }
    if (leader !== this.#source) return;
    if (this.#isLoading) mirror.load(records, areChecked);
    else for (const record of records) this.#pages.push(record);
  }

  #join(message: LeaderMessage & { readonly type: 'welcome' }): void {
    const { plan, mirror, parts, onJoined } = this.ports;
    // A leader that was replaced without knowing it may have sent its pages since this tab asked to follow.
    const isComplete = message.isReset ? message.leader === this.#source : isSameValue(message.stamp, mirror.stamp);
    if (!isComplete) {
      this.#repair(message.leader, null);
      return;
    }
    const difference = tabDifferenceOf(message.plan, plan);
    if (difference) {
      this.ports.post({ type: 'bye' });
      this.lose();
      this.ports.onRejected({ leader: message.leader, error: difference, isLasting: true });
      return;
    }
    if (message.isReset && !this.#isLoading) mirror.reset(this.#pages, message.outbox, this.#areChecked);
    this.#pages = [];
    this.#source = null;
    this.#isRepairing = false;
    this.#isLoading = false;
    mirror.apply(message);
    this.leader = message.leader;
    const events = this.pendingEvents().filter(({ event }) => event.type !== 'markWanted'); // `show` repeats a mark.
    if (message.session) {
      const session = this.#follow(message.session.state);
      session?.noteOutbox(message.outbox);
      for (const { event } of events) session?.dispatch(event);
      parts.show(session, false);
    }
    for (const [number, { method }] of this.#calls) this.post({ type: 'call', number, method });
    this.#sendWrites(true);
    onJoined();
  }

  #follow(record: SessionRecord): RemoteSession | null {
    this.#events = [];
    const send = (shared: SharedEvent): void => {
      this.#events.push(shared);
      this.#sendWrites(false);
    };
    return (this.#session = this.ports.parts.follow(record, send));
  }

  #sendWrites(again: boolean): void {
    if (this.leader === null) return;
    const { pending } = this.ports.mirror;
    const hasNew = this.#events.length === 0 || pending.hasWaiting('subscribe') || again;
    const message = hasNew ? pending.takeMessage() : null;
    if (message && (message.isNew || again))
      this.post({ type: 'writes', number: message.number, writes: message.writes });
    if (pending.hasWaiting('subscribe')) return;
    for (const { number, event } of this.#events.splice(0)) {
      const input = event.type === 'input' ? event.input : '';
      this.post({ type: 'event', number, event: { type: event.type, input } });
    }
  }
}
