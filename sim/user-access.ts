/** Access of users to the realm of a world: every user may write, unless that was withdrawn for a while. */
export interface UserAccess {
  readonly accessOf: (user: string) => 'read' | 'write';
  readonly setAccess: (user: string, access: 'read' | 'write') => void;
  /** Whether a user could only read at some time: its writes of that time are rejected. */
  readonly wasEverLowered: (user: string) => boolean;
}

export const createUserAccess = (): UserAccess => {
  const readers = new Set<string>();
  const lowered = new Set<string>();
  return {
    accessOf: (user) => (readers.has(user) ? 'read' : 'write'),
    setAccess: (user, access) => {
      if (access === 'write') {
        readers.delete(user);
        return;
      }
      readers.add(user);
      lowered.add(user);
    },
    wasEverLowered: (user) => lowered.has(user),
  };
};
