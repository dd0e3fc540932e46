import { ignoreElements, map, tap, type Observable } from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { Version } from '../../model/version.js';
import type { WantedView } from '../../model/view.js';
import type { Fault, MarkRequest, Received, WriteRejected } from '../../protocol/messages.js';
import type { NextMembers, Subscribe } from '../../protocol/view-messages.js';
import type { RealmWorks } from '../realms/realm-works.js';
import { createProtocolViolation } from '../server-errors.js';
import { serverLimits } from '../server-limits.js';
import type { DownloadFeed, DownloadFeedOptions, StoredScope } from '../sessions/download-feed.js';
import type { SharedPage } from '../sessions/shared-page.js';
import type { ServedScope } from '../scope/served-scope.js';
import type { Bootstrap } from './bootstrap.js';
import { ChangeCollector, type TouchReceiver } from './change-collector.js';
import { MembersDraft } from './members-draft.js';
import { isOutdated, planView, type AcceptedView, type PlannedView } from './plan-view.js';
import { PlacedChanges } from './placed-changes.js';
import { readChanges, readExactly, readMembers } from './read-pages.js';
import type { ServedView } from './served-view.js';
import { TaskRunner } from './task-runner.js';
import { ViewBootstraps } from './view-bootstraps.js';
import type { ViewDifference } from './view-difference.js';
import { checkFault, rejectFetch, ViewRequests } from './view-requests.js';
import { ViewSender } from './view-sender.js';
import { isViewLost } from './watched-since.js';

export interface ViewFeedOptions extends DownloadFeedOptions {
  readonly view: AcceptedView;
}

/**
 * Sends one session the objects of its view: the changes of the placed view as the history grows, and the members of
 * another view as the client fetches them. One piece of work at a time reads the storage. A class, because a server has
 * ten thousand sessions.
 *
 * Subscribes to the history, and to each piece of work, until it is stopped.
 */
class ViewFeed implements DownloadFeed, TouchReceiver {
  private readonly sender: ViewSender;
  private readonly collector: ChangeCollector;
  private readonly tasks: TaskRunner;
  private readonly placed: PlacedChanges;
  private readonly requests: ViewRequests;
  private readonly bootstraps: ViewBootstraps;
  /** `false` until `bound` was sent: the client may subscribe while that is sent. */
  private isStarted = false;
  private isStopped = false;
  readonly fetch = rejectFetch;
  private scope: ServedScope | null;

  constructor(private readonly options: ViewFeedOptions) {
    const { bind, view, teardown } = options;
    const { realm, replica } = options.acceptedBind;
    const { session, downloadedTo } = bind;
    this.placed = new PlacedChanges(view.source, view.number, downloadedTo, bind.view?.scope ?? null);
    this.scope = view.scope;
    this.bootstraps = new ViewBootstraps(options.acceptedBind);
    this.requests = new ViewRequests({ number: view.number, filters: bind.view?.filters ?? [] });
    this.sender = new ViewSender({ session, replica: replica.id, downloadedTo }, realm.history, options.send);
    this.collector = new ChangeCollector({
      ...{ history: realm.history, followers: realm.followers, router: realm.viewRouter, sender: this.sender },
      ...{ replica: replica.id, receiver: this, teardown },
      received: (page, untouchedTo) => this.receivedPage(page, untouchedTo),
      ...{ hasRoom: () => this.hasRoom(), closed: () => this.stop(), failed: options.failed },
    });
    this.tasks = new TaskRunner({ choose: () => this.chooseWork(), failed: options.failed, teardown });
  }

  start(): void {
    const { realm, replica } = this.options.acceptedBind;
    const { source } = this.placed;
    const from = source === null ? realm.history.log.head : this.options.bind.downloadedTo;
    realm.replicaCursors.begin(replica.id, from, source === null ? null : from);
    this.isStarted = true;
    if (source !== null && !this.placed.isSentIn(this.scope)) this.requests.askAgain();
    else if (source !== null) {
      this.placed.collect(source, from);
      this.collector.start(from);
    }
    this.work();
  }

  confirmedTo(): Version {
    this.collector.refresh();
    return this.sender.cursor.confirmedTo;
  }

  received({ version }: Received): void {
    const { realm, replica } = this.options.acceptedBind;
    if (!this.sender.cursor.noteReceived(version))
      throw createProtocolViolation(`received: version ${version} was not sent.`);
    realm.replicaCursors.note(replica.id, version);
    this.collector.resume();
  }

  mark(message: MarkRequest): void {
    this.collector.catchUp();
    this.sender.answerMark(message, this.isPlanned() && this.placed.isSentIn(this.scope));
  }

