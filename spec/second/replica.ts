import { createHash } from 'node:crypto';
import type { FromServerOf } from './frames.js';
import { MergedObject } from './object.js';
import { readBody, type Key, type Operation } from './operations.js';
import { Rewriting, type OwnChangeset } from './rewrite.js';
import { HybridClock, stampOf } from './stamps.js';
import { Write } from './write.js';

interface Stored {
  readonly type: string;
  readonly key: Key;
  object: MergedObject;
}
interface Run {
  readonly id: string;
  upTo: number;
}

const letters = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** A text of so many random letters. */
export function draw(length: number, random: () => number): string {
  let text = '';
  while (text.length < length) text += letters.charAt(Math.floor(random() * letters.length));
  return text;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}

const nameOf = (type: string, key: Key): string => JSON.stringify([type, key]);

/** The data of one replica, as a device would keep it. `stored` is what the server has, `view` that with the outbox on top. */
export class Replica {
  id: string;
  history: string | null = null;
  seen = 0;
  acknowledged = 0;
  written = 0;
  /** The client version up to which changesets were handed to a connection. */
  handedOver = 0;
  own = false;
  runs: Run[] = [];
  outbox: OwnChangeset[] = [];
  readonly refused: { readonly version: number; readonly code: string; readonly reasons: readonly string[] }[] = [];
  readonly clock: HybridClock;
  private stored = new Map<string, Stored>();
  private view = new Map<string, Stored>();
  /** The latest stamp that is not of the outbox. */
  readonly floor: HybridClock;

  constructor(
    private readonly deviceTime: () => number,
    private readonly random: () => number,
  ) {
    this.id = draw(20, random);
    this.runs = [{ id: draw(20, random), upTo: 0 }];
    this.clock = new HybridClock(deviceTime);
    this.floor = new HybridClock(deviceTime);
  }

  /** The same data, opened once more: in another run. */
  copy(): Replica {
    const copy = new Replica(this.deviceTime, this.random);
    const { id, history, seen, acknowledged, written, handedOver, own } = this;
    Object.assign(copy, { id, history, seen, acknowledged, written, handedOver, own, outbox: [...this.outbox] });
    copy.runs = [...this.runs.map((run) => ({ ...run })), { id: draw(20, this.random), upTo: written }];
    for (const [name, { type, key, object }] of this.stored)
      copy.stored.set(name, { type, key, object: MergedObject.read(object.write()) });
    copy.rebuild();
    return copy;
  }

  objectOf(type: string, key: Key): MergedObject {
    return find(this.view, type, key).object;
  }

  /** The objects that are there. */
  objects(): readonly Stored[] {
    return [...this.view.values()].filter(({ object }) => object.isThere());
  }

  write(does: (write: Write) => void): void {
    const write = new Write(
      this.id,
      this.clock.next(),
      (type, key) => this.objectOf(type, key),
      () => draw(8, this.random),
    );
    does(write);
    const { instant, operations } = write;
    if (operations.length === 0) return;
    this.clock.see(instant.time, instant.count + operations.length - 1);
    this.written += 1;
    this.runs.at(-1)!.upTo = this.written;
    this.outbox.push({ ...instant, version: this.written, operations });
  }

  /** The runs that a bind names: from that of `acknowledged` on. */
  runsToSay(): readonly Run[] {
    const last = this.runs.at(-1)!;
    return this.runs.filter(
      (run, n) => run === last || (run.upTo >= this.acknowledged && run.upTo > (this.runs[n - 1]?.upTo ?? 0)),
    );
  }

  acknowledge(version: number): void {
    for (const changeset of this.outbox)
      if (changeset.version <= version) this.apply(this.stored, this.id, changeset, changeset.operations);
    this.outbox = this.outbox.filter((each) => each.version > version);
    this.acknowledged = Math.max(this.acknowledged, version);
  }

  refuse({ version, code, writes, standing }: FromServerOf<'refused'>): void {
    this.acknowledge(version - 1);
    this.outbox = this.outbox.filter((each) => each.version !== version);
    this.acknowledged = version;
    this.refused.push({ version, code, reasons: writes.map(({ reason }) => reason) });
    for (const { type, key, state } of standing) {
      const object = state ? MergedObject.read(state) : new MergedObject();
      this.see(object);
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
      this.seeBoth(changeset.time, changeset.count + operations.length - 1);
    }
    this.seen = upTo;
    if (remaining === 0) this.own = false;
    this.rebuild(touched);
  }

