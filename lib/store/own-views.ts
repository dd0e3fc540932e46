import type { ObjectState } from '../merge/object.js';
import { isWrite, type Operation } from '../merge/operation.js';
import { nameText } from '../model/changeset.js';
import type { TypeShape } from '../model/schema.js';
import type { Key } from '../model/value.js';
import { type View, viewOf } from './views.js';

/** What a transaction shows of objects: the same as before until an operation names them, and then only what it names is made anew. */
export interface OwnViews {
  readonly of: (shape: TypeShape, key: Key, state: ObjectState) => View;
  /** An operation is about to be performed. */
  readonly note: (operation: Operation) => void;
}

interface Kept {
  readonly view: View;
  /** Properties that operations have named since. */
  readonly stale: Set<string>;
}

export const createOwnViews = (): OwnViews => {
  const kept = new Map<string, Kept>();
  return {
    of: (shape, key, state) => {
      const place = nameText({ type: shape.name, key });
      const before = kept.get(place);
      if (before?.stale.size === 0) return before.view;
      const view = viewOf(shape, state, key, before);
      kept.set(place, { view, stale: new Set() });
      return view;
    },
    note: (operation) => {
      const place = nameText(operation);
      const found = kept.get(place);
      if (!found) return;
      if (operation.kind === 'create' || operation.kind === 'delete') kept.delete(place);
      else if (isWrite(operation)) for (const name of Object.keys(operation.values)) found.stale.add(name);
      else found.stale.add(operation.property);
    },
  };
};
