import { createRandomId, type Clock } from '../../clock.js';
import { serverLimits } from '../server-limits.js';

/** Positions of one replica: that of the last page, and of the one before, whose page may not have arrived. */
type Positions = readonly (readonly [token: string, position: string])[];

/**
 * Positions in the members of views, for users who see a part of a realm: a position has names and values of objects
 * that the user may not see. The client gets a token instead.
 */
export class HiddenPositions {
  private readonly replicas = new Map<string, Positions>();

  constructor(private readonly clock: Pick<Clock, 'random'>) {}

  /** Returns the token of a position. The replica's last two tokens are known. */
  hide(replica: string, position: string): string {
    const token = createRandomId(this.clock);
    const before = this.replicas.get(replica)?.slice(-1) ?? [];
    this.replicas.delete(replica);
    this.replicas.set(replica, [...before, [token, position]]);
    const [oldest] = this.replicas.keys();
    if (this.replicas.size > serverLimits.hiddenPositionsMax && oldest !== undefined) this.replicas.delete(oldest);
    return token;
  }

  /** Returns the position of a token of the replica; `null` if it is not known any more. */
  reveal(replica: string, token: string): string | null {
    return this.replicas.get(replica)?.find(([known]) => known === token)?.[1] ?? null;
  }
}
