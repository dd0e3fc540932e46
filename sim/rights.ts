/** What users may do in the realm of a world: all may write, unless that was taken from them for a while. */
export interface Rights {
  readonly of: (user: string) => 'read' | 'write';
  readonly become: (user: string, right: 'read' | 'write') => void;
  /** Whether a user could ever only read: what was written then is rejected. */
  readonly wereLowered: (user: string) => boolean;
}

export const createRights = (): Rights => {
  const readers = new Set<string>();
  const lowered = new Set<string>();
  return {
    of: (user) => (readers.has(user) ? 'read' : 'write'),
    become: (user, right) => {
      if (right === 'write') {
        readers.delete(user);
        return;
      }
      readers.add(user);
      lowered.add(user);
    },
    wereLowered: (user) => lowered.has(user),
  };
};