  fault(message: Fault): void {
    checkFault(message, this.options.acceptedBind.realm.history.log.head);
  }

  requestView(message: Subscribe): void {
    this.requests.takeView(message);
    this.planLatest();
  }

  changeScope(scope: ServedScope | null): void {
    if (scope?.id === this.scope?.id) return;
    this.scope = scope;
    if (this.placed.source === null && this.isPlanned() && !this.requests.hasSubscribed) return; // No view is wanted.
    this.placed.changes = null; // The user may not see all of them any more.
    if (this.requests.page !== null || !this.bootstraps.overtake()) this.planLatest();
  }

  noteRejection(message: WriteRejected): WriteRejected {
    this.collector.catchUp();
    return this.sender.noteRejection(message, this.placed.changes, this.bootstraps.current);
  }

  requestMembers(message: NextMembers): void {
    this.requests.takeNext(message, this.bootstraps.current?.number);
    this.work();
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    const { realm, replica } = this.options.acceptedBind;
    this.collector.stop();
    this.tasks.stop();
    realm.replicaCursors.end(replica.id);
  }

  /** Called by the collector. */
  add(...[version, touch, watched, isOwn]: Parameters<TouchReceiver['add']>): void {
    this.bootstraps.current?.concerned.add(version, touch.text, touch, touch.change, watched, isOwn);
    this.placed.add(version, touch, watched, isOwn);
  }

  /** Called by the collector. */
  addOwn(...[version, text, name]: Parameters<TouchReceiver['addOwn']>): void {
    this.bootstraps.current?.concerned.addOwn(text, name);
    this.placed.addOwn(version, text, name);
  }

  loseEarlierScope(): StoredScope | null {
    const { storedScope: id, source } = this.placed;
    if (id === (this.scope?.id ?? null)) return null;
    if (source !== null) this.beginAgain();
    return { id };
  }

  /** Brings the client to the latest view, instead of the one that is under way. */
  private planLatest(): void {
    this.startOver();
    this.tasks.cancel();
    this.work();
  }

  private isPlanned(): boolean {
    return this.requests.unplanned === null && this.bootstraps.current === null;
  }

  private hasRoom(): boolean {
    const isCollecting = this.placed.changes !== null || this.bootstraps.current !== null;
    return isCollecting && this.sender.cursor.unconfirmedBytes() < this.options.bytesInFlightMax;
  }

  private receivedPage(page: SharedPage, untouchedTo: Version): void {
    const { realm } = this.options.acceptedBind;
    if (page.upTo < realm.history.log.head) realm.postponeProjection();
    if (this.bootstraps.current?.checkPage(realm.history, untouchedTo) === false) this.placed.lose();
    const { changes, source } = this.placed;
    if (this.placed.receivedPage(page) && changes !== null) {
      const isLost = isViewLost(realm.history, source, this.sender.cursor.coveredTo, untouchedTo);
      const isTooMuch = changes.size > serverLimits.viewObjectsMax;
      if (isLost || (isTooMuch && this.isPlanned())) this.beginAgain();
      else if (isTooMuch)
        this.placed.changes = null; // They are named with the members of the view on the way.
      else if (changes.size === 0)
        this.sender.sendParts(page.upTo, page.entries.at(-1)?.total ?? realm.history.bytes, new MembersDraft());
    }
    this.work();
  }

  /** The client gets the latest view as a whole. */
  private beginAgain(): void {
    this.placed.lose();
    if (this.bootstraps.current !== null) {
      this.bootstraps.current.isBroken = true; // Its client requests the next page.
      return;
    }
    this.planLatest(); // A read of changes would wait for a head that nothing reads up to.
  }

  /** Begins the next piece of work, unless one is under way. */
  private work(): void {
    if (this.isStarted) this.tasks.start();
  }

  private chooseWork(): Observable<never> | null {
    const { changes, source } = this.placed;
    const { current: bootstrap } = this.bootstraps;
    const { unplanned: asked, page: request } = this.requests;
    const { realm } = this.options.acceptedBind;
    if (asked !== null) return realm.readWith((works) => this.plan(works, asked, source));
    if (bootstrap !== null && request !== null)
      return realm.readWith((works) => this.answer(works, bootstrap, request));
    if (changes === null || source === null || !this.collector.isAtHead) return null;
    if (changes.size === 0) return bootstrap === null ? this.collector.rest(source) : null;
    return realm.readWith((works) => this.readParts(works, source, changes));
  }

