import { InvalidArgumentError } from './errors.js';
import { limits } from './limits.js';

/** Letters and digits only: every other character of a realm's name separates an id from its neighbours. */
const plainPattern = /^[A-Za-z0-9]+$/;
/** Half a surrogate pair has no UTF-8, so that two such ids would become one. */
const loneSurrogate = /\p{Surrogate}/u;

/** Whether an id can be part of a realm's name. */
export const hasUserPart = (id: unknown): id is string =>
  typeof id === 'string' && id !== '' && id.length <= limits.idCharsMax && !loneSurrogate.test(id);

/**
 * Returns a user's id in a form that can be part of a realm's name. Letters and digits stay; each other byte of its
 * UTF-8 becomes `~` and two hexadecimal digits. Different ids stay different. `{user}` in a realm rule of `tidemark
 * serve` stands for this form.
 *
 * @param id - The user's id, as `authenticate` returns it: the `sub` of a token with `jwt`.
 * @returns The id in the form described above.
 * @throws InvalidArgumentError for an empty id, one of more than 256 characters, and one with half a surrogate pair.
 *
 * @example
 * ```ts
 * const realm = `user-${userPart('auth0|123')}`; // user-auth0~7c123
 * ```
 */
export const userPart = (id: string): string => {
  if (!hasUserPart(id))
    throw new InvalidArgumentError('id', `a user's id of 1 to ${limits.idCharsMax} whole characters`, id);
  if (plainPattern.test(id)) return id;
  return Array.from(new TextEncoder().encode(id), (byte) => {
    const char = String.fromCharCode(byte);
    return plainPattern.test(char) ? char : `~${byte.toString(16).padStart(2, '0')}`;
  }).join('');
};
