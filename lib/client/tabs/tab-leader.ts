import { Observable, Subscription } from 'rxjs';
import { runAtEndOfTurn } from '../../clock.js';
import { type ErrorRecord, toErrorRecord } from '../../model/error-record.js';
import { observe, runToItsEnd } from '../../model/operators.js';
import { isSameValue } from '../../model/value.js';
import type { SessionEvent } from '../../session/state/session-events.js';
import type { SessionState } from '../../session/state/session-state.js';
import type { Storage, StorageChange } from '../../storage/storage.js';
import type { TabPlatform } from '../../storage/tab-platform.js';
import { wrapStorage } from '../../storage/wrap-storage.js';
import { toMetadataPut } from '../../store/metadata.js';
import { ownRecordsOf } from '../../store/own-records.js';
import type { LocalStore } from '../../store/store.js';
import { viewNewsOf } from '../../store/subscriptions/view-news.js';
import type { PendingWrites } from '../../store/tabs/pending-writes.js';
import { createWritePerformer, type WritePerformer } from '../../store/tabs/perform-writes.js';
import { type TabRecord, toTabDelete } from '../../store/tabs/tab-write.js';
import type { OpenPlan } from '../open-plan.js';
import { detachChange, isMirrored, stampOf } from './leader-records.js';
import { toPlanRecord } from './plan-record.js';
import {
  type FollowerMessage,
  isTabMessage,
  type LeaderNews,
  type TabCall,
  type UpdateFields,
} from './tab-messages.js';
import { watchFreeLock } from './tab-life.js';
import { createLink, hasNewsFor, type Link } from './tab-link.js';
import { nameOfTab } from './tab-names.js';
import type { OwnSession, TabParts } from './tab-parts.js';

/** Bytes of the records in one message, about. */
const pageBytesMax = 1024 * 1024;

export interface LeaderPorts {
  readonly tab: string;
  readonly platform: TabPlatform;
  readonly plan: OpenPlan;
  readonly recordOf: TabParts['recordOf'];
  readonly onClaim: (tab: string) => void;
  readonly onLoggedOut: () => void;
  readonly perform: (method: TabCall) => Observable<never>;
}

/** The store and the session of the leader, and the records of all tabs. */
export interface LeaderState {
  readonly store: LocalStore;
  readonly session: OwnSession | null;
  readonly records: Map<string, TabRecord>;
}

/** Serves the tabs that follow. An edge: it is subscribed to the session, and to the lives of the followers. */
export class TabLeader {
  readonly #links = new Map<string, Link>();
  /** The lives of tabs that do not follow yet. */
  readonly #lives = new Map<string, Subscription>();
  readonly #running = new Subscription();
  readonly #flushLater = runAtEndOfTurn(() => this.#flush());
  #stamp: Uint8Array | null = null;
  #state: LeaderState | null = null;
  #shown: SessionState | null = null;
  #performer: WritePerformer | null = null;

  constructor(private readonly ports: LeaderPorts) {}

  /** Returns the storage with every stored batch noted, for the store of the leader. */
  watchStorage(storage: Storage): Storage {
    return wrapStorage(storage, {
      batch: (changes, options) =>
        new Observable((subscriber) =>
          storage.batch(changes, options).subscribe({
            complete: () => {
              this.#noteBatch(changes);
              subscriber.complete();
            },
            error: (thrown: unknown) => subscriber.error(thrown),
          }),
        ),
    });
  }

