import { defer, EMPTY, firstValueFrom, of } from 'rxjs';
import { systemClock } from '../../../lib/clock.js';
import { limits } from '../../../lib/model/limits.js';
import { createHeadState } from '../../../lib/server/history/head-state.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { applyOperation } from '../../../lib/merge/object-state.js';
import { encodeState } from '../../../lib/merge/state-codec.js';
import { HeadObject } from '../../../lib/server/history/head-object.js';
import { operationStampOf } from '../../../lib/merge/timestamp.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { Value } from '../../../lib/model/value.js';
import { Bootstrap } from '../../../lib/server/views/bootstrap.js';
import { MembersDraft } from '../../../lib/server/views/members-draft.js';
import { ServedView } from '../../../lib/server/views/served-view.js';
import { readExactly, readMembers } from '../../../lib/server/views/read-pages.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { append, openTeam } from '../history/indexed-history.js';
import { create, createViewConnection, createViewWorld, filterOf, update } from './view-world.js';

const smallServer = serverLimits as { touchesBytesMax: number };
const { touchesBytesMax } = serverLimits;
afterEach(() => {
  Object.assign(smallServer, { touchesBytesMax });
});

describe('a page that is exact at the head', () => {
  /** Reads a page while the history grows during some attempts. Returns how each attempt was made. */
  const readWhile = (growing: number, isWhole = true): readonly string[] => {
    const log: string[] = [];
    const collector = { pages: 0, isAtHead: true, untilHead: () => EMPTY };
    const uploadQueue = {
      runBetween: <A>(work$: A) => {
        log.push('exclusive');
        return work$;
      },
    };
    const attempt = () =>
      defer(() => {
        log.push('read');
        if (log.length <= growing) collector.pages += 1;
        return of({ draft: new MembersDraft(), isWhole });
      });
    readExactly({ uploadQueue } as never, collector, attempt).subscribe(() => log.push('page'));
    return log;
  };

  it('is read again while the history grows, and after three times between two batches', () => {
    expect(readWhile(0)).toEqual(['read', 'page']);
    expect(readWhile(2)).toEqual(['read', 'read', 'read', 'page']);
    expect(readWhile(3)).toEqual(['read', 'read', 'read', 'exclusive', 'read', 'page']);
  });

  it('is not read again if more pages follow', () => {
    expect(readWhile(9, false)).toEqual(['read', 'page']);
  });

  it('has the changesets up to a head of which a session knows earlier than the cache of changes', async () => {
    const history = await openTeam(memoryStorage());
    const projector = { lag: () => 0, catchUpTo: () => EMPTY };
    const headState = createHeadState({ history, projector, clock: systemClock, lagBytesMax: Infinity });
    const change = { type: 'A', key: 1, time: 1, origin: 'a' } as const;
    await append(history, [{ ...change, kind: 'create', values: { p: 1 } }]);
    headState.appended([{ ...change, version: 1, count: 1, body: new Uint8Array(), total: 1 }], [{ operations: [] }]);
    await firstValueFrom(headState.readStates(['A/n1'])); // From now on the cache is used.
    const recorded = await append(history, [{ ...change, kind: 'update', values: { p: 2 } }]);
    let rows = 0;
    headState.readSomeObjects(['A/n1', 'A/n2']).subscribe((found) => (rows += found.size));
    expect(rows).toBe(0);
    headState.appended(recorded, [{ operations: [{ kind: 'update', type: 'A', key: 1, values: { p: 2 } }] }]);
    expect(rows).toBe(1);
  });
});

