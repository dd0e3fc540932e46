import { isGroup, isMembership, keyName, type StoredFilter } from '../../filter/stored-filter.js';
import { isKey } from '../../merge/decoders.js';
import { objectTextOf } from '../../model/object-key.js';
import { type IndexRange, indexRangesOf } from '../history/index-value.js';
import type { WatchedType } from '../history/watched-properties.js';

/**
 * A way to read some objects of a type in order. It reads at least all objects that match `covers`, which is one
 * condition of the filter.
 */
export type Scan =
  | { readonly kind: 'keys'; readonly covers: StoredFilter; readonly texts: readonly string[] }
  | {
      readonly kind: 'index';
      readonly covers: StoredFilter;
      readonly property: string;
      readonly ranges: readonly IndexRange[];
      /** Whether the ranges have no object that does not match `covers`. */
      readonly isExact: boolean;
    }
  | { readonly kind: 'type'; readonly covers: true };

/** The scans that find the objects that match a filter: each object is read by at least one of them. */
export interface SelectionPlan {
  readonly type: string;
  /** In canonical form. */
  readonly filter: StoredFilter;
  readonly scans: readonly Scan[];
  /** A text from which `restorePlan` makes the plan again. */
  readonly choice: string;
  /** The objects that the scans read, as an estimate. Left out in a plan that was made again. */
  readonly objects?: number;
}

/** A condition of a filter, with its place among all conditions, and its scan if an index helps. */
export interface ConditionNode {
  readonly number: number;
  readonly scan: Scan | null;
}

/** A filter whose conditions are numbered. */
export type FilterNode = ConditionNode | { readonly operator: 'and' | 'or'; readonly parts: readonly FilterNode[] };

export const typeScan: Scan = { kind: 'type', covers: true };
const typeChoice = 'all';

const propertyOf = (condition: Exclude<StoredFilter, boolean>): string => {
  const [, first] = condition;
  return typeof first === 'string' ? first : propertyOf(first as Exclude<StoredFilter, boolean>);
};

/** Returns the scan of the objects with some primary keys. Values that cannot be keys have no object. */
const keysScanOf = (type: string, covers: StoredFilter): Scan | null => {
  if (typeof covers === 'boolean' || !isMembership(covers)) return null;
  const texts = covers.slice(2).flatMap((key) => (isKey(key) ? [objectTextOf(type, key)] : []));
  return { kind: 'keys', covers, texts: texts.sort() };
};

const scanOf = (type: string, watched: WatchedType | undefined, covers: StoredFilter): Scan | null => {
  if (typeof covers === 'boolean') return null;
  const property = propertyOf(covers);
  if (property === keyName) return keysScanOf(type, covers);
  if (!watched?.properties.some(({ name, isIndexed }) => isIndexed && name === property)) return null;
  const found = indexRangesOf(covers);
  return found && { kind: 'index', covers, property, ...found };
};

/** Numbers the conditions of a canonical filter. */
export const toFilterNode = (type: string, filter: StoredFilter, watched: WatchedType | undefined): FilterNode => {
  let count = 0;
  const toNode = (part: StoredFilter): FilterNode => {
    if (isGroup(part)) return { operator: part[0], parts: part.slice(1).map((each) => toNode(each as StoredFilter)) };
    count += 1;
    return { number: count - 1, scan: scanOf(type, watched, part) };
  };
  return toNode(filter);
};

/** Returns the plan that reads the chosen conditions; those of a type without any condition read all objects. */
export const planOf = (type: string, filter: StoredFilter, chosen: readonly ConditionNode[] | null): SelectionPlan => {
  if (filter === false) return { type, filter, scans: [], choice: '' };
  if (chosen === null) return { type, filter, scans: [typeScan], choice: typeChoice };
  const scans = chosen.flatMap(({ scan }) => scan ?? []);
  return { type, filter, scans, choice: chosen.map(({ number }) => number).join('.') };
};

const conditionsOf = (node: FilterNode): readonly ConditionNode[] =>
  'parts' in node ? node.parts.flatMap(conditionsOf) : [node];

/** Whether each object that matches is read by a scan of the chosen conditions. */
const isCovered = (node: FilterNode, chosen: readonly ConditionNode[]): boolean => {
  if (!('parts' in node)) return chosen.includes(node);
  return node.operator === 'and'
    ? node.parts.some((part) => isCovered(part, chosen))
    : node.parts.every((part) => isCovered(part, chosen));
};

/**
 * Returns the plan with a choice. The choice may come from a client. `null`: it is not the choice of a plan of this
 * filter, or a property is not indexed any more.
 */
export const restorePlan = (
  type: string,
  filter: StoredFilter,
  watched: WatchedType | undefined,
  choice: string,
): SelectionPlan | null => {
  if (filter === false || choice === typeChoice) return planOf(type, filter, null);
  const node = toFilterNode(type, filter, watched);
  const conditions = conditionsOf(node);
  const chosen = choice.split('.').flatMap((text) => conditions[/^\d{1,5}$/.test(text) ? Number(text) : -1] ?? []);
  const isRight = chosen.every(({ scan }) => scan !== null) && isCovered(node, chosen);
  const plan = planOf(type, filter, chosen);
  return isRight && plan.choice === choice ? plan : null;
};
