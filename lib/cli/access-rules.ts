import { checkOptions } from '../model/limits.js';
import { InvalidArgumentError } from '../model/errors.js';
import { hasUserPart, userPart } from '../model/user-part.js';
import type { Authorize, Access, User } from '../server/index.js';

/** Who may do what with the realms of a name. */
interface AccessRule {
  /** With `*` for any characters and `{user}` for the id of who asks, as `userPart` writes it. */
  readonly name: string;
  /** Ids of users; `*`: everybody who has come in. */
  readonly read?: readonly string[];
  /** Who may write may read. */
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
      'one of ". _ -" between {user} and "*", which would stand for the rest of other ids',
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

/**
 * Whether nothing that "*" stands for can be taken for a piece of an id: a character that no id has is between them.
 */
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
 * Whether a realm is one of a pattern's, for this user. The id is text, whatever is in it, in the form that a realm's
 * name can have.
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

/** What a token says of realms: `{ "realms": { "team-*": "write" } }`. What is said in another way says nothing. */
const authorizeByClaims: Authorize = ({ id, claims }, realm) => {
  const { realms } = claims ?? {};
  if (typeof realms !== 'object' || realms === null) return 'none';
  const meant = Object.entries(realms as Readonly<Record<string, unknown>>).filter(
    ([name]) => isSeparated(name) && matchesPattern(name, realm, id),
  );
  return highestAccessOf(meant.map(([, right]) => (right === 'write' || right === 'read' ? right : 'none')));
};

/**
 * What users may do, by the rules of a configuration: the most that any rule gives counts. Without rules the token says
 * it; where no tokens are asked for, everybody may write. Throws an `InvalidArgumentError` for rules that make no
 * sense.
 */
export const createAuthorize = (rules: unknown, asksForTokens: boolean): Authorize => {
  if (rules === undefined) return asksForTokens ? authorizeByClaims : () => 'write';
  if (!Array.isArray(rules)) throw new InvalidArgumentError('realms', 'a list of rules', rules);
  return authorizeByRules(rules.map(checkRule));
};
