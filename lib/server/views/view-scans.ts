import type { StoredFilter } from '../../filter/stored-filter.js';
import type { Version } from '../../model/version.js';
import { hashOf } from '../history/index-value.js';
import type { ServedFilter, ServedView } from './served-view.js';

/** A selection of objects of which the members of a view are made. */
export interface ViewScan {
  /** Whether the objects are in the new view only, or in the present one only. */
  readonly kind: 'entering' | 'leaving';
  readonly type: string;
  readonly filter: StoredFilter;
}

/** Returns a filter for the objects that match one of the filters; `null`: no object does. */
const anyOf = (filters: readonly ServedFilter[]): StoredFilter | null => {
  const all = filters.map(({ filter }) => filter).filter((filter) => filter !== false);
  if (all.includes(true)) return true;
  const [first] = all;
  if (first === undefined) return null;
  // Not in canonical form: to combine the values of 256 filters takes seconds, and a scan of each finds the same.
  return all.length === 1 ? first : ['or', ...all];
};

/** Returns the scan of what one view has more than another of a type. */
const scanOf = (kind: ViewScan['kind'], type: string, view: ServedView, other: ServedView | null): ViewScan[] => {
  const covering = other?.types.get(type)?.filters ?? [];
  if (covering.some(({ filter }) => filter === true)) return [];
  const texts = new Set(covering.map(({ text }) => text));
  const filter = anyOf((view.types.get(type)?.filters ?? []).filter(({ text }) => !texts.has(text)));
  return filter === null ? [] : [{ kind, type, filter }];
};

/**
 * Returns the scans that find what changes between two views, in an order that depends on the views only. `source` is
 * `null` if the target replaces everything.
 */
export const viewScansOf = (source: ServedView | null, target: ServedView): readonly ViewScan[] => [
  ...[...target.types.keys()].sort().flatMap((type) => scanOf('entering', type, target, source)),
  ...(source === null
    ? []
    : [...source.types.keys()].sort().flatMap((type) => scanOf('leaving', type, source, target))),
];

/** Where the pages of members go on. */
export interface MembersPosition {
  /** The version of which the objects are at least. */
  readonly version: Version;
  /** Marks the two views. */
  readonly mark: string;
  /** The number of the scan; the number of scans: all are done. */
  readonly scan: number;
  /** The position in the scan, empty at its start. After all scans, a text that differs for each page. */
  readonly after: string;
}

/** Returns a text that differs for other views. */
export const viewMarkOf = (source: ServedView | null, target: ServedView): string =>
  hashOf(`${source === null ? 'resync' : source.text}\n\n${target.text}`).toString(36);

const positionPattern = /^(\d{1,15})\.([a-z\d]{1,11})\.(\d{1,3})\.([ -~]*)$/;

export const membersPositionTextOf = ({ version, mark, scan, after }: MembersPosition): string =>
  `${version}.${mark}.${scan}.${after}`;

/** Reads a position that a client has sent; `null`: it is no position. */
export const parseMembersPosition = (text: string): MembersPosition | null => {
  const [, version, mark, scan, after] = positionPattern.exec(text) ?? [];
  if (mark === undefined || after === undefined) return null;
  return { version: Number(version), mark, scan: Number(scan), after };
};
