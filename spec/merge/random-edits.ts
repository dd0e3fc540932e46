import fc from 'fast-check';
import type { ListEdit } from '../../lib/store/transaction/collection-edits.js';
import { receive, restartDevice, type Tx, type World, writeOn } from './replica-world.js';

const kinds = [
  ...['create', 'create', 'delete', 'update', 'insert', 'insert', 'insert', 'push', 'move', 'move', 'set'],
  ...['remove', 'clear', 'add', 'drop', 'empty', 'put', 'unput', 'unmark', 'increment', 'increment', 'assign', 'note'],
  ...['order', 'order', 'order', 'step', 'step'],
] as const;

/** One call of a transaction. Its numbers are reduced to the present positions and lengths. */
export interface Edit {
  readonly kind: (typeof kinds)[number];
  readonly key: number;
  readonly numbers: readonly [number, number, number];
}

/** The next step: a device writes, receives one earlier changeset of any device, or restarts. */
export type Step =
  | { readonly does: 'write'; readonly deviceIndex: number; readonly now: number; readonly acts: readonly Edit[] }
  | { readonly does: 'hear'; readonly deviceIndex: number; readonly which: number }
  | { readonly does: 'restart'; readonly deviceIndex: number };

const anyEdit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom(...kinds),
  key: fc.constantFrom(1, 1, 1, 2),
  numbers: fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99)),
});

const anyDevice = fc.nat(4);

/** Steps whose clocks often read the same, jump back, or are far apart. */
export const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      does: fc.constant('write' as const),
      deviceIndex: anyDevice,
      now: fc.constantFrom(1, 1, 2, 3, 4, 50),
      acts: fc.array(anyEdit, { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ does: fc.constant('hear' as const), deviceIndex: anyDevice, which: fc.nat(99) }),
  },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('restart' as const), deviceIndex: anyDevice }) },
);

const words = ['p', 'q', 'r', 's'];
const wordOf = (number: number): string => words[number % words.length] ?? '';

/** Number in each new text, so that each text is unique and a search for an element finds only that one. */
let freshCount = 0;
const createFreshText = (number: number): string => `${wordOf(number)}${(freshCount += 1)}`;

const editList = (list: ListEdit<unknown>, length: number, { kind, numbers: [a, b, c] }: Edit): void => {
  const some = Array.from({ length: 1 + (c % 3) }, () => createFreshText(c));
  if (kind === 'insert') list.insert(a % (length + 1), ...some);
  if (kind === 'push') list.push(...some);
  if (length === 0) return;
  if (kind === 'move') list.move(a % length, b % length);
  if (kind === 'set') list.set(a % length, createFreshText(b));
  if (kind === 'remove') list.remove(a % length, 1 + (b % Math.min(3, length - (a % length))));
  if (kind === 'clear' && b % 3 === 0) list.clear();
};

/** Reorders some of the elements and adds a new one, as an app does that sorts or filters a copy of a list. */
const reorder = (before: readonly string[], [a, b, c]: Edit['numbers']): readonly string[] => {
  const after = before.filter((_, at) => b % 5 !== 0 || at % 3 !== c % 3);
  const moved = after.splice(a % (after.length + 1), 1 + (c % 2));
  after.splice(b % (after.length + 1), 0, ...moved);
  if (a % 4 === 0) after.reverse();
  if (c % 3 === 0) after.splice(c % (after.length + 1), 0, createFreshText(c));
  return after;
};

const reorderList = (tx: Tx, key: number, { numbers }: Edit): void => {
  const property = numbers[0] % 3 === 0 ? 'steps' : 'list';
  const wanted = reorder([...(tx.get('T', key)?.[property] as readonly string[])], numbers);
  tx.update('T', key, { [property]: wanted });
  expect(tx.get('T', key)?.[property]).toEqual(wanted);
};

const editObject = (tx: Tx, length: number, { kind, key, numbers: [a, b, c] }: Edit): void => {
  const marks = tx.dictionary('T', key, 'marks');
  const tags = tx.set('T', key, 'tags');
  if (kind === 'delete' && c % 2 === 0) tx.delete('T', key);
  if (kind === 'update') tx.update('T', key, { x: a % 3 });
  if (kind === 'add') tags.add(wordOf(a), wordOf(b));
  if (kind === 'drop') tags.remove(wordOf(a), wordOf(c));
  if (kind === 'empty') tags.clear();
  if (kind === 'put') marks.set(wordOf(a), b);
  if (kind === 'unput') marks.remove(wordOf(a));
  if (kind === 'unmark') marks.clear();
  if (kind === 'increment') tx.increment('T', key, 'votes', a - 40);
  if (kind === 'order') reorderList(tx, key, { kind, key, numbers: [a, b, c] });
  if (kind === 'step') {
    const steps = tx.list('T', key, 'steps');
    const { length: count } = tx.get('T', key)?.['steps'] as readonly string[];
    const kinds = ['insert', 'push', 'move', 'set', 'remove', 'clear'] as const;
    editList(steps, count, { kind: kinds[c % 6]!, key, numbers: [a, b, c] });
  }
  if (kind === 'assign') tx.update('T', key, { tags: [wordOf(a), wordOf(b)], marks: { [wordOf(c)]: a } });
  if (kind === 'note') tx.list('T', key, 'notes').push({ a, b: [b, null] }, c, null);
  if (['insert', 'push', 'move', 'set', 'remove', 'clear'].includes(kind)) {
    editList(tx.list('T', key, 'list'), length, { kind, key, numbers: [a, b, c] });
  }
};

export const applyEdit = (tx: Tx, act: Edit): void => {
  const { key, kind, numbers } = act;
  const object = tx.get('T', key);
  if (object) editObject(tx, (object['list'] as readonly unknown[]).length, act);
  else if (kind === 'create') tx.create('T', { id: key, votes: numbers[0], list: [createFreshText(numbers[1])] });
};

export const applyStep = (world: World, next: Step): void => {
  const device = world.devices[next.deviceIndex % world.devices.length]!;
  if (next.does === 'restart') restartDevice(device);
  if (next.does === 'write') {
    writeOn(world, device, next.now, (tx) => {
      for (const each of next.acts) applyEdit(tx, each);
    });
  }
  const posted = next.does === 'hear' ? world.posted[next.which % Math.max(1, world.posted.length)] : undefined;
  if (posted) receive(device, posted);
};
