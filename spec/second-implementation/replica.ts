import { createHash } from 'node:crypto';
import type { FromServerOf } from './message-frames.js';
import { MergedObject } from './merged-object.js';
import { readBody, type Instant, type Key, type Operation } from './operations.js';
import { ChangesetRewriter, type OwnChangeset } from './rewrite-changeset.js';
import { HybridClock, stampOf } from './timestamps.js';
import { SecondTransaction } from './transaction.js';

interface Stored {
  readonly type: string;
  readonly key: Key;
  object: MergedObject;
}
interface Run {
  readonly id: string;
  upToVersion: number;
}

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Returns a text of `length` random letters. */
export function drawText(length: number, random: () => number): string {
  let text = '';
  while (text.length < length) text += letters.charAt(Math.floor(random() * letters.length));
  return text;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

const nameOf = (type: string, key: Key): string => JSON.stringify([type, key]);

/**
 * The data of one replica, as a device would keep it. `stored` is the state of the server, `view` is that state with
 * the outbox on top.
 */
export class Replica {
  id: string;
  history: string | null = null;
  downloadedTo = 0;
  acknowledged = 0;
  written = 0;
  /** The client version up to which changesets were handed to a connection. */
  handedOver = 0;
  own = false;
  /** The instant of the last operation that the server has of this replica. */
  acknowledgedAt: Instant | null = null;
  runs: Run[] = [];
  outbox: OwnChangeset[] = [];
  readonly rejected: { readonly version: number; readonly code: string; readonly reasons: readonly string[] }[] = [];
  readonly clock: HybridClock;
  private stored = new Map<string, Stored>();
  private view = new Map<string, Stored>();
  /** A clock at the latest stamp that does not belong to the outbox. */
  readonly floor: HybridClock;

  constructor(
    private readonly deviceTime: () => number,
    private readonly random: () => number,
  ) {
    this.id = drawText(20, random);
    this.runs = [{ id: drawText(20, random), upToVersion: 0 }];
    this.clock = new HybridClock(deviceTime);
    this.floor = new HybridClock(deviceTime);
  }

  /** Returns a replica with the same data, as if the storage was opened once more: in another run. */
  copy(): Replica {
    const copy = new Replica(this.deviceTime, this.random);
    const { id, history, downloadedTo, acknowledged, written, handedOver, own, acknowledgedAt } = this;
    Object.assign(copy, { id, history, downloadedTo, acknowledged, written, handedOver, own, acknowledgedAt });
    copy.outbox = [...this.outbox];
    copy.runs = [...this.runs.map((run) => ({ ...run })), { id: drawText(20, this.random), upToVersion: written }];
    for (const [name, { type, key, object }] of this.stored)
      copy.stored.set(name, { type, key, object: MergedObject.read(object.write()) });
    copy.rebuild();
    return copy;
  }

  objectOf(type: string, key: Key): MergedObject {
    return findOrCreate(this.view, type, key).object;
  }

  /** Returns the objects that exist. */
  objects(): readonly Stored[] {
    return [...this.view.values()].filter(({ object }) => object.isThere());
  }

  write(does: (write: SecondTransaction) => void): void {
    const write = new SecondTransaction(
      this.id,
      this.clock.next(),
      (type, key) => this.objectOf(type, key),
      () => drawText(8, this.random),
      this.own ? this.acknowledgedAt : null,
    );
    does(write);
    const { instant, operations } = write;
    if (operations.length === 0) return;
    this.clock.observe(instant.time, instant.count + operations.length - 1);
    this.written += 1;
    this.runs.at(-1)!.upToVersion = this.written;
    this.outbox.push({ ...instant, version: this.written, operations });
  }

  /** Returns the runs that a bind names: from that of `acknowledged` on. */
  runsToSend(): readonly Run[] {
    const last = this.runs.at(-1)!;
    return this.runs.filter(
      (run, n) =>
        run === last ||
        (run.upToVersion >= this.acknowledged && run.upToVersion > (this.runs[n - 1]?.upToVersion ?? 0)),
    );
  }

  acknowledge(version: number): void {
    for (const changeset of this.outbox)
      if (changeset.version <= version) {
        this.apply(this.stored, this.id, changeset, changeset.operations);
        this.acknowledgedAt = { time: changeset.time, count: changeset.count + changeset.operations.length - 1 };
      }
    this.outbox = this.outbox.filter((each) => each.version > version);
    this.acknowledged = Math.max(this.acknowledged, version);
  }

  reject({ version, code, writes, serverStates }: FromServerOf<'refused'>): void {
    this.acknowledge(version - 1);
    this.outbox = this.outbox.filter((each) => each.version !== version);
    this.acknowledged = version;
    this.rejected.push({ version, code, reasons: writes.map(({ reason }) => reason) });
    for (const { type, key, state } of serverStates) {
      const object = state ? MergedObject.read(state) : new MergedObject();
      this.observe(object);
      this.stored.set(nameOf(type, key), { type, key, object });
    }
    this.rebuild();
  }

  /** Stores a page of downloads. */
  take({ changesets, upTo, remaining }: FromServerOf<'download'>): void {
    const touched = new Set<string>();
    for (const changeset of changesets) {
      const operations = readBody(changeset.body);
      for (const { type, key } of operations) touched.add(nameOf(type, key));
      this.apply(this.stored, changeset.origin, changeset, operations);
      this.observeBoth(changeset.time, changeset.count + operations.length - 1);
    }
    this.downloadedTo = upTo;
    if (remaining === 0) this.own = false;
    this.rebuild(touched);
  }

  takeSnapshot(version: number, objects: FromServerOf<'snapshot'>['objects']): void {
    this.stored = new Map();
    for (const { type, key, state } of objects) {
      const object = MergedObject.read(state);
      this.observe(object);
      this.stored.set(nameOf(type, key), { type, key, object });
    }
    this.downloadedTo = version;
    this.own = true;
    this.rebuild();
  }

  /** Gives new stamps to unsent changesets that are ahead of the server: docs/PROTOCOL.md, "Stamps". */
  restamp(serverTime: number): void {
    const kept = this.outbox.filter((each) => each.version <= this.handedOver);
    for (const each of kept) this.floor.observe(each.time, each.count + each.operations.length - 1);
    const unsent = this.outbox.slice(kept.length);
    const start = unsent.findIndex((each) => each.time > serverTime);
    if (start < 0) return;
    const rewriting = new ChangesetRewriter(this.id, this.id);
    const steady = unsent.slice(0, start);
    for (const each of steady) this.floor.observe(each.time, each.count + each.operations.length - 1);
    const again = unsent.slice(start).map((each) => {
      const instant = this.floor.next();
      const isEarlier = instant.time < each.time || (instant.time === each.time && instant.count < each.count);
      const changeset = rewriting.rewrite(each, isEarlier ? instant : each, each.version);
      this.floor.observe(changeset.time, changeset.count + changeset.operations.length - 1);
      return changeset;
    });
    this.outbox = [...kept, ...steady, ...again];
    this.clock.restart();
    this.clock.observe(this.floor.latest.time, this.floor.latest.count);
    this.rebuild();
  }

  /** Continues under a new id, with the changesets after this version as unsent. */
  becomeNew(version: number): void {
    this.acknowledge(version);
    const before = this.id;
    // The new id still names the replica that this one continues.
    const joined = /^(.+~[0-9a-z]{1,11}~)[0-9A-Za-z]+$/.exec(before)?.[1] ?? '';
    const first = this.outbox[0]?.version ?? Infinity;
    const firstRun = this.runs.find(({ upToVersion: upTo }) => upTo >= first)?.id ?? '';
    // Copies with the same unsent changesets derive the same id.
    const rest = first < Infinity ? digest(`${before} ${firstRun} ${first}`) : drawText(20, this.random);
    this.id = joined + rest;
    const rewriting = new ChangesetRewriter(before, this.id);
    this.outbox = this.outbox.map((each, n) => rewriting.rewrite(each, each, n + 1));
    this.written = this.outbox.length;
    this.acknowledged = 0;
    this.acknowledgedAt = null;
    this.handedOver = Math.max(0, this.handedOver - first + 1);
    const present = this.runs.at(-1)!;
    this.runs = this.runs
      .map(({ id, upToVersion: upTo }) => ({ id, upToVersion: Math.max(0, upTo - first + 1) }))
      .filter(({ id, upToVersion }) => upToVersion > 0 || id === present.id);
    this.runs.at(-1)!.upToVersion = this.written;
    this.rebuild();
  }

  /** Continues under a new id, and gives new stamps to the unsent changesets. */
  becomeNewLater(): void {
    this.becomeNew(this.acknowledged);
    const rewriting = new ChangesetRewriter(this.id, this.id);
    this.outbox = this.outbox.map((each) => {
      const changeset = rewriting.rewrite(each, this.clock.next(), each.version);
      this.clock.observe(changeset.time, changeset.count + changeset.operations.length - 1);
      return changeset;
    });
    this.rebuild();
  }

  /** Discards everything except the unsent changesets, because the server has another history. */
  resetToNewHistory(): void {
    this.stored = new Map();
    this.history = null;
    this.downloadedTo = 0;
    this.own = true;
    this.rebuild();
  }

  private observe(object: MergedObject): void {
    for (const { time, count } of object.stamps()) this.observeBoth(time, count);
  }

  private observeBoth(time: number, count: number): void {
    this.clock.observe(time, count);
    this.floor.observe(time, count);
  }

  private apply(
    into: Map<string, Stored>,
    replica: string,
    changeset: { readonly time: number; readonly count: number },
    operations: readonly Operation[],
  ): void {
    operations.forEach((each, n) =>
      findOrCreate(into, each.type, each.key).object.apply(each, stampOf(changeset, replica, n)),
    );
  }

  /** Rebuilds the view, which is `stored` with the outbox on top: for all objects, or for some. */
  private rebuild(names: Iterable<string> = new Set([...this.view.keys(), ...this.stored.keys()])): void {
    const touched = new Set(names);
    for (const name of touched) {
      const stored = this.stored.get(name);
      if (stored) this.view.set(name, { ...stored, object: MergedObject.read(stored.object.write()) });
      else this.view.delete(name);
    }
    for (const changeset of this.outbox)
      changeset.operations.forEach((each, n) => {
        if (!touched.has(nameOf(each.type, each.key))) return;
        findOrCreate(this.view, each.type, each.key).object.apply(each, stampOf(changeset, this.id, n));
      });
  }
}

function findOrCreate(objects: Map<string, Stored>, type: string, key: Key): Stored {
  const found = objects.get(nameOf(type, key)) ?? { type, key, object: new MergedObject() };
  objects.set(nameOf(type, key), found);
  return found;
}
