/** What users may do in the realm of a world: all may write, unless that was taken from them for a while. */
export interface UserAccess {
  readonly accessOf: (user: string) => 'read' | 'write';
  readonly setAccess: (user: string, right: 'read' | 'write') => void;
  /** Whether a user could ever only read: what was written then is rejected. */
  readonly wasEverLowered: (user: string) => boolean;
}

export const createUserAccess = (): UserAccess => {
  const readers = new Set<string>();
  const lowered = new Set<string>();
  return {
    accessOf: (user) => (readers.has(user) ? 'read' : 'write'),
    setAccess: (user, right) => {
      if (right === 'write') {
        readers.delete(user);
        return;
      }
      readers.add(user);
      lowered.add(user);
    },
    wasEverLowered: (user) => lowered.has(user),
  };
};
