import { Observable, of, Subject, Subscriber, type SchedulerLike, VirtualTimeScheduler } from 'rxjs';
import type { Clock } from '../../lib/clock.js';
import { createSyncClient, memoryStorage, openRealm } from '../../lib/index.js';
import type { ServerChangeset } from '../../lib/model/changeset.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { boundFields } from '../protocol/bound-fields.js';

/*
 * Counts what one message costs in RxJS. At 200 writes a second most of the time of a client was in subscribers and
 * timers, each of which looks cheap.
 */
const schema = { Task: { primaryKey: 'id', properties: { id: 'string', title: 'string' } } } as const;
const rounds = 50;
const startMs = 1_700_000_000_000;

/** Creates a server without operators that accepts every upload, and the function that sends a message of it. */
const createPlainServer = () => {
  const uploaded: ServerChangeset[] = [];
  let send: (message: ServerMessage) => void = () => undefined;
  const answer = (message: ClientMessage): void => {
    if (message.type === 'bind')
      send({
        ...{ type: 'bound', session: message.session, history: 'h', head: 0, headBytes: 0, accepted: 0 },
        ...{ serverTime: startMs, frameBytesMax: 1e6, ...boundFields, snapshot: null },
      });
    if (message.type !== 'upload') return;
    uploaded.push(...message.changesets.map((each) => ({ ...each, origin: 'other' })));
    send({ type: 'accepted', session: message.session, version: message.changesets.at(-1)?.version ?? 0 });
  };
  const wire = (sent$: Observable<ClientMessage>): Observable<ServerMessage> =>
    new Observable((subscriber) => {
      send = (message) => subscriber.next(message);
      subscriber.add(sent$.subscribe({ next: answer, error: (thrown: unknown) => subscriber.error(thrown) }));
    });
  return { wire, uploaded, send: (message: ServerMessage) => send(message) };
};

/** Creates a clock that stands still and counts the timers that are started. */
const createCountingClock = (): Clock & { readonly timers: () => number } => {
  let timers = 0;
  const virtual = new VirtualTimeScheduler();
  const scheduler: SchedulerLike = {
    now: () => virtual.now(),
    schedule: (...all: Parameters<SchedulerLike['schedule']>) => {
      timers += 1;
      return virtual.schedule(...all);
    },
  };
  return { scheduler, random: () => 0.5, now: () => startMs, timers: () => timers };
};

/** Replaces a method, and returns its number of calls and the function that puts it back. */
const countCalls = (prototype: object, name: string) => {
  const { [name]: method } = prototype as Record<string, (...all: unknown[]) => unknown>;
  let calls = 0;
  const counted = function (this: unknown, ...all: unknown[]): unknown {
    calls += 1;
    return method?.apply(this, all);
  };
  Object.assign(prototype, { [name]: counted });
  return { calls: () => calls, restore: () => Object.assign(prototype, { [name]: method }) };
};

const open = async () => {
  const clock = createCountingClock();
  const server = createPlainServer();
  const client = createSyncClient({ dial: of(server.wire), clock });
  const realm = await openRealm({ schema, storage: memoryStorage(), sync: { client, realm: 'r' } });
  const close = async (): Promise<void> => {
    await realm.close();
    await client.close();
  };
  return { realm, server, clock, close };
};

/** Returns the calls and timers per round of some work, after a first round that is not counted. */
const costOf = ({ timers }: { readonly timers: () => number }, round: (index: number) => void) => {
  round(0);
  const timersBefore = timers();
  const nexts = [countCalls(Subscriber.prototype, 'next'), countCalls(Subject.prototype, 'next')];
  const subscribes = countCalls(Observable.prototype, 'subscribe');
  try {
    for (let index = 1; index <= rounds; index += 1) round(index);
  } finally {
    [...nexts, subscribes].forEach(({ restore }) => restore());
  }
  return {
    next: nexts.reduce((sum, { calls }) => sum + calls(), 0) / rounds,
    subscribe: subscribes.calls() / rounds,
    timers: (timers() - timersBefore) / rounds,
  };
};

describe('the cost of a message in a client', () => {
  it('is bounded for a write that is uploaded and accepted: calls of next and subscribe, and timers', async () => {
    const { realm, server, clock, close } = await open();
    const cost = costOf(clock, (index) => {
      void realm.write((tx) => tx.create('Task', { id: `t${index}`, title: 'milk' }));
    });
    expect(server.uploaded).toHaveLength(rounds + 1);
    expect(realm.session.status.pending.changesets).toBe(0);
    await close();
    // Before the session used plain functions: about 200, 70 and 4.
    expect(cost.next).toBeLessThanOrEqual(26);
    expect(cost.subscribe).toBeLessThanOrEqual(35);
    expect(cost.timers).toBeLessThanOrEqual(2.1); // Both of the storage.
  });

  it('is bounded for a change that is received and stored', async () => {
    const writer = await open();
    for (let index = 0; index <= rounds; index += 1)
      void writer.realm.write((tx) => tx.create('Task', { id: `t${index}`, title: 'milk' }));
    await writer.close();
    const { realm, server, clock, close } = await open();
    const cost = costOf(clock, (index) => {
      const changesets = writer.server.uploaded.slice(index, index + 1);
      server.send({
        ...{ type: 'download', session: 1, changesets, upTo: index + 1 },
        ...{ bytes: index * 100, remainingBytes: 0, remaining: 0 },
      });
    });
    expect(realm.objects('Task')).toHaveLength(rounds + 1);
    await close();
    expect(cost.next).toBeLessThanOrEqual(4);
    expect(cost.subscribe).toBeLessThanOrEqual(13);
    expect(cost.timers).toBeLessThanOrEqual(1.1);
  });
});
