import { Subject, type Observable, type Subscription } from 'rxjs';
import { fromServer, toServer, type FromServer, type FromServerOf, type ToServer } from './message-frames.js';
import { writeBody } from './operations.js';
import type { Replica } from './replica.js';
import { waitForValue } from '../wait-for.js';

export type FrameWire = (frames: Observable<Uint8Array>) => Observable<Uint8Array>;

const pageChangesetsMax = 1_000;
const pageBytesMax = 131_072;
const pagesInFlightMax = 8;
const messageBytesMax = 67_108_864;

/** One connection of a replica to the server, with one session after the other. */
export class Session {
  bound: FromServerOf<'bound'> | null = null;
  /** Codes of the errors that ended sessions, and the reason for the end of the connection. */
  readonly ends: string[] = [];
  readonly received: FromServer[] = [];
  isOpen = true;
  private session = 0;
  private boundAt = 0;
  /** The last versions of the uploads without an answer. */
  private pages: number[] = [];
  private uploaded = 0;
  private request = 0;
  private answered = 0;
  private partBytes: Uint8Array[] = [];
  private objects: FromServerOf<'snapshot'>['objects'][number][] = [];
  private readonly frames = new Subject<Uint8Array>();
  private readonly changed = new Subject<void>();
  private readonly connection: Subscription;

  constructor(
    private readonly replica: Replica,
    wire: FrameWire,
    private readonly realm: string,
    private readonly deviceTime: () => number,
  ) {
    this.connection = wire(this.frames).subscribe({
      next: (frame) => this.receive(frame),
      error: (thrown: unknown) => this.end(String(thrown)),
      complete: () => this.end('closed'),
    });
    this.bind();
  }

  close(): void {
    this.isOpen = false;
    this.connection.unsubscribe();
  }

  /** Uploads the changesets that were written since the last upload. */
  flush(): void {
    const { bound, replica } = this;
    if (!bound) return;
    while (this.pages.length < pagesInFlightMax) {
      const page = this.nextPage();
      if (page.length === 0) return;
      this.uploaded = page.at(-1)!.version;
      replica.handedOver = Math.max(replica.handedOver, this.uploaded);
      this.pages.push(this.uploaded);
      this.send({ type: 'upload', session: this.session, changesets: page });
    }
  }

  private nextPage() {
    const page: { version: number; time: number; count: number; body: Uint8Array }[] = [];
    let bytes = 0;
    for (const { version, time, count, operations } of this.replica.outbox) {
      if (version <= this.uploaded) continue;
      if (page.length === pageChangesetsMax || bytes >= pageBytesMax) break;
      const body = writeBody(operations);
      page.push({ version, time, count, body });
      bytes += body.length + 32;
    }
    return page;
  }

  /** Uploads everything, then downloads the server's history up to that time. Returns early if the connection ends. */
  async settle(): Promise<void> {
    this.flush();
    await this.until(() => this.bound !== null && this.replica.outbox.length === 0 && !this.isFetching());
    if (!this.isOpen) return;
    this.request += 1;
    const { request, session } = this;
    this.send({ type: 'mark', session, request });
    await this.until(() => this.answered >= request || this.session !== session);
    if (this.session !== session) await this.settle();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (this.isOpen && !isSo()) await waitForValue(this.changed, String(isSo));
  }

  private isFetching(): boolean {
    return this.bound?.snapshot != null && this.replica.downloadedTo < this.bound.snapshot;
  }

  private bind(): void {
    const { replica } = this;
    this.session += 1;
    this.bound = null;
    this.pages = [];
    this.request = 0;
    this.answered = 0;
    this.objects = [];
    this.boundAt = this.deviceTime();
    this.send({
      type: 'bind',
      session: this.session,
      realm: this.realm,
      replica: replica.id,
      token: 'a token',
      history: replica.history,
      downloadedTo: replica.downloadedTo,
      acknowledged: replica.acknowledged,
      includeOwn: replica.own,
      runs: replica.runsToSend().map(({ id, upToVersion }) => ({ id, lastVersion: upToVersion })),
    });
  }

