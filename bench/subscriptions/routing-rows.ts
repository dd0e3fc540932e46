import { asyncScheduler, filter, firstValueFrom, ReplaySubject, Subject } from 'rxjs';
import type { StoredFilter } from '../../lib/filter/stored-filter.js';
import { encodeOperations } from '../../lib/merge/operation-codec.js';
import { textOf, type Values } from '../../lib/model/value.js';
import type { ClientMessage, ServerMessage } from '../../lib/protocol/messages.js';
import { createSyncServer, type SyncServer } from '../../lib/server/index.js';
import type { WatchedType } from '../../lib/server/history/watched-properties.js';
import { ServedView } from '../../lib/server/views/served-view.js';
import type { RoutedSession } from '../../lib/server/views/view-group.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { createFakeRealm, type FakeRealm } from '../../spec/server/views/fake-realm.js';
import type { LimitRow } from '../limits/limits-table.js';
import { medianOf } from '../peers/statistics.js';
import { groupDigits } from './run-steps.js';
import type { SubscriptionsOptions } from './subscriptions-options.js';

/*
 * How long it takes to find the sessions that a change concerns. The sessions of the first rows are no more than
 * members of the router, so that what they send does not count. Those of the last rows are sessions of a server.
 */

const watched: WatchedType = {
  since: 0,
  properties: ['list', 'done', 'dueAt'].map((name) => ({ name, since: 0, isIndexed: true })),
};

const viewOf = (filter: StoredFilter): ServedView =>
  new ServedView([{ id: 1, type: 'Task', filter, text: textOf(filter), properties: ['list'] }]);

const isIn = (list: string): StoredFilter => ['in', 'list', list];

/** Sessions that only count how often they are sent something. */
const createRouting = (filters: readonly StoredFilter[]) => {
  const realm = createFakeRealm(new Map([['Task', watched]]), asyncScheduler);
  let sent = 0;
  const members = filters.map((filter, at) => {
    const session: RoutedSession = {
      replica: `replica-${at}`,
      hasRoom: () => true,
      readItself: () => undefined,
      sendShared: () => (sent += 1),
      sendProgress: () => undefined,
      closed: () => undefined,
      failed: (thrown) => {
        throw thrown;
      },
    };
    return realm.router.join(session, viewOf(filter));
  });
  return {
    realm,
    sent: () => sent,
    end: (): void => {
      for (const member of members) realm.router.leave(member);
    },
  };
};

/** The changes of one object, one after the other. */
const write = (realm: FakeRealm, key: string, values: Values): void =>
  realm.prepare({ origin: 'writer', operations: [{ kind: 'update', type: 'Task', key, values }] });

/** Returns the microseconds of a change, as the median of many. */
const measureChanges = (filters: readonly StoredFilter[], values: (at: number) => Values, sentEach: number): number => {
  const { realm, sent, end } = createRouting(filters);
  const count = 600;
  realm.append([{ origin: 'writer', operations: [{ kind: 'create', type: 'Task', key: 'task', values: values(0) }] }]);
  const before = sent();
  for (let at = 1; at <= count; at += 1) write(realm, 'task', { ...values(at), text: `text ${at}` });
  const times: number[] = [];
  const first = realm.head();
  for (let at = 1; at <= count; at += 1) {
    const began = performance.now();
    realm.publish(first + at);
    times.push(performance.now() - began);
  }
  const found = sent() - before;
  end();
  if (found !== count * sentEach) throw new Error(`${found} sessions were sent ${count} changes.`);
  return medianOf(times.slice(count / 3)) * 1_000;
};

const filtersOf = (sessions: number, distinct: number): readonly StoredFilter[] => [
  isIn('mine'),
  ...Array.from({ length: sessions - 1 }, (_, at) => isIn(`list ${at % distinct}`)),
];

/** A task that moves into the list of one session and out again. */
const moving = (at: number): Values => ({ list: at % 2 === 0 ? 'none' : 'mine' });
const staying = (): Values => ({ list: 'none' });