  private plan(works: RealmWorks, asked: WantedView, source: ServedView | null): Observable<never> {
    this.collector.wake();
    const { history } = this.options.acceptedBind.realm;
    return planView(works, history, source, asked.filters, this.scope).pipe(
      tap((planned) => {
        // The placed view may be lost meanwhile: then it is planned again.
        if (this.placed.source === source) this.begin(asked, source, planned);
      }),
      ignoreElements(),
    );
  }

  private begin(asked: WantedView, source: ServedView | null, planned: PlannedView): void {
    const { realm, replica } = this.options.acceptedBind;
    const { version, target, rejections } = planned;
    const { coveredTo } = this.sender.cursor;
    this.requests.unplanned = null;
    if (source === null) realm.replicaCursors.begin(replica.id, version, null);
    else if (this.placed.changes === null && source.scope === target.scope) this.placed.collect(source, coveredTo);
    const sentTo = source === null ? Infinity : coveredTo;
    const options = { ...planned, number: asked.number, source, sentTo };
    if (!this.bootstraps.begin(options, this.requests.page?.position ?? null)) this.requests.page = null;
    const bootstrap = this.bootstraps.requireCurrent();
    this.collect(bootstrap, this.placed.changes);
    this.sender.announce(bootstrap, rejections);
  }

  private answer(works: RealmWorks, begun: Bootstrap, request: NextMembers): Observable<never> {
    if (begun.isOvertaken) return runAction(() => this.startOver());
    const at = begun.isBroken ? null : this.bootstraps.resumeAt(request.position);
    const { current: bootstrap } = this.bootstraps;
    const { history } = this.options.acceptedBind.realm;
    if (at === null || bootstrap === null) return runAction(() => this.startOver(true));
    if (bootstrap !== begun) this.collect(bootstrap, null);
    return readMembers(works, history, this.collector, bootstrap, at).pipe(
      map((page) => {
        if (bootstrap.mode === 'difference' && isOutdated(history, this.sender.cursor.coveredTo))
          bootstrap.isBroken = true;
        if (page === null || bootstrap.isBroken) this.startOver(true);
        else if (page.next === null) this.place(bootstrap, page.draft);
        else {
          this.requests.page = null; // Before the message, because the client may request the next page synchronously.
          this.sender.sendPage(bootstrap, page.draft, page.next);
        }
      }),
      ignoreElements(),
    );
  }

  /** Begins to collect changes. Once for each view: objects shown early are new then, and its pages have an end. */
  private collect(bootstrap: Bootstrap, changes: ViewDifference | null): void {
    this.sender.early.addTo(changes, bootstrap);
    this.collector.start(bootstrap.from);
  }

  /** Plans the view again. The client drops its pages when it is announced. `isLost`: it gets the view as a whole. */
  private startOver(isLost = false): void {
    if (isLost) this.placed.lose();
    this.requests.askAgain();
    this.bootstraps.current = null;
  }

  /** Sends the last page. The session follows the new view from then on. */
  private place(bootstrap: Bootstrap, draft: MembersDraft): void {
    const { number, options } = bootstrap;
    this.bootstraps.current = this.requests.page = null;
    this.placed.number = number;
    this.placed.storedScope = options.target.scope;
    this.placed.collect(options.target, this.options.acceptedBind.realm.history.log.head);
    this.sender.sendLastPage(bootstrap, draft);
  }

  private readParts(works: RealmWorks, source: ServedView, changes: ViewDifference): Observable<never> {
    const { history } = this.options.acceptedBind.realm;
    const find = (text: string) => changes.operations.find(text, this.collector.replica);
    // Otherwise another view is on the way, and its members may be later than the objects of this one.
    const read = () =>
      readChanges({ history, ...works }, source, changes, this.bootstraps.current === null ? find : null);
    return readExactly(works, this.collector, read).pipe(
      map((page) => {
        if (this.placed.changes !== changes) return;
        if (!page.isWhole) this.offerChanges(source, changes);
        else if (isOutdated(history, this.sender.cursor.coveredTo)) this.beginAgain();
        else {
          this.placed.collect(source, history.log.head);
          this.sender.sendParts(history.log.head, history.bytes, page.draft);
        }
      }),
      ignoreElements(),
    );
  }

  /** Lets the client request changes that are larger than a page. */
  private offerChanges(source: ServedView, changes: ViewDifference): void {
    this.placed.changes = null;
    if (this.bootstraps.current !== null) return; // They are named with the members of the view on the way.
    const { coveredTo } = this.sender.cursor;
    const bootstrap = this.bootstraps.beginChanges(source, this.placed.number ?? 0, coveredTo, changes);
    this.sender.announce(bootstrap, []);
  }
}

/** Creates the feed of a session with a view. */
export const createViewFeed = (options: ViewFeedOptions): DownloadFeed => new ViewFeed(options);
