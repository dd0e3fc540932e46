/** Leases of replicas that fetch the objects of a realm at one version. */
export interface SnapshotLeases {
  /** Starts or extends the lease of a replica that fetches objects. */
  readonly renew: (replica: string) => void;
  /** Ends the lease of a replica that has all objects. */
  readonly end: (replica: string) => void;
  /** The objects have another version now. */
  readonly moved: () => void;
  /** Whether the objects must keep their version. */
  readonly isHeld: () => boolean;
  /** Whether no replica has a lease. Then nothing is lost with the leases. */
  readonly isEmpty: () => boolean;
}

export interface SnapshotLeasesOptions {
  readonly now: () => number;
  /** Milliseconds without a fetch after which a lease ends. */
  readonly idleMs: number;
  /** Milliseconds that all leases together can hold one version. */
  readonly holdMs: number;
}

/**
 * Creates the leases of a realm. The objects keep their version while a replica fetches them; otherwise a snapshot
 * would mix two versions. A lease belongs to a replica instead of its connection, because the replica continues after a
 * disconnect. Neither an absent replica nor many successive ones can hold the objects for ever.
 */
export const createSnapshotLeases = ({ now, idleMs, holdMs }: SnapshotLeasesOptions): SnapshotLeases => {
  const ends = new Map<string, number>();
  let heldSince: number | null = null;

  const hasLease = (): boolean => {
    for (const [replica, end] of ends) if (end <= now()) ends.delete(replica);
    return ends.size > 0;
  };

  return {
    renew: (replica) => {
      if (!hasLease()) heldSince = now();
      heldSince ??= now();
      ends.set(replica, now() + idleMs);
    },
    end: (replica) => void ends.delete(replica),
    moved: () => (heldSince = null),
    isEmpty: () => !hasLease(),
    isHeld: () => hasLease() && (heldSince === null || now() - heldSince < holdMs),
  };
};
