/** Who fetches the objects of a realm, as they are at one version. */
export interface SnapshotLeases {
  /** A replica fetches: the objects are to stay as they are for it. */
  readonly renew: (replica: string) => void;
  /** It has all of them. */
  readonly end: (replica: string) => void;
  /** The objects are those of another version now. */
  readonly moved: () => void;
  /** Whether the objects have to stay as they are. */
  readonly isHeld: () => boolean;
}

export interface SnapshotLeasesOptions {
  readonly now: () => number;
  /** Milliseconds after which a replica that fetches nothing is not waited for any more. */
  readonly idleMs: number;
  /** Milliseconds that all of them together can hold one version. */
  readonly holdMs: number;
}

/**
 * The objects stay at one version while somebody fetches them, or a snapshot would be half of one version and half of
 * another. A lease belongs to a replica, not to its connection: it goes on fetching after a drop. Neither can one that
 * has gone away hold the objects for ever, nor can many that come one after the other.
 */
export const createSnapshotLeases = ({ now, idleMs, holdMs }: SnapshotLeasesOptions): SnapshotLeases => {
  const ends = new Map<string, number>();
  let heldSince: number | null = null;

  const isAnybody = (): boolean => {
    for (const [replica, end] of ends) if (end <= now()) ends.delete(replica);
    return ends.size > 0;
  };

  return {
    renew: (replica) => {
      if (!isAnybody()) heldSince = now();
      heldSince ??= now();
      ends.set(replica, now() + idleMs);
    },
    end: (replica) => void ends.delete(replica),
    moved: () => (heldSince = null),
    isHeld: () => isAnybody() && (heldSince === null || now() - heldSince < holdMs),
  };
};
