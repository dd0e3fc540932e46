import { checkOptions } from '../model/limits.js';
import { InvalidArgumentError } from '../model/errors.js';
import { hasUserPart, userPart } from '../model/user-part.js';
import type { Authorize, Access, User } from '../server/index.js';

/** The access of users to the realms whose names match a pattern. */
interface AccessRule {
  /** The pattern: `*` stands for any characters, `{user}` for the id of the user as `userPart` writes it. */
  readonly name: string;
  /** Ids of users with read access; `*` is every authenticated user. */
  readonly read?: readonly string[];
  /** Ids of users with write access, which includes read access. */
  readonly write?: readonly string[];
}

const isTextList = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '');

const checkRule = (rule: unknown, index: number): AccessRule => {
  const argument = `realms[${index}]`;
  const { name, read, write } = checkOptions(argument, rule as AccessRule, ['name', 'read', 'write']);
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError(`${argument}.name`, 'a name', name);
  if (!isSeparated(name)) {
    throw new InvalidArgumentError(
      `${argument}.name`,
      'a pattern with one of ". _ -" between {user} and "*" (otherwise "*" matches the rest of longer ids)',
      name,
    );
  }
  for (const [right, users] of Object.entries({ read, write })) {
    if (users !== undefined && !isTextList(users))
      throw new InvalidArgumentError(`${argument}.${right}`, 'a list of users', users);
  }
  return rule as AccessRule;
};

const escapePattern = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');

/** Whether a character that no id has separates each "*" from "{user}", so that "*" cannot match a part of an id. */
const isSeparated = (pattern: string): boolean =>
  pattern
    .split(/(\*|\{user\})/)
    .every(
      (part, at, parts) =>
        at % 2 === 1 ||
        parts[at - 1] === undefined ||
        parts[at + 1] === undefined ||
        parts[at - 1] === parts[at + 1] ||
        /[-._]/.test(part),
    );

/**
 * Whether a realm matches a pattern for a user. The id is matched literally, in the form that names of realms allow.
 */
const matchesPattern = (pattern: string, realm: string, user: string): boolean => {
  if (pattern.includes('{user}') && !hasUserPart(user)) return false;
  const parts = pattern.split('*').map((part) => escapePattern(part.replaceAll('{user}', () => userPart(user))));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(realm);
};

const isNamed = (users: readonly string[] | undefined, { id }: User): boolean =>
  users !== undefined && (users.includes('*') || users.includes(id));

const highestAccessOf = (rights: readonly Access[]): Access =>
  rights.includes('write') ? 'write' : rights.includes('read') ? 'read' : 'none';

const authorizeByRules =
  (rules: readonly AccessRule[]): Authorize =>
  (user, realm) =>
    highestAccessOf(
      rules
        .filter(({ name }) => matchesPattern(name, realm, user.id))
        .map(({ read, write }) => (isNamed(write, user) ? 'write' : isNamed(read, user) ? 'read' : 'none')),
    );

/**
 * Authorizes by the claim of the token: `{ "realms": { "team-*": "write" } }`. Claims of another form grant nothing.
 */
const authorizeByClaims: Authorize = ({ id, claims }, realm) => {
  const { realms } = claims ?? {};
  if (typeof realms !== 'object' || realms === null) return 'none';
  const matching = Object.entries(realms as Readonly<Record<string, unknown>>).filter(
    ([name]) => isSeparated(name) && matchesPattern(name, realm, id),
  );
  return highestAccessOf(matching.map(([, right]) => (right === 'write' || right === 'read' ? right : 'none')));
};

/**
 * Authorizes users by the rules of a configuration: the highest access that any rule grants counts. Without rules the
 * claims of the token decide; a server without tokens grants write access to every user. Throws an
 * `InvalidArgumentError` for invalid rules.
 */
export const createAuthorize = (rules: unknown, requiresTokens: boolean): Authorize => {
  if (rules === undefined) return requiresTokens ? authorizeByClaims : () => 'write';
  if (!Array.isArray(rules)) throw new InvalidArgumentError('realms', 'a list of rules', rules);
  return authorizeByRules(rules.map(checkRule));
};
