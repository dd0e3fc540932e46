import { decodeOperations } from '../../lib/merge/operation-codec.js';
import { compareInstants } from '../../lib/merge/timestamp.js';
import type { Changeset } from '../../lib/model/changeset.js';
import { isLeft } from '../../lib/model/result.js';

type TakenChangeset = Changeset & { readonly name: string };

/** The state that a server has of one replica. */
interface KnownReplica {
  readonly taken: TakenChangeset[];
  /** Versions that were rejected and that the client may not know of. */
  readonly rejected: Set<number>;
  accepted: number;
}

interface History {
  readonly id: string;
  readonly replicas: ReadonlyMap<string, KnownReplica>;
}

export type Answer = { readonly accepted: number } | { readonly rejected: number };

export const nameOf = ({ body }: Changeset): string => {
  const operations = decodeOperations(body);
  if (isLeft(operations)) throw new Error(operations.left);
  return String(operations.right[0]?.key);
};
export const isBad = (name: string): boolean => name.startsWith('bad');

const copyOf = (known: KnownReplica): KnownReplica => ({
  ...known,
  taken: [...known.taken],
  rejected: new Set(known.rejected),
});

/** A server of one realm and its backups, as in docs/PROTOCOL.md. */
export const createModelServer = () => {
  let history = { id: 'history 0', replicas: new Map<string, KnownReplica>() };
  let backup: History = { id: history.id, replicas: new Map() };
  let count = 0;
  const knownOf = (replica: string): KnownReplica => {
    const known = history.replicas.get(replica) ?? { taken: [], rejected: new Set<number>(), accepted: 0 };
    history.replicas.set(replica, known);
    return known;
  };
  const namesIn = ({ replicas }: History): readonly string[] =>
    [...replicas.values()].flatMap(({ taken }) => taken.map(({ name }) => name));
  const copied = (id: string, { replicas }: History) => ({
    id,
    replicas: new Map([...replicas].map(([replica, known]) => [replica, copyOf(known)])),
  });
  return {
    names: () => namesIn(history),
    /** The version after which the client continues, or that it needs a client reset. */
    bind: (replica: string, its: string | null, acknowledged: number) => {
      const known = knownOf(replica);
      if ((its !== null && its !== history.id) || acknowledged > known.accepted) return null;
      for (const version of known.rejected) if (version <= acknowledged) known.rejected.delete(version);
      const accepted = Math.min(known.accepted, ...[...known.rejected].map((each) => each - 1));
      const names = known.taken.flatMap(({ version, name }) => (version <= accepted ? [name] : []));
      return { history: history.id, accepted, decided: known.accepted, names };
    },
    upload: (replica: string, changeset: Changeset): Answer => {
      const known = knownOf(replica);
      const { version } = changeset;
      const name = nameOf(changeset);
      if (known.rejected.has(version)) return { rejected: version };
      const before = known.taken.find((each) => each.version === version);
      if (before) {
        expect({ ...changeset, name }).toEqual(before); // Changesets that may be in the history are sent unchanged.
        return { accepted: version };
      }
      expect(version).toBe(known.accepted + 1);
      known.accepted = version;
      if (isBad(name)) {
        known.rejected.add(version);
        return { rejected: version };
      }
      expect(namesIn(history)).not.toContain(name);
      const last = known.taken.at(-1);
      if (last) expect(compareInstants(last, changeset)).toBeLessThan(0);
      known.taken.push({ ...changeset, name });
      return { accepted: version };
    },
    backUp: () => void (backup = copied(history.id, history)),
    /** Returns the versions that are lost. */
    restore: (): readonly string[] => {
      const had = namesIn(history);
      history = copied(`history ${(count += 1)}`, backup);
      const has = new Set(namesIn(history));
      return had.filter((name) => !has.has(name));
    },
  };
};