describe('a page of a view whose earlier scope is withheld', () => {
  const { pageBytesMax } = limits;
  afterEach(() => {
    Object.assign(limits, { pageBytesMax });
  });

  /**
   * Reads a page that is not whole. `before`: values of a change of object a that is known only after the object is
   * read. Returns the objects that are named in the page, or in a later one.
   */
  const readLeaves = async (kind: 'scan' | 'touched', before: readonly Value[] | null): Promise<readonly string[]> => {
    Object.assign(limits, { pageBytesMax: 1 });
    const watched = { since: 0, properties: [{ name: 'team', since: 0, isIndexed: true }] };
    const inTeam = (team: string): StoredFilter => ['in', 'team', team];
    const viewOf = (team: string, scope: string) =>
      new ServedView([{ id: 1, type: 'Task', filter: inTeam(team), text: team, properties: ['team'] }], scope);
    const [source, target] = [viewOf('x', 'first'), viewOf('y', 'second')];
    const scans = kind === 'scan' ? [{ kind: 'leaving' as const, type: 'Task', filter: inTeam('x') }] : [];
    const options = { number: 1, source, target, version: 1, sentTo: 1, scans, plans: [], positions: null };
    const bootstrap = new Bootstrap(options);
    const touch = (key: string, values: readonly Value[] | null) => {
      const change = values === null ? null : { before: values, after: ['x'] };
      bootstrap.concerned.add(2, objectTextOf('Task', key), { type: 'Task', key }, change, watched, false);
    };
    if (kind === 'touched') for (const key of ['a', 'b']) touch(key, null);
    const stamp = { time: 1, count: 1, origin: 'w' };
    const state = applyOperation(undefined, create('a', 'l', { team: 'x' }), operationStampOf(stamp, 'w', 0));
    const rowOf = (text: string) => [text, encodeState(state)] as const;
    let isRead = false;
    const read$ = <A>(found: A) => defer(() => ((isRead = true), of(found)));
    const untilHead = () =>
      defer(() => {
        if (before !== null && isRead) touch('a', before);
        return EMPTY;
      });
    const works = {
      headState: {
        readSomeObjects: (texts: readonly string[]) =>
          read$(new Map(texts.map((text) => [text, new HeadObject(text, state, null)]))),
      },
      uploadQueue: { runBetween: <A>(work$: A) => work$ },
      selection: {
        choosePlan: () => of({ choice: '', objects: 1 }),
        readMatching: () => read$({ rows: [rowOf(objectTextOf('Task', 'a'))], position: null }),
      },
    };
    const history = { projection: { isLarge: () => false, cursor: { objects: 0, bytes: 0 } } };
    const collector = { pages: 0, isAtHead: true, untilHead };
    const page = await firstValueFrom(
      readMembers(works as never, history as never, collector, bootstrap, { scan: 0, after: '' }),
    );
    const later = [...bootstrap.concerned.objects.values()].filter(({ isKnown }) => isKnown);
    return [...new Set([...(page?.draft.leaves ?? []), ...later].map(({ key }) => String(key)))];
  };

  it.each(['scan', 'touched'] as const)('names no object that came into it since then (%s)', async (kind) => {
    expect(await readLeaves(kind, null)).toEqual(['a']);
    expect(await readLeaves(kind, ['x'])).toEqual(['a']);
    expect(await readLeaves(kind, ['z'])).toEqual([]);
  });
});

describe('a session whose history lacks the values of a changeset', () => {
  const text = 'x'.repeat(5_000);

  it('gets the placed view as a whole', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a', { text }), create('y', 'a'));
    const client = openPlaced([filterOf(['gt', 'text', 'a'])]);
    Object.assign(smallServer, { touchesBytesMax: 0 });
    write(update('x', { text: 'a' }), update('y', { text: 'b' }));
    pass(10);
    client.fetchAll(1);
    expect(client.texts()).toEqual([
      expect.stringMatching(/^view 1 at 2: resync/),
      'members 1: y without nothing, up to 2',
    ]);
  });

  it('gets the placed view as a whole after its bind, if nothing was watched for it', () => {
    const { server, write, openPlaced } = createViewWorld();
    write(create('x', 'a'));
    const history = openPlaced([filterOf(['in', 'list', 'a'])]).history();
    const modeOf = (property: string) => {
      const client = createViewConnection(server);
      client.bind({ number: 1, filters: [filterOf(['in', property, 'a'])] }, 1, history);
      client.texts();
      return client.all.flatMap((message) => (message.type === 'bound' ? [message.view?.mode] : []));
    };
    expect([modeOf('list'), modeOf('other')]).toEqual([['continue'], ['resync']]);
  });

  it('gets another view as a whole, if that was on the way', () => {
    const { write, pass, openPlaced } = createViewWorld();
    write(create('x', 'a', { text }), create('y', 'a'));
    const client = openPlaced([filterOf(['gt', 'text', 'a'])]);
    client.subscribe(2, [filterOf(['in', 'text', 'a'])]);
    pass(10);
    Object.assign(smallServer, { touchesBytesMax: 0 });
    write(update('x', { text: 'a' }));
    client.texts();
    client.next(2);
    pass(10);
    client.fetchAll(2);
    expect(client.texts()).toEqual([
      expect.stringMatching(/^view 2 at 2: resync/),
      'members 2: x without nothing, up to 2',
    ]);
    expect(limits.filterBytesMax).toBeGreaterThan(text.length);
  });
});
