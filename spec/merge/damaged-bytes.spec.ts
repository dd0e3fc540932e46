import fc from 'fast-check';
import { decodeOperations, encodeOperations } from '../../lib/merge/operation-codec.js';
import { applyOperation } from '../../lib/merge/object-state.js';
import { decodeState, encodeState } from '../../lib/merge/state-codec.js';
import { encodeValue } from '../../lib/model/msgpack.js';
import { right } from '../../lib/model/result.js';
import { anyStep, applyStep } from './random-edits.js';
import { anyDamagedBytes, runOptions } from './arbitrary-operations.js';
import { receive, expectEqual, type World, worldOf } from './replica-world.js';

const worlds = fc.array(anyStep, { minLength: 8, maxLength: 30 }).map((steps): World => {
  const world = worldOf(3);
  for (const each of steps) applyStep(world, each);
  // This device has received only the later half: many of these operations arrived before those that they depend on.
  const [first] = world.devices;
  for (const posted of world.posted.slice(world.posted.length >> 1)) if (first) receive(first, posted);
  return world;
});

const pick = <T>(all: readonly T[], number: number, otherwise: T): T =>
  all[number % Math.max(1, all.length)] ?? otherwise;

const bodies = fc.tuple(worlds, fc.nat()).map(([{ posted }, which]) =>
  pick(
    posted.map(({ body }) => body),
    which,
    new Uint8Array([1]),
  ),
);
const states = fc.tuple(worlds, fc.nat(), fc.nat()).map(([{ devices }, deviceIndex, which]) => {
  const { objects } = pick(devices, deviceIndex, devices[0]!);
  const all = objects.listAllAsRemoved().map(({ type, key }) => encodeState(objects.latestState(type, key)!));
  return pick(all, which, new Uint8Array([1]));
});

/** MessagePack of any values, in the shape of an operation or a state. */
const anything = fc.anything({
  withNullPrototype: false,
  maxDepth: 3,
  values: [fc.integer(), fc.string(), fc.constant(null), fc.boolean(), fc.double(), fc.constant('a0'), fc.uint8Array()],
});
const shaped = fc.oneof(
  fc
    .tuple(
      fc.integer({ min: 0, max: 12 }),
      fc.constant('T'),
      fc.constant(1),
      anything,
      anything,
      anything,
      anything,
      anything,
    )
    .map(([number, type, key, ...rest]) => [
      [number, type, key, ...rest.slice(0, [0, 1, 1, 0, 4, 4, 3, 2, 2, 2, 1, 4, 0][number])],
    ]),
  fc.tuple(anything, anything, anything, anything, anything),
  fc
    .tuple(anything, anything)
    .map(([part, other]) => [null, null, {}, [], { p: [null, part, other, null], q: [null, null, part, [other]] }]),
);
const packed = shaped.map((given) => {
  try {
    return encodeValue(given);
  } catch {
    return new Uint8Array([0xc0]);
  }
});

describe('damaged bytes', () => {
  it('are rejected as operations, or are operations that can be applied and sent again; they never throw', () => {
    fc.assert(
      fc.property(fc.oneof(anyDamagedBytes(bodies), packed), (bytes) => {
        const read = decodeOperations(bytes);
        if (!('right' in read)) {
          expect(typeof read.left).toBe('string');
          return;
        }
        const [first, ...others] = read.right.map((operation, index) =>
          applyOperation(undefined, operation, { time: 2 ** 53 - 9, count: index, replica: 'z' }),
        );
        expectEqual(decodeOperations(encodeOperations(read.right)), read);
        for (const state of [first!, ...others]) expectEqual(decodeState(encodeState(state)), right(state));
      }),
      runOptions(3_000),
    );
  });

  it('are rejected as a state, or are a state that further operations can be applied to; they never throw', () => {
    fc.assert(
      fc.property(fc.oneof(anyDamagedBytes(states), packed), bodies, (bytes, body) => {
        const read = decodeState(bytes);
        if (!('right' in read)) {
          expect(typeof read.left).toBe('string');
          return;
        }
        const operations = decodeOperations(body);
        if (!('right' in operations)) return;
        operations.right.reduce(
          (state, operation, count) => applyOperation(state, operation, { time: 60, count, replica: 'z' }),
          read.right,
        );
        encodeState(read.right);
      }),
      runOptions(2_000),
    );
  });
});
