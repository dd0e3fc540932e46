import { createHash } from 'node:crypto';

/** Returns a hash that is the same for the same user, and the same as in the log of `tidemark serve`. */
export const userHashOf = (user: string): string => createHash('sha256').update(user).digest('hex').slice(0, 12);
