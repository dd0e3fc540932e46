import { createHash } from 'node:crypto';

/** Returns the SHA-256 of a text in hexadecimal digits. */
export const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Returns a hash that is the same for the same user, and the same as in the log of `tidemark serve`. */
export const userHashOf = (user: string): string => digestOf(user).slice(0, 12);
