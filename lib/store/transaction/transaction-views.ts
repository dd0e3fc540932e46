import type { ObjectState } from '../../merge/object-state.js';
import { isWrite, type Operation } from '../../merge/operation.js';
import { nameTextOf } from '../../model/changeset.js';
import type { TypeShape } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { type View, viewOf } from '../objects/object-view.js';

/**
 * What a transaction shows of objects: the same as before until an operation names them, and then only what it names is
 * made anew.
 */
export interface TransactionViews {
  readonly viewOf: (shape: TypeShape, key: Key, state: ObjectState) => View;
  /** An operation is about to be performed. */
  readonly noteOperation: (operation: Operation) => void;
}

interface CachedView {
  readonly view: View;
  /** Properties that operations have named since. */
  readonly stale: Set<string>;
}

export const createTransactionViews = (): TransactionViews => {
  const kept = new Map<string, CachedView>();
  return {
    viewOf: (shape, key, state) => {
      const place = nameTextOf({ type: shape.name, key });
      const before = kept.get(place);
      if (before?.stale.size === 0) return before.view;
      const view = viewOf(shape, state, key, before);
      kept.set(place, { view, stale: new Set() });
      return view;
    },
    noteOperation: (operation) => {
      const place = nameTextOf(operation);
      const found = kept.get(place);
      if (!found) return;
      if (operation.kind === 'create' || operation.kind === 'delete') kept.delete(place);
      else if (isWrite(operation)) for (const name of Object.keys(operation.values)) found.stale.add(name);
      else found.stale.add(operation.property);
    },
  };
};
