import { defer, EMPTY, ignoreElements, of, tap, concat, type Observable } from 'rxjs';
import type { ObjectState } from '../../merge/object-state.js';
import type { HeadState } from '../history/head-state.js';
import type { History } from '../history/history.js';
import { applySteps, stepsOf, type Step } from '../history/projection.js';
import { noTouches, TouchWriter } from '../history/touches.js';
import type { WatchedType } from '../history/watched-properties.js';
import { serverLimits } from '../server-limits.js';
import type { AppendBatch } from './append-batch.js';

export interface RecordTouchesPorts {
  readonly history: Pick<History, 'watchedProperties'>;
  readonly headState: Pick<HeadState, 'readStates'>;
}

type WatchedTypes = ReadonlyMap<string, WatchedType>;

type ObjectSteps = ReadonlyMap<string, readonly Step[]>;

const noStates: ReadonlyMap<string, ObjectState> = new Map();

/** The objects of the changesets of a batch, as they are before the next one. */
class BatchObjects {
  /** Changesets that created objects whose states were not needed since. */
  private readonly created = new Map<string, ObjectSteps>();

  constructor(readonly states: Map<string, ObjectState>) {}

  /** Whether the object does not exist, and nothing of it is known. */
  isUnknown(text: string): boolean {
    return !this.states.has(text) && !this.created.has(text);
  }

  stateOf(text: string): ObjectState | undefined {
    const steps = this.created.get(text)?.get(text);
    if (steps === undefined) return this.states.get(text);
    this.created.delete(text);
    const state = applySteps(undefined, steps);
    if (state !== undefined) this.states.set(text, state);
    return state;
  }

  /** Notes an object that a changeset has created. */
  create(text: string, steps: ObjectSteps): void {
    this.created.set(text, steps);
  }
}

/** Returns the watched type of the object of some operations. */
const watchedTypeOf = ([first]: readonly Step[], types: WatchedTypes): WatchedType | undefined =>
  first === undefined ? undefined : types.get(first.operation.type);

/** Returns the texts of the objects of watched types. */
const watchedTextsOf = (all: readonly ObjectSteps[], types: WatchedTypes): ReadonlySet<string> => {
  const texts = new Set<string>();
  for (const steps of all)
    for (const [text, each] of steps) if (watchedTypeOf(each, types) !== undefined) texts.add(text);
  return texts;
};

/** Returns the touches of a changeset. The objects are as after it then. */
const touchesOfSteps = (steps: ObjectSteps, objects: BatchObjects, types: WatchedTypes): Uint8Array => {
  const writer = new TouchWriter();
  let place = -1;
  for (const [text, each] of steps) {
    place += 1;
    const watched = watchedTypeOf(each, types);
    if (watched === undefined) continue;
    const [first] = each;
    if (each.length === 1 && first?.operation.kind === 'create' && objects.isUnknown(text)) {
      writer.addCreated(place, first.operation.values, watched);
      objects.create(text, steps);
      continue;
    }
    const before = objects.stateOf(text);
    const after = applySteps(before, each);
    if (after !== undefined && after !== before) objects.states.set(text, after);
    writer.add(place, before, after, watched);
  }
  return writer.encode();
};

/**
 * Adds the touches to the changesets of a batch. Returns the types whose touches a changeset lacks, because their
 * values are too large beside the changeset.
 */
const addTouches = (
  { recorded }: AppendBatch,
  all: readonly ObjectSteps[],
  objects: BatchObjects,
  types: WatchedTypes,
): ReadonlySet<string> => {
  const lacking = new Set<string>();
  all.forEach((steps, index) => {
    const record = recorded[index];
    if (record === undefined) return;
    const touches = touchesOfSteps(steps, objects, types);
    const isTooLarge = touches.byteLength > serverLimits.touchesBytesMax + 2 * record.body.byteLength;
    if (isTooLarge)
      for (const each of steps.values()) if (watchedTypeOf(each, types)) lacking.add(each[0]?.operation.type ?? '');
    const { version, origin, time, count, body, total } = record; // A spread takes four times as long (measured).
    recorded[index] = { version, origin, time, count, body, total, touches: isTooLarge ? noTouches : touches };
  });
  return lacking;
};

/**
 * Adds to each changeset of a batch what it does to objects of watched types. Does nothing in a realm that is not
 * watched. Nothing may be appended or watched meanwhile. Cold. Never emits. Completes when done, and errors with a
 * `StorageError`.
 */
export const recordTouches = (batch: AppendBatch, { history, headState }: RecordTouchesPorts): Observable<never> =>
  defer(() => {
    const { types } = history.watchedProperties;
    if (types.size === 0 || batch.recorded.length === 0) return EMPTY;
    const all = batch.recorded.map((record, at) => stepsOf(record, batch.incoming[at]?.operations ?? []));
    const texts = watchedTextsOf(all, types);
    let lacking: ReadonlySet<string> = new Set();
    return concat(
      (texts.size === 0 ? of(noStates) : headState.readStates(texts)).pipe(
        tap((found) => {
          const objects = new BatchObjects(new Map(found));
          lacking = addTouches(batch, all, objects, types);
          batch.known = { steps: all, states: objects.states };
        }),
        ignoreElements(),
      ),
      // Before the changesets are appended: after a crash in between, less is promised than is there.
      defer(() => history.watchedProperties.raiseSince(lacking, batch.recorded.at(-1)?.version ?? 0)),
    );
  });
