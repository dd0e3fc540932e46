import type { Instant } from '../model/changeset.js';
import type { ElementId } from './element.js';
import type { Operation } from './operation.js';
import { compareInstants, type Stamp } from './stamp.js';

/** Operations that somebody wrote as one replica, and now writes as another: from an instant on, what came before stays what it was. */
export interface Rebase {
  readonly from: string;
  readonly since: Instant;
  readonly to: string;
}

const stampIn = <T extends Stamp>(stamp: T, { from, since, to }: Rebase): T =>
  stamp.replica === from && compareInstants(stamp, since) >= 0 ? { ...stamp, replica: to } : stamp;

/** An operation that names others by their stamps, as it has to name them once its writer is another replica. */
export const rebased = (operation: Operation, rebase: Rebase): Operation => {
  const element = (id: ElementId): ElementId => stampIn(id, rebase);
  switch (operation.kind) {
    case 'move':
    case 'replace':
      return { ...operation, element: element(operation.element) };
    case 'remove':
      return { ...operation, elements: operation.elements.map(element) };
    case 'increment':
      return { ...operation, born: stampIn(operation.born, rebase) };
    default:
      return operation;
  }
};
