import type { Operation, PartOperation } from '../merge/operation.js';
import type { Part } from '../merge/part.js';
import type { Stamp } from '../merge/stamp.js';
import type { Working } from '../merge/working.js';
import { SchemaError } from '../model/errors.js';
import { limits } from '../model/limits.js';
import type { Property } from '../model/schema.js';
import type { Key, Value } from '../model/value.js';
import { piecesBy, weightOf } from './pieces.js';
import { checkedValue } from './values.js';

/** One list, set or dictionary of one object, as a transaction sees it and changes it. */
export interface Site {
  readonly type: string;
  readonly key: Key;
  readonly property: Property;
  /** Who writes. */
  readonly replica: string;
  /** What the next operation will be stamped with. */
  readonly stamp: () => Stamp;
  /** As it is now. Throws when the transaction is over, or the object is not there any more. */
  readonly part: () => Part;
  readonly perform: (operation: Operation) => void;
  readonly work: Working;
}

type Details<K extends PartOperation['kind']> = Omit<Extract<PartOperation, { kind: K }>, 'type' | 'key' | 'property'>;

export const perform = <K extends PartOperation['kind']>(
  { type, key, property, ...site }: Site,
  details: Details<K>,
): void => {
  site.perform({ ...details, type, key, property: property.name } as unknown as Operation);
};

/** What a property of an object is: enough to check what is given for it. */
export type SiteName = Pick<Site, 'type' | 'key' | 'property'>;

export const valueFor = ({ type, key, property }: SiteName, given: unknown, at: string | number): Value =>
  checkedValue(type, key, property, given, `[${typeof at === 'string' ? JSON.stringify(at) : at}]`);

export const refuseMore = ({ type, key, property }: SiteName, count: number): void => {
  if (count <= limits.elementsMax) return;
  const expected = `at most ${limits.elementsMax} elements`;
  throw new SchemaError({ type, key, property: property.name, expected, received: count });
};

/** Inserts elements at these places, in operations that each fit a changeset. `created`: the count of the create that begins the list with them. */
export const insertElements = (
  site: Site,
  { run, keys }: { readonly run: readonly string[]; readonly keys: readonly string[] },
  all: readonly Value[],
  created: number | null,
): void => {
  let from = 0;
  for (const values of piecesBy(all, weightOf)) {
    const some = { run, keys: keys.slice(from, from + values.length), values };
    from += values.length;
    perform<'insert'>(site, {
      ...{ kind: 'insert', ...some },
      ...(created !== null && { defaultOf: site.stamp().count - created }),
    });
  }
};
