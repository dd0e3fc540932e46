import { compareValues } from '../model/value.js';
import { compareElements } from './element-order.js';
import { idTextOf, type ListElement } from './list-element.js';
import type { EarlyEdit, List } from './list.js';
import { comparePositions } from './list-position.js';
import { wins } from './timestamp.js';

type Moved = NonNullable<EarlyEdit['moved']>;
type Replaced = NonNullable<EarlyEdit['replaced']>;

const laterMoveOf = (a: Moved | null, b: Moved | null): Moved | null =>
  a === null || (b !== null && wins(b.stamp, a.stamp, () => comparePositions(b.position, a.position))) ? b : a;

const laterReplacementOf = (a: Replaced | null, b: Replaced | null): Replaced | null =>
  a === null || (b !== null && wins(b.stamp, a.stamp, () => compareValues(b.value, a.value))) ? b : a;

const editsOf = ({ id, position, moved, value, replaced }: ListElement): EarlyEdit => ({
  id,
  moved: moved && { position, stamp: moved },
  replaced: replaced && { value, stamp: replaced },
});

const joinEdits = (a: EarlyEdit, b: EarlyEdit): EarlyEdit => {
  const moved = laterMoveOf(a.moved, b.moved);
  const replaced = laterReplacementOf(a.replaced, b.replaced);
  return moved === a.moved && replaced === a.replaced ? a : { id: a.id, moved, replaced };
};

/** Returns the element after edits that it may not have. Returns the same object when it has them. */
const applyEdits = (element: ListElement, edits: EarlyEdit): ListElement => {
  const own = editsOf(element);
  const { moved, replaced } = joinEdits(own, edits);
  if (moved === own.moved && replaced === own.replaced) return element;
  return {
    ...element,
    position: moved ? moved.position : element.position,
    moved: moved?.stamp ?? null,
    value: replaced ? replaced.value : element.value,
    replaced: replaced?.stamp ?? null,
  };
};

/**
 * Joins two states of one element. What was inserted twice with different content, which a correct replica never does,
 * is decided as for inserts: the greater position and the greater value count.
 */
const joinElements = (a: ListElement, b: ListElement): ListElement => {
  const joined = applyEdits(a, editsOf(b));
  const isPlaced = joined.moved === null && comparePositions(b.position, a.position) > 0;
  const isValued = joined.replaced === null && compareValues(b.value, a.value) > 0;
  if (!isPlaced && !isValued) return joined;
  return {
    ...joined,
    position: isPlaced ? b.position : joined.position,
    value: isValued ? b.value : joined.value,
  };
};

const unionOf = <T>(a: ReadonlyMap<string, T>, b: ReadonlyMap<string, T>): ReadonlyMap<string, T> => {
  const more = [...b].filter(([text]) => !a.has(text));
  return more.length === 0 ? a : new Map([...a, ...more]);
};

/** Joins the early edits that belong to neither an element nor a tombstone of the joined list. */
const joinEarlyEdits = (
  { earlyEdits: a }: List,
  { earlyEdits: b }: List,
  isNeeded: (text: string) => boolean,
): ReadonlyMap<string, EarlyEdit> => {
  if (a.size === 0 && b.size === 0) return a;
  const joined = new Map<string, EarlyEdit>();
  for (const [text, edit] of a) if (isNeeded(text)) joined.set(text, edit);
  for (const [text, edit] of b) {
    const other = joined.get(text);
    if (isNeeded(text)) joined.set(text, other ? joinEdits(other, edit) : edit);
  }
  const isSame = joined.size === a.size && [...joined].every(([text, edit]) => a.get(text) === edit);
  return isSame ? a : joined;
};

/**
 * Joins two states of a list: every element that is in one of them and removed in none, with its latest move and
 * replacement. Returns `a` itself when `b` has nothing more.
 */
export const joinLists = (a: List, b: List): List => {
  if (a === b) return a;
  const tombstones = unionOf(a.tombstones, b.tombstones);
  const byId = new Map<string, ListElement>();
  for (const list of [a, b]) {
    for (const element of list.elements) {
      const text = idTextOf(element.id);
      const other = byId.get(text);
      if (!tombstones.has(text)) byId.set(text, other ? joinElements(other, element) : element);
    }
  }
  for (const { earlyEdits } of [a, b]) {
    for (const [text, edit] of earlyEdits) {
      const element = byId.get(text);
      if (element) byId.set(text, applyEdits(element, edit));
    }
  }
  const earlyEdits = joinEarlyEdits(a, b, (text) => !tombstones.has(text) && !byId.has(text));
  const elements = [...byId.values()].sort(compareElements);
  const isSame = elements.length === a.elements.length && elements.every((each, at) => each === a.elements[at]);
  if (isSame && earlyEdits === a.earlyEdits && tombstones === a.tombstones) return a;
  return { elements: isSame ? a.elements : elements, earlyEdits, tombstones };
};
