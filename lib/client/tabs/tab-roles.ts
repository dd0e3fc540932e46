import { BehaviorSubject, defer, type Observable, Subscription } from 'rxjs';
import { createRandomId } from '../../clock.js';
import { observe } from '../../model/operators.js';
import type { PageState } from '../../storage/tab-platform.js';
import { StorageTakenOverError } from '../../model/taken-over-error.js';
import { ownRecordsOf } from '../../store/own-records.js';
import type { LocalStore } from '../../store/store.js';
import { watchHealth } from '../running-realm.js';
import { closeLead, type OpenedLead, openLead, type RolesPorts } from './open-lead.js';
import { LeadLock } from './lead-lock.js';
import { type Rejection, TabFollower } from './tab-follower.js';
import { TabLeader } from './tab-leader.js';
import { TabChannels } from './tab-channels.js';
import type { CommonMessage, TabCall } from './tab-messages.js';
import { nameOfTab } from './tab-names.js';
import type { LeadParts } from './tab-parts.js';
import { TabWatch } from './tab-watch.js';

/**
 * The role of one tab of a shared realm: it leads, follows a leader, or waits for one. An edge: it is subscribed to the
 * locks, the page and the store until the realm is closed in this tab.
 */
export class TabRoles {
  readonly #store = new BehaviorSubject<LocalStore | null>(null);
  /** Emits `store` on subscription, then each change. Completes when the realm is closed in this tab. Never errors. */
  readonly store$ = this.#store.asObservable();
  readonly follower: TabFollower;
  readonly #id: string;
  readonly #running = new Subscription();
  readonly #watch: TabWatch;
  readonly #channels: TabChannels; // Closed while the page is leaving.
  readonly #lock: LeadLock;
  #opening: TabLeader | null = null; // While the lock is held and the store is being opened.
  #lead: (LeadParts & { readonly leader: TabLeader }) | null = null;
  #page: PageState = 'hidden';
  #isLeaderHidden = false;
  #rejection: Rejection | null = null;
  #isBusy = false; // While a store is being opened or closed.
  #isEnding = false;
  #isClosed = false;
  #onIdle = (): void => this.retry(); // Called when that has ended.

  constructor(private readonly ports: RolesPorts) {
    const { plan, platform, mirror, parts } = ports;
    this.#id = createRandomId(plan.clock);
    const [openStore, onLockLost] = [() => this.#openStore(), () => this.#onLockLost()];
    this.#lock = new LeadLock(platform, plan.clock, openStore, onLockLost);
    const ping = (): void =>
      this.#channels.post({ type: 'ping', tab: this.#id, isFollowing: this.follower.leader !== null });
    this.#watch = new TabWatch(plan.clock, ping, () => this.#lock.request('steal'));
    this.#channels = new TabChannels({
      ...{ platform, tab: this.#id },
      onCommon: (message) => this.#receive(message),
      onLeader: (message) => {
        this.#watch.hear();
        if (!this.#lead && !this.#isBusy) this.follower.receive(message);
      },
    });
    this.follower = new TabFollower({
      ...{ plan, mirror, parts },
      post: (message) => this.#channels.postToLeader(message),
      onJoined: () => this.#onJoined(),
      onRejected: (rejection) => this.#reject(rejection),
      onInvalid: () => this.#sayHello(null),
    });
  }

  /** The store while this tab leads, otherwise `null`. */
  get store(): LocalStore | null {
    return this.#store.value;
  }

  /** Whether another tab leads, or other tabs follow this one. */
  hasOthers(): boolean {
    return this.#lead ? this.#lead.leader.hasFollowers() : this.follower.leader !== null;
  }

  start(): void {
    const { platform } = this.ports;
    this.#running.add(
      platform.lock(nameOfTab(this.#id), 'wait').subscribe({
        next: () => this.#running.add(observe(platform.page$, (page) => this.#onPage(page))),
        error: (thrown: unknown) => this.ports.onFailed(thrown),
      }),
    );
  }

