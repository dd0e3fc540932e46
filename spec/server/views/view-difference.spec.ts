import fc from 'fast-check';
import type { StoredFilter } from '../../../lib/filter/stored-filter.js';
import { objectTextOf } from '../../../lib/model/object-key.js';
import type { Value } from '../../../lib/model/value.js';
import type { TouchChange } from '../../../lib/server/history/touches.js';
import type { WatchedType } from '../../../lib/server/history/watched-properties.js';
import { concernedKindOf, ConcernedObjects, type FoundState } from '../../../lib/server/views/concerned-objects.js';
import { ServedView } from '../../../lib/server/views/served-view.js';
import { changeKindOf, sentKindOf, ViewDifference } from '../../../lib/server/views/view-difference.js';
import { runOptions } from '../../merge/arbitrary-operations.js';

const since = 0;
const watched: WatchedType = {
  since,
  properties: ['other', 'list'].map((name) => ({ name, since, isIndexed: true })),
};

const viewOf = (...filters: readonly StoredFilter[]): ServedView =>
  new ServedView(
    filters.map((filter, id) => ({ id, type: 'Task', filter, text: JSON.stringify(filter), properties: [] })),
  );

/** The value of `list`, or `null` for an object that does not exist. */
type Place = 'a' | 'b' | 'c' | null;

interface Step {
  readonly key: number;
  /** The value after the step. */
  readonly to: Place | 'same';
  readonly isOwn: boolean;
}

const valuesOf = (place: Place): readonly Value[] | null => (place === null ? null : [true, place]);

/** Returns the touch that the server stores for a step. */
const touchOf = (from: Place, to: Place): TouchChange | null =>
  from !== null && from === to ? null : { before: valuesOf(from), after: valuesOf(to) };

const anySteps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({
    key: fc.constantFrom(1, 2),
    to: fc.constantFrom<Place | 'same'>('a', 'b', 'c', null, 'same'),
    isOwn: fc.boolean(),
  }),
  { maxLength: 8 },
);
const anyPlace = fc.constantFrom<Place>('a', 'b', 'c', null);

/** All places of an object, from the first to the last, with the steps in between. */
const foldPlaces = (start: Place, steps: readonly Step[], key: number) => {
  const places = [start];
  const own: boolean[] = [];
  for (const step of steps.filter((each) => each.key === key)) {
    places.push(step.to === 'same' ? (places.at(-1) ?? null) : step.to);
    own.push(step.isOwn);
  }
  return { places, own };
};

const play = (
  starts: readonly [Place, Place],
  steps: readonly Step[],
  add: (text: string, key: number, touch: TouchChange | null, isOwn: boolean, at: number) => void,
): void => {
  const places = new Map<number, Place>([
    [1, starts[0]],
    [2, starts[1]],
  ]);
  steps.forEach(({ key, to, isOwn }, at) => {
    const from = places.get(key) ?? null;
    const after = to === 'same' ? from : to;
    places.set(key, after);
    add(objectTextOf('Task', key), key, touchOf(from, after), isOwn, at);
  });
};

