import { ignoreElements, map, tap, type Observable } from 'rxjs';
import { runAction } from '../../model/operators.js';
import type { Version } from '../../model/version.js';
import type { WantedView } from '../../model/view.js';
import type { Fault, Fetch, MarkRequest, Received, WriteRejected } from '../../protocol/messages.js';
import type { NextMembers, Subscribe } from '../../protocol/view-messages.js';
import type { RealmWorks } from '../realms/realm-works.js';
import { createProtocolViolation } from '../server-errors.js';
import { serverLimits } from '../server-limits.js';
import type { DownloadFeed, DownloadFeedOptions } from '../sessions/download-feed.js';
import type { SharedPage } from '../sessions/shared-page.js';
import { Bootstrap, resumeBootstrap, type ScanPosition } from './bootstrap.js';
import { ChangeCollector, type TouchReceiver } from './change-collector.js';
import { MembersDraft } from './members-draft.js';
import { isOutdated, planView, type AcceptedView, type PlannedView } from './plan-view.js';
import { readChanges, readExactly, readMembers } from './read-pages.js';
import type { ServedView } from './served-view.js';
import { TaskRunner } from './task-runner.js';
import { ViewDifference } from './view-difference.js';
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
  /** The placed view; `null`: the client gets the next view as a whole. */
  private source: ServedView | null;
  private placedNumber: Version | null;
  /** The changes of the placed view after what was sent; `null` while they are not sent by themselves. */
  private changes: ViewDifference | null = null;
  /** The version up to which `changes` are collected. */
  private changesTo: Version;
  /** The latest view that the client asked for, or the placed one. */
  private latest: WantedView;
  private asked: WantedView | null = null;
  private bootstrap: Bootstrap | null = null;
  private request: NextMembers | null = null;
  /** `false` until `bound` was sent: the client may subscribe while that is sent. */
  private isStarted = false;
  private hasSubscribed = false;
  private isStopped = false;

  constructor(private readonly options: ViewFeedOptions) {
    const { bind, acceptedBind, view, teardown } = options;
    const { realm, replica } = acceptedBind;
    const { session, downloadedTo } = bind;
    this.source = view.source;
    this.placedNumber = view.number;
    this.latest = { number: view.number ?? 0, filters: view.source?.filters ?? [] };
    this.changesTo = downloadedTo;
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
    const { bind, acceptedBind } = this.options;
    const { realm, replica } = acceptedBind;
    const { source } = this;
    const from = source === null ? realm.history.log.head : bind.downloadedTo;
    realm.replicaCursors.begin(replica.id, from, source === null ? null : from);
    this.isStarted = true;
    if (source !== null) {
      this.changes = new ViewDifference(source);
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
    this.sender.answerMark(message, this.source !== null && this.asked === null && this.bootstrap === null);
  }

  fetch({ version }: Fetch): void {
    throw createProtocolViolation(`fetch: no objects of version ${version} can be fetched now.`);
  }

  fault({ version }: Fault): void {
    if (version > this.options.acceptedBind.realm.history.log.head)
      throw createProtocolViolation(`fault: version ${version} was not sent.`);
  }

  requestView({ number, filters }: Subscribe): void {
    const least = this.hasSubscribed ? this.latest.number + 1 : (this.placedNumber ?? 0);
    if (number < least) throw createProtocolViolation(`subscribe: number ${number} comes after ${this.latest.number}.`);
    this.hasSubscribed = true;
    this.latest = { number, filters };
    this.asked = this.latest;
    this.bootstrap = this.request = null;
    this.tasks.cancel();
    this.work();
  }

  noteRejection(message: WriteRejected): WriteRejected {
    this.collector.catchUp();
    return this.sender.noteRejection(message, this.changes, this.bootstrap);
  }

  requestMembers(message: NextMembers): void {
    const number = (this.asked ?? this.bootstrap)?.number;
    if (number !== message.number || this.request !== null)
      throw createProtocolViolation(`next: no members of view ${message.number} can be fetched now.`);
    this.request = message;
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
    const { text, change } = touch;
    this.bootstrap?.concerned.add(version, text, touch, change, watched, isOwn);
    if (version > this.changesTo) this.changes?.add(text, touch, change, watched, isOwn);
  }

  /** Called by the collector. */
  addOwn(...[version, text, name]: Parameters<TouchReceiver['addOwn']>): void {
    this.bootstrap?.concerned.addOwn(text, name);
    if (version > this.changesTo) this.changes?.addOutside(text, name);
  }

  private hasRoom(): boolean {
    const isCollecting = this.changes !== null || this.bootstrap !== null;
    return isCollecting && this.sender.cursor.unconfirmedBytes() < this.options.bytesInFlightMax;
  }

  private receivedPage(page: SharedPage, untouchedTo: Version): void {
    const { realm } = this.options.acceptedBind;
    const { history } = realm;
    if (page.upTo < history.log.head) realm.postponeProjection();
    if (this.bootstrap?.checkPage(history, untouchedTo) === false) this.source = this.changes = null;
    const { changes, source } = this;
    if (changes !== null && page.upTo > this.changesTo) {
      this.changesTo = page.upTo;
      const isLost = isViewLost(history, source, this.sender.cursor.coveredTo, untouchedTo);
      const isTooMuch = changes.size > serverLimits.viewObjectsMax;
      if (isLost || (isTooMuch && this.bootstrap === null && this.asked === null)) this.beginAgain();
      else if (isTooMuch)
        this.changes = null; // They are named with the members of the view on the way.
      else if (changes.size === 0) {
        this.sender.sendParts(page.upTo, page.entries.at(-1)?.total ?? history.bytes, new MembersDraft());
      }
    }
    this.work();
  }

  /** The client gets the latest view as a whole. */
  private beginAgain(): void {
    this.source = this.changes = null;
    if (this.bootstrap !== null) {
      this.bootstrap.isBroken = true; // Its client requests the next page.
      return;
    }
    this.asked ??= this.latest;
    this.tasks.cancel(); // A read of changes would wait for a head that nothing reads up to.
    this.work();
  }

  /** Begins the next piece of work, unless one is under way. */
  private work(): void {
    if (this.isStarted) this.tasks.start();
  }

  private chooseWork(): Observable<never> | null {
    const { asked, bootstrap, request, changes, source, collector } = this;
    const { realm } = this.options.acceptedBind;
    if (asked !== null) return realm.readWith((works) => this.plan(works, asked));
    if (bootstrap !== null && request !== null)
      return realm.readWith((works) => this.answer(works, bootstrap, request));
    if (changes === null || source === null || !collector.isAtHead) return null;
    if (changes.size === 0) return bootstrap === null ? collector.rest(source) : null;
    return realm.readWith((works) => this.readParts(works, source, changes));
  }

  private plan(works: RealmWorks, asked: WantedView): Observable<never> {
    this.collector.wake();
    const { source } = this;
    const { history } = this.options.acceptedBind.realm;
    return planView(works, history, source, asked.filters).pipe(
      tap((planned) => {
        // The placed view may be lost meanwhile: then it is planned again.
        if (this.source === source) this.begin(asked, source, planned);
      }),
      ignoreElements(),
    );
  }

  private begin(asked: WantedView, source: ServedView | null, planned: PlannedView): void {
    const { realm, replica } = this.options.acceptedBind;
    const { version, target, rejections } = planned;
    const { coveredTo } = this.sender.cursor;
    this.asked = null;
    if (source === null) realm.replicaCursors.begin(replica.id, version, null);
    else if (this.changes === null) {
      this.changes = new ViewDifference(source);
      this.changesTo = coveredTo;
    }
    const sentTo = source === null ? Infinity : coveredTo;
    this.bootstrap = new Bootstrap({ ...planned, number: asked.number, source, target, sentTo });
    if (this.resumeAt(this.request?.position ?? null) === null) this.request = null;
    this.sender.early.addTo(this.changes, this.bootstrap);
    this.collector.start(this.bootstrap.from);
    this.sender.announce(this.bootstrap, rejections);
  }

  /** Goes on where a position says, maybe with the pages of an earlier connection. `null`: that is not possible. */
  private resumeAt(text: string | null): ScanPosition | null {
    const resumed = this.bootstrap && resumeBootstrap(this.bootstrap, text, this.options.acceptedBind.realm.history);
    if (resumed === null) return null;
    this.bootstrap = resumed.bootstrap;
    return resumed.at;
  }

  private answer(works: RealmWorks, begun: Bootstrap, request: NextMembers): Observable<never> {
    const at = begun.isBroken ? null : this.resumeAt(request.position);
    const { bootstrap, collector } = this;
    const { history } = this.options.acceptedBind.realm;
    if (at === null || bootstrap === null) return runAction(() => this.startOver());
    this.sender.early.addTo(null, bootstrap);
    if (bootstrap !== begun) collector.start(bootstrap.from);
    return readMembers(works, history, collector, bootstrap, at).pipe(
      map((page) => {
        if (bootstrap.mode === 'difference' && isOutdated(history, this.sender.cursor.coveredTo))
          bootstrap.isBroken = true;
        if (page === null || bootstrap.isBroken) this.startOver();
        else if (page.next === null) this.place(bootstrap, page.draft);
        else {
          this.request = null; // Before the message, because the client may request the next page synchronously.
          this.sender.sendPage(bootstrap, page.draft, page.next);
        }
      }),
      ignoreElements(),
    );
  }

  /** Plans the view again, as a whole, so that the client drops its pages when it is announced. */
  private startOver(): void {
    this.request = this.source = this.changes = this.bootstrap = null;
    this.asked ??= this.latest;
  }

  /** Sends the last page. The session follows the new view from then on. */
  private place(bootstrap: Bootstrap, draft: MembersDraft): void {
    const { number, options } = bootstrap;
    this.bootstrap = this.request = null;
    this.source = options.target;
    this.placedNumber = number;
    this.changes = new ViewDifference(options.target);
    this.changesTo = this.options.acceptedBind.realm.history.log.head;
    this.sender.sendLastPage(bootstrap, draft);
  }

  private readParts(works: RealmWorks, source: ServedView, changes: ViewDifference): Observable<never> {
    const { history } = this.options.acceptedBind.realm;
    const ports = { history, headState: works.headState };
    return readExactly(works, this.collector, () => readChanges(ports, source, changes)).pipe(
      map((page) => {
        if (this.changes !== changes) return;
        if (!page.isWhole) this.offerChanges(source, changes);
        else if (isOutdated(history, this.sender.cursor.coveredTo)) this.beginAgain();
        else {
          this.changes = new ViewDifference(source);
          this.changesTo = history.log.head;
          this.sender.sendParts(this.changesTo, history.bytes, page.draft);
        }
      }),
      ignoreElements(),
    );
  }

  /** Lets the client request changes that are larger than a page. */
  private offerChanges(source: ServedView, changes: ViewDifference): void {
    this.changes = null;
    if (this.bootstrap !== null) return; // They are named with the members of the view on the way.
    const { head: version } = this.options.acceptedBind.realm.history.log;
    const from = { number: this.placedNumber ?? 0, source, sentTo: this.sender.cursor.coveredTo };
    this.bootstrap = new Bootstrap({ ...from, target: source, version, scans: [], plans: [] });
    this.bootstrap.concerned.addChanges(changes.changes);
    this.sender.announce(this.bootstrap, []);
  }
}

/** Creates the feed of a session with a view. */
export const createViewFeed = (options: ViewFeedOptions): DownloadFeed => new ViewFeed(options);
