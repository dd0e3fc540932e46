import type { Instant, Operation } from './operations.js';
import { stampOf, textOf, type Stamp } from './timestamps.js';

/** A changeset of this replica that the server has not acknowledged. */
export interface OwnChangeset extends Instant {
  readonly version: number;
  readonly operations: readonly Operation[];
}

/** Rewrites changesets for other stamps or another replica, and with them the names of their operations. */
export class ChangesetRewriter {
  private readonly renamed = new Map<string, Stamp>();

  constructor(
    private readonly before: string,
    private readonly now: string,
  ) {}

  rewrite(changeset: OwnChangeset, instant: Instant, version: number): OwnChangeset {
    changeset.operations.forEach((_, n) =>
      this.renamed.set(textOf(stampOf(changeset, this.before, n)), stampOf(instant, this.now, n)),
    );
    return { ...instant, version, operations: changeset.operations.map((each) => this.rename(each)) };
  }

  private rename(operation: Operation): Operation {
    switch (operation.does) {
      case 'move':
      case 'replace':
        return { ...operation, element: { ...operation.element, ...this.stamp(operation.element) } };
      case 'remove':
        return { ...operation, elements: operation.elements.map((each) => ({ ...each, ...this.stamp(each) })) };
      case 'add': {
        const { born, after } = operation;
        const renamed = after && this.renamed.get(textOf({ ...after, replica: this.before }));
        return {
          ...operation,
          born: this.stamp(born),
          after:
            this.before === this.now
              ? renamed
                ? { time: renamed.time, count: renamed.count }
                : after
              : (renamed ?? null),
        };
      }
      default:
        return operation;
    }
  }

  private stamp({ time, count, replica }: Stamp): Stamp {
    return this.renamed.get(textOf({ time, count, replica })) ?? { time, count, replica };
  }
}