  /** Begins to serve. */
  begin(state: LeaderState): void {
    const { session, store, records } = state;
    this.#state = state;
    this.#performer = createWritePerformer(store, records);
    this.#stamp ??= stampOf([toMetadataPut(store.context.durable())]);
    for (const tab of records.keys()) if (tab !== this.ports.tab) this.#lives.set(tab, this.#watchLife(tab));
    const { views } = store.context;
    if (views)
      this.#running.add(
        observe(views.subscriptions.status$, () => this.#noteNews((link) => (link.hasViewNews = true))),
      );
    if (!session) return;
    this.#running.add(
      observe(session.store.state$, (shown) => {
        this.#shown = shown;
        this.#noteNews((link) => (link.hasNews = true));
      }),
    );
    this.#running.add(
      observe(session.store.error$, (error) => {
        const record = toErrorRecord(error);
        this.#noteNews((link) => (link.errors = [...link.errors, record]));
      }),
    );
  }

  /** Performs the writes of this tab that no leader has answered. */
  performOwn(pending: PendingWrites): void {
    this.#store().context.objects.unstage(); // Until now they were optimistic states.
    const message = pending.takeAll();
    this.#performer?.perform(this.ports.tab, message, (answers) => pending.settle(message.number, answers)());
  }

  hasFollowers(): boolean {
    return this.#links.size > 0;
  }

  /** A tab asks to follow. */
  welcome(tab: string, stamp: Uint8Array | null): void {
    const { platform } = this.ports;
    this.#drop(tab);
    this.#lives.get(tab)?.unsubscribe();
    const receive = (message: unknown): void => {
      if (isTabMessage(message)) this.#receive(tab, message as FollowerMessage);
    };
    const link = createLink(platform.openChannel(nameOfTab(tab), receive), this.#watchLife(tab));
    this.#links.set(tab, link);
    const isReset = !isSameValue(stamp, this.#stamp);
    if (isReset) this.#postRecords(link);
    const welcome = { plan: toPlanRecord(this.ports.plan), isReset, stamp };
    this.#post(link, { type: 'welcome', ...this.#takeUpdate(link), ...welcome });
  }

  /** Serves a tab that takes itself for a follower, should it not be one any more. */
  keep(tab: string): void {
    const link = this.#links.get(tab);
    if (link) link.isAlive = true;
    else this.welcome(tab, null);
  }

  /** Stores a batch, which shows whether another tab has taken over the storage. */
  checkLead(changes: readonly StorageChange[] = []): void {
    const request = { changes, metadata: {}, durable: false, stored: () => undefined };
    runToItsEnd(this.#store().context.commit(request)); // A failure leaves the changes to the next leader.
  }

  /** Stops serving, when everything so far is sent. */
  stop(): void {
    this.#flush();
    this.#performer = null;
    this.#running.unsubscribe();
    this.#lives.forEach((life) => life.unsubscribe());
    for (const tab of [...this.#links.keys()]) this.#drop(tab);
  }

  /** Posts everything that followers do not have yet. */
  #flush(): void {
    for (const link of this.#links.values()) {
      if (hasNewsFor(link)) this.#post(link, { type: 'update', ...this.#takeUpdate(link) });
    }
  }

  #post(link: Link, news: LeaderNews): void {
    link.channel.post({ ...news, leader: this.ports.tab });
  }

  #takeUpdate(link: Link): UpdateFields {
    const { changes, answer, errors, upTo } = link;
    const shown = this.#shown;
    const hasNews = link.hasNews || errors.length > 0;
    if (shown) {
      const isAnswered = (mark: number): boolean => mark <= shown.marks.answered;
      link.marksAnswered += link.marks.filter(isAnswered).length;
      link.marks = link.marks.filter((mark) => !isAnswered(mark));
    }
    const marks = { wanted: link.marksAnswered + link.marks.length, answered: link.marksAnswered };
    const { views } = this.#store().context;
    const view = link.hasViewNews && views ? { view: viewNewsOf(views.subscriptions.getStatus()) } : {};
    Object.assign(link, { changes: [], answer: null, errors: [], hasNews: false, hasViewNews: false });
    return {
      changes,
      outbox: this.#store().context.outboxSize.outbox(),
      answer,
      session: shown && hasNews ? { state: this.ports.recordOf({ ...shown, marks }), upTo, errors } : null,
      ...view,
    };
  }

  #noteBatch(changes: readonly StorageChange[]): void {
    this.#stamp = stampOf(changes) ?? this.#stamp;
    if (this.#links.size === 0) return;
    const mirrored = changes.filter(isMirrored).map(detachChange);
    this.#noteNews((link) => {
      for (const change of mirrored) link.changes.push(change);
    });
  }

  #noteNews(note: (link: Link) => void): void {
    if (this.#links.size === 0) return;
    this.#links.forEach(note);
    this.#flushLater();
  }

  /** Sends everything that the store has stored, in pages. */
  #postRecords(link: Link): void {
    const { context } = this.#store();
    let records: StorageChange[] = [];
    let bytes = 0;
    let isFirst = true;
    const areChecked = context.objects.fits();
    const post = (): void => {
      this.#post(link, { type: 'page', records, isFirst, areChecked });
      isFirst = false;
    };
    for (const record of [...context.objects.dump(), ...ownRecordsOf(context)]) {
      records.push(detachChange(record));
      bytes += record.type === 'put' ? record.value.byteLength : 0;
      if (bytes < pageBytesMax) continue;
      post();
      [records, bytes] = [[], 0];
    }
    post();
  }

  #store(): LocalStore {
    if (this.#state) return this.#state.store;
    throw new Error('Defect: a tab that does not lead was asked to.');
  }

  #receive(tab: string, message: FollowerMessage): void {
    const link = this.#links.get(tab);
    if (!link) return;
    switch (message.type) {
      case 'bye':
        this.#drop(tab);
        break;
      case 'claim':
        this.ports.onClaim(tab);
        break;
      case 'writes':
        this.#performer?.perform(tab, message, (answers) => {
          const now = this.#links.get(tab);
          if (now) now.answer = { number: message.number, answers };
          this.#flushLater();
        });
        break;
      case 'event':
        this.#applyEvent(tab, link, message.event as SessionEvent);
        link.upTo = message.number;
        link.hasNews = true;
        this.#flushLater();
        break;
      case 'call':
        this.#call(link, message.number, message.method);
    }
  }

  #applyEvent(tab: string, link: Link, event: SessionEvent): void {
    const session = this.#state?.session?.store;
    if (!session) return;
    if (event.type === 'loggedOut') this.ports.onLoggedOut();
    else if (event.type === 'input' && event.input === 'logIn' && session.getState().loggedOut) this.ports.onClaim(tab);
    else session.dispatch(event);
    if (event.type === 'markWanted') link.marks = [...link.marks, session.getState().marks.wanted];
  }

  #call(link: Link, number: number, method: TabCall): void {
    const end = (error: ErrorRecord | null): void => {
      this.#flush();
      this.#post(link, { type: 'result', number, error });
    };
    this.#running.add(
      this.ports.perform(method).subscribe({
        error: (thrown: unknown) => end(toErrorRecord(thrown)),
        complete: () => end(null),
      }),
    );
  }

  /** Forgets a tab when it has ended. */
  #watchLife(tab: string): Subscription {
    return observe(watchFreeLock(this.ports.platform, tab, this.ports.plan.clock), () => {
      const link = this.#links.get(tab);
      if (link?.isAlive === true) link.isAlive = false;
      else this.#forget(tab);
    });
  }

  #forget(tab: string): void {
    this.#drop(tab);
    this.#lives.get(tab)?.unsubscribe();
    if (this.#state?.records.delete(tab) === true) this.checkLead([toTabDelete(tab)]);
  }

  #drop(tab: string): void {
    const link = this.#links.get(tab);
    if (!link) return;
    this.#links.delete(tab);
    link.life.unsubscribe();
    link.channel.close();
  }
}