  private send(message: ToServer): void {
    if (this.isOpen) this.frames.next(toServer.encode(message));
  }

  private end(why: string): void {
    this.ends.push(why);
    this.isOpen = false;
    this.changed.next();
  }

  private receive(frame: Uint8Array): void {
    const message = fromServer.decode(frame);
    this.received.push(message);
    if (message.type === 'part') this.takePart(message);
    else if (message.type === 'error' && message.session === null) this.end(message.code);
    else if (!('session' in message) || message.session === this.session) this.take(message);
    this.changed.next();
  }

  private takePart({ isLast, bytes }: FromServerOf<'part'>): void {
    this.partBytes.push(bytes);
    const frame = Buffer.concat(this.partBytes);
    if (frame.length > messageBytesMax) throw new Error('the parts are too large');
    if (!isLast) return;
    this.partBytes = [];
    this.receive(Uint8Array.from(frame));
  }

  private take(message: FromServer): void {
    const { replica, session } = this;
    switch (message.type) {
      case 'bound':
        this.takeBound(message);
        break;
      case 'accepted':
        replica.acknowledge(message.version);
        this.pages = this.pages.filter((last) => last > message.version);
        this.flush();
        break;
      case 'refused':
        replica.reject(message);
        this.pages = this.pages.filter((last) => last > message.version);
        this.flush();
        break;
      case 'download':
        try {
          replica.take(message);
          this.send({ type: 'received', session, version: message.upTo });
        } catch {
          this.send({
            type: 'fault',
            session,
            version: message.changesets[0]?.version ?? message.upTo,
            code: 'unreadable',
          });
        }
        break;
      case 'snapshot':
        this.takeSnapshot(message);
        break;
      case 'mark':
        this.answered = message.request;
        break;
      case 'copied':
        replica.becomeNew(message.version);
        this.bind();
        break;
      case 'error':
        this.takeError(message.code);
        break;
      default: // `pong` and `unbound` need no action.
    }
  }

  private takeBound(bound: FromServerOf<'bound'>): void {
    const { replica } = this;
    const now = this.deviceTime();
    const difference = bound.serverTime - (now + this.boundAt) / 2;
    if (Math.abs(difference) >= 1_000 && Math.abs(difference) >= now - this.boundAt)
      replica.clock.correction = replica.floor.correction = difference;
    const own = replica.outbox.find(({ version }) => version === bound.accepted);
    const isCopied = own && bound.stamp && (own.time !== bound.stamp.time || own.count !== bound.stamp.count);
    if (isCopied || bound.accepted > replica.written) {
      this.send({ type: 'unbind', session: this.session });
      replica.becomeNew(replica.acknowledged);
      this.bind();
      return;
    }
    this.bound = bound;
    replica.history = bound.history;
    replica.acknowledge(bound.accepted);
    replica.restamp(bound.serverTime);
    this.uploaded = bound.accepted;
    this.flush();
    if (bound.snapshot !== null)
      this.send({ type: 'fetch', session: this.session, version: bound.snapshot, after: null });
  }

  private takeSnapshot({ version, objects, remaining }: FromServerOf<'snapshot'>): void {
    this.objects.push(...objects);
    const last = objects.at(-1);
    if (remaining > 0 && last) {
      this.send({ type: 'fetch', session: this.session, version, after: { type: last.type, key: last.key } });
      return;
    }
    this.replica.takeSnapshot(version, this.objects);
    this.objects = [];
    this.send({ type: 'received', session: this.session, version });
  }

  private takeError(code: string): void {
    this.ends.push(code);
    const { bound, replica } = this;
    if (code === 'history-changed') {
      // The first time the replica keeps its id. After that, or when it had been bound, it continues as a new replica:
      // docs/PROTOCOL.md, "Nothing twice, nothing lost".
      const isRefusedAgain = replica.history === null;
      replica.resetToNewHistory();
      if (isRefusedAgain || bound) replica.becomeNewLater();
    } else if (code !== 'snapshot-gone' && code !== 'too-many-refused') {
      this.end(code);
      return;
    }
    this.bind();
  }
}