describe('the changes of a view', () => {
  const filter: StoredFilter = ['in', 'list', 'a', 'b'];
  const isIn = (place: Place): boolean => place === 'a' || place === 'b';

  it('are what the first and the last version of each object say, whatever came in between', () => {
    const sent: string[] = [];
    fc.assert(
      fc.property(anyPlace, anyPlace, anySteps, fc.boolean(), (one, other, steps, hasTombstones) => {
        const difference = new ViewDifference(viewOf(filter));
        play([one, other], steps, (text, key, touch, isOwn) =>
          difference.add(text, { type: 'Task', key }, touch, watched, isOwn),
        );
        for (const key of [1, 2]) {
          const { places, own } = foldPlaces(key === 1 ? one : other, steps, key);
          const [was, last] = [isIn(places[0]!), places.at(-1) ?? null];
          const isForeign = own.includes(false);
          // A rejected write in between has made the replica remove it.
          const hasBeenOut = places.slice(1).some((place) => !isIn(place));
          const found: FoundState = last === null ? (hasTombstones ? 'dead' : 'none') : isIn(last) ? 'in' : 'out';
          let expected = 'nothing';
          if (found === 'in') expected = own.length > 0 && (!was || isForeign || hasBeenOut) ? 'state' : 'nothing';
          else if (was && own.length > 0) expected = found === 'dead' && isForeign ? 'state' : 'leave';
          else if (own.includes(true)) expected = 'leave';
          // An object that does not change its place was there all the time.
          if (was && places.every((place) => place === places[0])) expected = isForeign ? 'state' : 'nothing';
          const change = difference.changes.get(objectTextOf('Task', key));
          const kind = change === undefined ? 'nothing' : changeKindOf(change);
          const is = change !== undefined && kind === 'read' ? sentKindOf(change, found) : kind;
          expect([key, places, own, is]).toEqual([key, places, own, expected]);
          sent.push(`${expected} ${found}`);
        }
      }),
      runOptions(3_000),
    );
    for (const each of ['state in', 'state dead', 'leave out', 'leave none', 'leave dead', 'nothing in', 'nothing out'])
      expect([each, sent.filter((one) => one === each).length > 20]).toEqual([each, true]);
  });

  it('hold nothing of an object that neither was nor is in the view, unless the replica touched it', () => {
    const difference = new ViewDifference(viewOf(filter));
    const add = (key: number, touch: TouchChange | null, isOwn = false): void =>
      difference.add(objectTextOf('Task', key), { type: 'Task', key }, touch, watched, isOwn);
    add(1, touchOf('c', null));
    add(2, touchOf(null, 'a'));
    add(2, touchOf('a', 'c'));
    expect(difference.size).toBe(0);
    difference.add('Note/n1', { type: 'Note', key: 1 }, touchOf(null, 'a'), watched, false);
    expect(difference.size).toBe(0);
    difference.addOutside('Note/n1', { type: 'Note', key: 1 });
    add(3, touchOf('c', 'c'), true);
    expect(difference.size).toBe(2);
  });

  it('keep an object that was touched again while its state was read', () => {
    const difference = new ViewDifference(viewOf(filter));
    const text = objectTextOf('Task', 1);
    difference.add(text, { type: 'Task', key: 1 }, null, watched, false);
    const before = difference.changes.get(text)!;
    difference.add(text, { type: 'Task', key: 1 }, null, watched, false);
    difference.settle(text, before);
    expect(difference.size).toBe(1);
    difference.settle(text, difference.changes.get(text)!);
    expect(difference.size).toBe(0);
  });
});

describe('the objects that a bootstrap names at its end', () => {
  const isInSource = (place: Place): boolean => place === 'a';
  const isInTarget = (place: Place): boolean => place === 'b';

  it('are those that were in one of the views before or after any touch', () => {
    const version = 3; // Touches up to it need not have what the target reads.
    const sent: string[] = [];
    fc.assert(
      fc.property(anyPlace, anyPlace, anySteps, fc.boolean(), (one, other, steps, isResync) => {
        const source = isResync ? null : viewOf(['in', 'list', 'a']);
        const concerned = new ConcernedObjects(source, viewOf(['in', 'list', 'b']), version);
        play([one, other], steps, (text, key, touch, isOwn, at) =>
          concerned.add(at + 1, text, { type: 'Task', key }, touch, watched, isOwn),
        );
        for (const key of [1, 2]) {
          const numbers = steps.flatMap((step, at) => (step.key === key ? [at + 1] : []));
          const { places, own } = foldPlaces(key === 1 ? one : other, steps, key);
          const last = places.at(-1) ?? null;
          const found: FoundState = last === null ? 'dead' : isInTarget(last) ? 'in' : 'out';
          const wasIn = !isResync && isInSource(last);
          const touched = numbers.some((number, at) => {
            const sides = [places[at]!, places[at + 1]!];
            return (!isResync && sides.some(isInSource)) || (number > version && sides.some(isInTarget));
          });
          const object = concerned.objects.get(objectTextOf('Task', key));
          const is = object === undefined ? 'nothing' : concernedKindOf(object, found, wasIn);
          const isNamed = touched || own.includes(true);
          if (!isNamed) expect([places, is === 'leave']).toEqual([places, false]);
          else if (found === 'in') expect([places, is]).toEqual([places, 'state']);
          else if (found === 'dead') expect([places, is]).toEqual([places, object?.isKnown ? 'state' : 'leave']);
          else expect([places, is]).toEqual([places, 'leave']);
          sent.push(is);
        }
      }),
      runOptions(3_000),
    );
    for (const each of ['state', 'leave', 'nothing'])
      expect([each, sent.filter((one) => one === each).length > 50]).toEqual([each, true]);
  });
});