  takeSnapshot(version: number, objects: FromServerOf<'snapshot'>['objects']): void {
    this.stored = new Map();
    for (const { type, key, state } of objects) {
      const object = MergedObject.read(state);
      this.see(object);
      this.stored.set(nameOf(type, key), { type, key, object });
    }
    this.seen = version;
    this.own = true;
    this.rebuild();
  }

  /** Stamps again what was stamped ahead of the server and was not uploaded: docs/PROTOCOL.md, "Stamps". */
  restamp(serverTime: number): void {
    const kept = this.outbox.filter((each) => each.version <= this.handedOver);
    for (const each of kept) this.floor.see(each.time, each.count + each.operations.length - 1);
    const unsent = this.outbox.slice(kept.length);
    const start = unsent.findIndex((each) => each.time > serverTime);
    if (start < 0) return;
    const rewriting = new Rewriting(this.id, this.id);
    const steady = unsent.slice(0, start);
    for (const each of steady) this.floor.see(each.time, each.count + each.operations.length - 1);
    const again = unsent.slice(start).map((each) => {
      const instant = this.floor.next();
      const isEarlier = instant.time < each.time || (instant.time === each.time && instant.count < each.count);
      const changeset = rewriting.rewrite(each, isEarlier ? instant : each, each.version);
      this.floor.see(changeset.time, changeset.count + changeset.operations.length - 1);
      return changeset;
    });
    this.outbox = [...kept, ...steady, ...again];
    this.clock.restart();
    this.clock.see(this.floor.latest.time, this.floor.latest.count);
    this.rebuild();
  }

  /** Starts over under another name, with what is unsent after this version. */
  becomeNew(version: number): void {
    this.acknowledge(version);
    const before = this.id;
    const joined = /^(.+~[0-9a-z]{1,11}~)[0-9A-Za-z]+$/.exec(before)?.[1] ?? ''; // It still brings what that one brought.
    const first = this.outbox[0]?.version ?? Infinity;
    const firstRun = this.runs.find(({ upTo }) => upTo >= first)?.id ?? '';
    const rest = first < Infinity ? digest(`${before} ${firstRun} ${first}`) : draw(20, this.random); // Copies come to the same name.
    this.id = joined + rest;
    const rewriting = new Rewriting(before, this.id);
    this.outbox = this.outbox.map((each, n) => rewriting.rewrite(each, each, n + 1));
    this.written = this.outbox.length;
    this.acknowledged = 0;
    this.handedOver = Math.max(0, this.handedOver - first + 1);
    const present = this.runs.at(-1)!;
    this.runs = this.runs
      .map(({ id, upTo }) => ({ id, upTo: Math.max(0, upTo - first + 1) }))
      .filter(({ id, upTo }) => upTo > 0 || id === present.id);
    this.runs.at(-1)!.upTo = this.written;
    this.rebuild();
  }

  /** The same, and stamps anew what is unsent. */
  becomeNewLater(): void {
    this.becomeNew(this.acknowledged);
    const rewriting = new Rewriting(this.id, this.id);
    this.outbox = this.outbox.map((each) => {
      const changeset = rewriting.rewrite(each, this.clock.next(), each.version);
      this.clock.see(changeset.time, changeset.count + changeset.operations.length - 1);
      return changeset;
    });
    this.rebuild();
  }

  /** Puts away all but what is unsent: the history is another one. */
  startOver(): void {
    this.stored = new Map();
    this.history = null;
    this.seen = 0;
    this.own = true;
    this.rebuild();
  }

  private see(object: MergedObject): void {
    for (const { time, count } of object.stamps()) this.seeBoth(time, count);
  }

  private seeBoth(time: number, count: number): void {
    this.clock.see(time, count);
    this.floor.see(time, count);
  }

  private apply(
    into: Map<string, Stored>,
    replica: string,
    changeset: { readonly time: number; readonly count: number },
    operations: readonly Operation[],
  ): void {
    operations.forEach((each, n) => find(into, each.type, each.key).object.apply(each, stampOf(changeset, replica, n)));
  }

  /** What is stored with the outbox on top: of all objects, or of some. */
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
        find(this.view, each.type, each.key).object.apply(each, stampOf(changeset, this.id, n));
      });
  }
}

function find(objects: Map<string, Stored>, type: string, key: Key): Stored {
  const found = objects.get(nameOf(type, key)) ?? { type, key, object: new MergedObject() };
  objects.set(nameOf(type, key), found);
  return found;
}
