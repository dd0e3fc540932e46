import { defer, EMPTY, type Observable } from 'rxjs';
import type { SyncSubscription } from '../../../lib/index.js';
import { marbles, type MarbleHelpers } from '../../../lib/testing/marbles.js';
import { createMarbleWorld, type MarbleWorld, type Tasks, toLetters } from './marble-world.js';

const no = { code: 'too-many-properties', text: 'The filters name too many properties.' };

/** Performs an action at a time of the diagram. */
const at = (m: MarbleHelpers, ms: number, act: () => unknown): void => {
  m.cold(`${ms}ms x`).subscribe(() => void act());
};

/**
 * Brings a device to a state of its second set, whose second subscription are the notes: p, b or c. The first set, the
 * inbox, is placed.
 */
const bringTo = (m: MarbleHelpers, state: string): MarbleWorld & { readonly notes$: Observable<string> } => {
  const world = createMarbleWorld(m);
  const { server, realm } = world;
  let notes: SyncSubscription | undefined;
  at(m, 5, () => {
    if (state === 'c') server.answered.add(2);
    notes = realm.subscribe('Note', {}, { name: 'notes' });
    if (state === 'b') server.announce(5);
  });
  return { ...world, notes$: defer(() => toLetters(notes?.state$ ?? EMPTY)) };
};

interface Row {
  readonly event: string;
  readonly act: (world: MarbleWorld) => unknown;
  /** For p, b and c: the states of the set before the event and after it. */
  readonly states: readonly [string, string, string];
  /** The same of the notes, where it differs. */
  readonly notes?: readonly [string, string, string];
}

const rows: readonly Row[] = [
  {
    event: 'a change of the set',
    act: ({ realm }) => realm.subscribe('Task', { where: { list: 'today' } }),
    states: ['p', 'bp', 'cp'],
    notes: ['p', 'bp', 'c'],
  },
  {
    event: 'a change that changes nothing',
    act: ({ realm }) => realm.subscribe('Note', {}, { name: 'notes' }),
    states: ['p', 'b', 'c'],
  },
  {
    event: 'a view with objects',
    act: ({ server }) => server.announce(5),
    states: ['pb', 'b', 'c'],
  },
  {
    event: 'a view without objects, and its last page',
    act: ({ server }) => {
      server.announce(0);
      server.sendLastPage();
    },
    states: ['pc', 'bpc', 'c'],
  },
  {
    event: 'a page of members',
    act: ({ server }) => {
      server.announce(5);
      server.sendPage('1');
    },
    states: ['pb', 'b', 'c'],
  },
  {
    event: 'the last page',
    act: ({ server }) => {
      server.announce(5);
      server.sendLastPage();
    },
    states: ['pbc', 'bc', 'c'],
  },
  {
    event: 'a view that rejects the notes',
    act: ({ server }) => {
      server.announce(0, [{ id: 2, ...no }]);
      server.sendLastPage();
    },
    states: ['pc', 'bpc', 'c'],
    notes: ['pr', 'br', 'cr'],
  },
  {
    event: 'a scope that changes',
    act: ({ server }) => {
      server.announce(5, [], { scope: 's2' });
      server.sendLastPage();
    },
    states: ['pbc', 'bc', 'c'],
  },
  { event: 'a lost connection', act: ({ server }) => server.cut(), states: ['p', 'bp', 'c'] },
  { event: 'a pause', act: ({ realm }) => realm.session.pause(), states: ['p', 'bp', 'c'] },
  {
    event: 'a lost connection after a page',
    act: ({ server }) => {
      server.announce(5);
      server.sendPage('1');
      server.cut();
    },
    states: ['pb', 'b', 'c'],
  },
  { event: 'a realm that is closed', act: ({ realm }) => realm.close(), states: ['p|', 'bp|', 'c|'] },
  {
    event: 'a client reset',
    act: ({ server }) => {
      server.answered.clear();
      server.fail('history-changed');
    },
    states: ['p', 'bp', 'cp'],
  },
  {
    event: 'a removed subscription',
    act: ({ realm }) => realm.subscriptions.update((edit) => void edit.remove('notes')),
    states: ['p', 'bp', 'cp'],
    notes: ['p(s|)', 'b(s|)', 'c(s|)'],
  },
  {
    event: 'a removed subscription beside it',
    act: ({ realm }) => realm.subscriptions.update((edit) => void edit.remove('inbox')),
    states: ['p', 'bp', 'cp'],
    notes: ['p', 'bp', 'c'],
  },
];

/** Writes states before and after 20 ms, where the event is: all after it at once. */
const diagramOf = (given: string): string => {
  const [before = '', ...after] = given.replace(/[()]/g, '');
  const all = after.join('');
  return all === '' ? `10ms ${before}` : `10ms ${before} 9ms ${all.length > 1 ? `(${all})` : all}`;
};

describe('the states of subscriptions, by the truth table', () => {
  const cells = rows.flatMap(({ event, act, states, notes = states }) =>
    ['p', 'b', 'c'].map((state, column) => ({ event, act, state, set: states[column]!, notes: notes[column]! })),
  );

  it.each(cells)('$event, in state $state', ({ act, state, set, notes }) =>
    marbles((m) => {
      const world = bringTo(m, state);
      at(m, 20, () => act(world));
      at(m, 60, () => world.realm.close());
      m.expectObservable(toLetters(world.realm.subscriptions.state$), '10ms ^ 29ms !').toBe(diagramOf(set));
      m.expectObservable(world.notes$, '10ms ^ 29ms !').toBe(diagramOf(notes));
    })(),
  );

  it.each([
    ['p', 'p'],
    ['b', 'p'],
    ['c', 'c'],
  ])('after a restart without a network, in state %s', (state, expected) =>
    marbles((m) => {
      const world = bringTo(m, state);
      const reopened: Tasks[] = [];
      at(m, 20, () => reopened.push(world.reopen()));
      const state$ = defer(() => toLetters(reopened[0]?.subscriptions.state$ ?? EMPTY));
      m.expectObservable(state$, '30ms ^ 9ms !').toBe(`30ms ${expected}`);
      at(m, 60, () => reopened[0]?.close());
    })(),
  );
});