const measureRouter = (sessions: number): readonly LimitRow[] => {
  const distinct = [10, sessions / 10, sessions];
  const [few = NaN, some = NaN, many = NaN] = distinct.map((count) =>
    measureChanges(filtersOf(sessions, count), moving, 1),
  );
  const none = measureChanges([], staying, 0);
  const unmatched = measureChanges(filtersOf(sessions, sessions), staying, 0);
  const ordered = Array.from({ length: sessions }, (_, at): StoredFilter => ['gt', 'list', `z ${at}`]);
  const linear = measureChanges(ordered, (at) => ({ list: `a ${at}` }), 0);
  const group = measureChanges(
    Array.from({ length: sessions / 10 }, () => isIn('mine')),
    () => ({ list: 'mine' }),
    sessions / 10,
  );
  const label = `a change that concerns one of ${groupDigits(sessions)} sessions, µs`;
  return [
    { label: `${label}, with 10 different filters`, value: few, beside: null, target: { valueMax: 50 } },
    {
      label: `${label}, with ${groupDigits(sessions / 10)}, beside 10`,
      ...{ value: some, beside: few, target: { ratioMax: 1.5 } },
    },
    {
      label: `${label}, with ${groupDigits(sessions)}, beside 10`,
      ...{ value: many, beside: few, target: { ratioMax: 1.5 } },
    },
    {
      label: 'a change that concerns no session, µs more than in a realm without sessions',
      ...{ value: unmatched - none, beside: null, target: { valueMax: 20 } },
    },
    {
      label: 'a filter without a condition that can be indexed, µs of each change',
      ...{ value: (linear - none) / sessions, beside: null, target: { valueMax: 1 } },
    },
    {
      label: `a change that concerns a group of ${groupDigits(sessions / 10)}, µs of each session`,
      ...{ value: (group - none) / (sessions / 10), beside: null, target: null },
    },
  ];
};

/** A session of a server in this process. */
const connect = (server: SyncServer, replica: string, isPartial: boolean) => {
  const sent$ = new Subject<ClientMessage>();
  const received$ = new ReplaySubject<ServerMessage>(4);
  const subscription = server.wire(sent$).subscribe(received$);
  const view = !isPartial ? {} : { view: { number: null, filters: [], scope: null } };
  sent$.next({
    ...{ type: 'bind', session: 1, realm: 'team', replica, token: null, history: null, downloadedTo: 0 },
    ...{ acknowledged: 0, includeOwn: false, runs: [{ id: 'run', lastVersion: 1_000_000 }], ...view },
  });
  const wait = (isIt: (message: ServerMessage) => boolean): Promise<ServerMessage> =>
    firstValueFrom(received$.pipe(filter((message) => isIt(message))));
  return { send: (message: ClientMessage) => sent$.next(message), wait, end: () => subscription.unsubscribe() };
};

/** Returns the microseconds from an upload to its answer, in a realm with sessions of which it concerns one. */
const measureServer = async (sessions: number): Promise<number> => {
  const server = createSyncServer({ storage: memoryStorage(), log: () => undefined });
  const writer = connect(server, 'writer', false);
  await writer.wait(({ type }) => type === 'bound');
  const devices = [];
  for (let at = 0; at < sessions; at += 1) {
    const lists = isIn(at === 0 ? 'mine' : `list ${at}`);
    const device = connect(server, `device-${at}`, true);
    devices.push(device);
    await device.wait(({ type }) => type === 'bound');
    device.send({ type: 'subscribe', session: 1, number: 1, filters: [{ id: 1, type: 'Task', filter: lists }] });
    await device.wait(({ type }) => type === 'view');
    device.send({ type: 'next', session: 1, number: 1, position: null });
    const members = await device.wait(({ type }) => type === 'members');
    if (members.type === 'members' && (members.upTo ?? 0) > 0)
      device.send({ type: 'received', session: 1, version: members.upTo ?? 0 });
  }
  const times: number[] = [];
  for (let version = 1; version <= 300; version += 1) {
    const values = { ...moving(version), text: `text ${version}` };
    const kind = version === 1 ? 'create' : 'update';
    const body = encodeOperations([{ kind, type: 'Task', key: 'task', values }]);
    const changeset = { version, time: Date.now() + version, count: 0, body };
    const began = performance.now();
    writer.send({ type: 'upload', session: 1, changesets: [changeset] });
    await writer.wait((message) => message.type === 'accepted' && message.version >= version);
    times.push(performance.now() - began);
  }
  for (const { end } of [writer, ...devices]) end();
  await server.close();
  return medianOf(times.slice(100)) * 1_000;
};

/** Measures how the cost of a change depends on the number of sessions and filters. */
export const measureRouting = async ({ isQuick }: SubscriptionsOptions): Promise<LimitRow[]> => {
  const sessions = isQuick ? 1_000 : 10_000;
  measureRouter(100); // A warm-up.
  const rows = measureRouter(sessions);
  await measureServer(10);
  const value = await measureServer(1_000);
  const beside = await measureServer(10);
  const label = 'an upload that concerns one of 1 000 sessions with filters of their own, beside one of 10, µs';
  return [...rows, { label, value, beside, target: { ratioMax: 1.5 } }];
};
