import type { ObjectState } from '../../merge/object-state.js';
import { isWrite, type Operation } from '../../merge/operation.js';
import { nameTextOf } from '../../model/changeset.js';
import type { TypeShape } from '../../model/schema.js';
import type { Key } from '../../model/value.js';
import { type View, viewOf } from '../objects/object-view.js';

/**
 * The views of objects in a transaction. A view stays the same until an operation changes its object; then only the
 * changed properties are created again.
 */
export interface TransactionViews {
  readonly viewOf: (shape: TypeShape, key: Key, state: ObjectState) => View;
  /** Called before an operation is performed. */
  readonly noteOperation: (operation: Operation) => void;
}

interface CachedView {
  readonly view: View;
  /** Properties that operations have changed since. */
  readonly stale: Set<string>;
}

export const createTransactionViews = (): TransactionViews => {
  const cached = new Map<string, CachedView>();
  return {
    viewOf: (shape, key, state) => {
      const name = nameTextOf({ type: shape.name, key });
      const before = cached.get(name);
      if (before?.stale.size === 0) return before.view;
      const view = viewOf(shape, state, key, before);
      cached.set(name, { view, stale: new Set() });
      return view;
    },
    noteOperation: (operation) => {
      const name = nameTextOf(operation);
      const found = cached.get(name);
      if (!found) return;
      if (operation.kind === 'create' || operation.kind === 'delete') cached.delete(name);
      else if (isWrite(operation)) for (const name of Object.keys(operation.values)) found.stale.add(name);
      else found.stale.add(operation.property);
    },
  };
};