  /** Performs a call of this tab or of a follower, while this tab leads. */
  call(method: TabCall): Observable<never> {
    return defer(() => (this.#lead ? this.ports.parts.perform(method, this.#lead) : this.follower.call(method)));
  }

  /** The user has logged out in this tab: so it is in all tabs. */
  noteLogOut(): void {
    this.#channels.post({ type: 'loggedOut', tab: this.#id });
  }

  /** Tries to lead or to follow once more. */
  retry(): void {
    if (this.#isClosed || this.#isBusy || this.#lead || this.#page === 'leaving') return;
    if (this.#rejection?.isLasting === true) {
      this.#lock.request('wait'); // Behind all tabs, because some may fit each other.
      this.ports.onFailed(this.#rejection.error);
      return;
    }
    this.#rejection = null;
    if (this.#lock.isReleased()) this.#lock.request('wait');
    if (this.follower.leader === null) this.#sayHello();
    if (this.#page === 'visible') this.#watch.start();
  }

  /** The realm is being closed in this tab, which may still upload changes. The followers wait for the next leader. */
  beginClosing(): void {
    this.#isEnding = true;
    this.#lead?.leader.stop();
  }

  /** Leaves the tabs. Calls `onClosed` when the store is closed, and another tab can lead. */
  close(onClosed: () => void): void {
    this.#isClosed = true;
    this.#watch.stop();
    this.follower.leaveLeader();
    this.#onIdle = () => {
      this.#lock.release();
      this.#running.unsubscribe();
      this.#channels.close();
      this.#store.complete();
      onClosed();
    };
    if (this.#lead) this.#stopLeading();
    else if (!this.#isBusy) this.#onIdle();
  }

  #sayHello(stamp = this.ports.mirror.stamp): void {
    this.#channels.post({ type: 'hello', tab: this.#id, stamp });
  }

  /** Waits until the leader is another one, or until this tab leads. */
  #reject(rejection: Rejection): void {
    this.#rejection = rejection;
    this.#watch.stop();
    this.#lock.release();
    this.ports.onFailed(rejection.error);
  }

  /** Follows another leader from now on. */
  #loseLeader(): void {
    this.follower.lose();
    this.#sayHello();
  }

  #announce(): void {
    const isHidden = this.#page !== 'visible';
    this.#channels.post({ type: 'leading', tab: this.#id, isReady: this.#lead !== null, isHidden });
  }

  #onPage(page: PageState): void {
    this.#page = page;
    if (page === 'leaving') {
      this.#watch.stop();
      this.#rejection = null; // Another leader may announce itself meanwhile.
      this.#lock.release(); // At once: the page may never run again.
      this.#opening = null;
      if (this.#lead) this.#stopLeading();
      else this.follower.leaveLeader();
      this.#channels.close(); // A browser does not keep a page for the back button that is sent messages.
      return;
    }
    this.#channels.open();
    this.retry();
    if (this.#lead || this.#opening) this.#announce();
    else if (page === 'visible') this.#claimIfHidden();
    else this.#watch.stop();
  }

  #claimIfHidden(): void {
    if (this.#page === 'visible' && this.#isLeaderHidden && this.ports.parts.mayClaim())
      this.follower.post({ type: 'claim' });
  }

  #receive(message: CommonMessage): void {
    const isLeading = this.#lead !== null || this.#isBusy;
    // The realm is closed in this tab and only uploads. Another tab uploads what is left.
    if (this.#isEnding && this.#lead && /hello|ping/.test(message.type)) this.ports.parts.end(true);
    switch (message.type) {
      case 'hello':
        if (!this.#isEnding) this.#lead?.leader.welcome(message.tab, message.stamp);
        if (message.tab === this.follower.leader) this.#loseLeader(); // It does not lead any more.
        break;
      case 'ping':
        if (message.isFollowing && !this.#isEnding) this.#lead?.leader.keep(message.tab);
        if (this.#lead || this.#opening) this.#announce();
        break;
      case 'leading':
        if (message.isReady) this.#lead?.leader.checkLead();
        if (isLeading || this.#page === 'leaving') return;
        this.#watch.hear();
        this.#isLeaderHidden = message.isHidden;
        if (message.isReady && this.#rejection?.leader !== message.tab && !this.follower.hasLeader(message.tab))
          this.#loseLeader();
        this.#claimIfHidden();
        break;
      case 'yield':
        if (message.to === this.#id && !isLeading && this.#page !== 'leaving') this.#lock.request('steal');
        break;
      case 'loggedOut':
        this.ports.parts.logOut();
    }
  }

  #onJoined(): void {
    this.#rejection = null;
    if (this.#page === 'visible') this.#watch.start();
    this.ports.onReady();
  }

  #onLockLost(): void {
    this.#opening = null;
    if (this.#lead) this.#stopLeading();
    else this.retry();
  }

  /** Opens the store of a tab that has the lock. Runs to its end, or the storage would stay open. */
  #openStore(): void {
    const { plan, platform, parts } = this.ports;
    this.#watch.stop();
    this.#rejection = null;
    this.follower.lose();
    const leader = new TabLeader({
      ...{ tab: this.#id, platform, plan, recordOf: parts.recordOf.bind(parts) },
      onClaim: (tab) => this.#yieldTo(tab),
      onLoggedOut: () => parts.logOut(),
      perform: (method) => this.call(method),
    });
    this.#opening = leader;
    this.#isBusy = true;
    this.#announce();
    // eslint-disable-next-line rxjs-x/no-ignored-subscription -- opening cannot be cancelled
    openLead(this.ports, leader, (outbox) => this.follower.noteOutbox(outbox)).subscribe({
      next: (opened) => {
        if (this.#opening === leader && !this.#isClosed) this.#begin(leader, opened);
        else this.#closeStore(opened); // Another tab has taken the lock, or the realm was closed.
      },
      error: (thrown: unknown) => {
        const isCurrent = this.#opening === leader;
        this.#opening = null;
        this.#isBusy = false;
        this.ports.mirror.distrust();
        if (isCurrent) this.#lock.release(); // Another tab may be able to open it.
        if (isCurrent && !(thrown instanceof StorageTakenOverError) && !this.#isClosed) this.ports.onFailed(thrown);
        else this.#onIdle();
      },
    });
  }

  #begin(leader: TabLeader, { held, records }: OpenedLead): void {
    const { parts } = this.ports;
    const { store } = held;
    const session = parts.createSession(held, () => {
      if (this.#lead?.leader === leader) this.ports.onReleased();
    });
    this.#opening = null;
    this.#isBusy = false;
    this.#lead = { leader, held, session };
    leader.begin({ store, session, records });
    leader.performOwn(this.ports.mirror.pending);
    const events = this.follower.pendingEvents();
    if (session) {
      parts.show(session.store, true);
      for (const { event } of events) if (event.type !== 'markWanted') session.store.dispatch(event);
    }
    for (const { method, subscriber } of this.follower.takeCalls())
      subscriber.add(this.call(method).subscribe(subscriber));
    watchHealth(held.health$, (health) => {
      if (this.#lead?.leader !== leader) return;
      if (health.state === 'back' || !(health.error instanceof StorageTakenOverError)) parts.onHealth(health);
      else this.#stopLeading(); // Keeps the lock, should it still hold it: see tab-life.ts.
    });
    this.#store.next(store);
    this.#announce();
    this.ports.onReady();
  }

  /** Closes the store. From now on the tab behaves as a follower without a leader. */
  #stopLeading(onClosed = this.#onIdle): void {
    if (!this.#lead) return;
    const { parts } = this.ports;
    const { leader, held, session } = this.#lead;
    leader.stop();
    this.#lead = null;
    const { context } = held.store;
    this.ports.mirror.describe(ownRecordsOf(context), context.outboxSize.outbox());
    this.#store.next(null);
    if (session && !this.#isClosed) parts.show(this.follower.wait(parts.recordOf(session.store.getState())), false);
    this.#closeStore({ held, session }, onClosed);
  }

  /** Closes a store, and mirrors what it has stored. */
  #closeStore(lead: Parameters<typeof closeLead>[0], onClosed = this.#onIdle): void {
    const { context } = lead.held.store;
    this.#isBusy = true;
    closeLead(lead, () => {
      this.ports.mirror.adopt(ownRecordsOf(context), context.outboxSize.outbox());
      this.#isBusy = false;
      if (this.#isClosed) this.#onIdle();
      else onClosed();
    });
  }

  /** Hands the lead over to another tab. */
  #yieldTo(to: string): void {
    if (!this.#lead) return;
    this.#stopLeading(() => {
      this.#channels.post({ type: 'yield', tab: this.#id, to });
      this.#lock.releaseLater(() => this.retry()); // The other tab may have ended meanwhile.
    });
  }
}
