import { checkedOptions } from '../model/limits.js';
import { InvalidArgumentError } from '../model/errors.js';
import { hasUserPart, userPart } from '../model/user-part.js';
import type { Authorize, Right, User } from '../server/index.js';

/** Who may do what with the realms of a name. */
interface Rule {
  /** With `*` for any characters and `{user}` for the id of who asks, as `userPart` writes it. */
  readonly name: string;
  /** Ids of users; `*`: everybody who has come in. */
  readonly read?: readonly string[];
  /** Who may write may read. */
  readonly write?: readonly string[];
}

const isTexts = (value: unknown): boolean =>
  Array.isArray(value) && value.every((each) => typeof each === 'string' && each !== '');

const checkedRule = (rule: unknown, index: number): Rule => {
  const argument = `realms[${index}]`;
  const { name, read, write } = checkedOptions(argument, rule as Rule, ['name', 'read', 'write']);
  if (typeof name !== 'string' || name === '') throw new InvalidArgumentError(`${argument}.name`, 'a name', name);
  if (!isSeparated(name)) {
    throw new InvalidArgumentError(
      `${argument}.name`,
      'one of ". _ -" between {user} and "*", which would stand for the rest of other ids',
      name,
    );
  }
  for (const [right, users] of Object.entries({ read, write })) {
    if (users !== undefined && !isTexts(users))
      throw new InvalidArgumentError(`${argument}.${right}`, 'a list of users', users);
  }
  return rule as Rule;
};

const escaped = (text: string): string => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&');

/** Whether nothing that "*" stands for can be taken for a piece of an id: a character that no id has is between them. */
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

/** Whether a realm is one of a pattern's, for this user. The id is text, whatever is in it, in the form that a realm's name can have. */
const isMeant = (pattern: string, realm: string, user: string): boolean => {
  if (pattern.includes('{user}') && !hasUserPart(user)) return false;
  const parts = pattern.split('*').map((part) => escaped(part.replaceAll('{user}', () => userPart(user))));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(realm);
};

const isNamed = (users: readonly string[] | undefined, { id }: User): boolean =>
  users !== undefined && (users.includes('*') || users.includes(id));

const most = (rights: readonly Right[]): Right =>
  rights.includes('write') ? 'write' : rights.includes('read') ? 'read' : 'none';

const byRules =
  (rules: readonly Rule[]): Authorize =>
  (user, realm) =>
    most(
      rules
        .filter(({ name }) => isMeant(name, realm, user.id))
        .map(({ read, write }) => (isNamed(write, user) ? 'write' : isNamed(read, user) ? 'read' : 'none')),
    );

/** What a token says of realms: `{ "realms": { "team-*": "write" } }`. What is said in another way says nothing. */
const byClaims: Authorize = ({ id, claims }, realm) => {
  const { realms } = claims ?? {};
  if (typeof realms !== 'object' || realms === null) return 'none';
  const meant = Object.entries(realms as Readonly<Record<string, unknown>>).filter(
    ([name]) => isSeparated(name) && isMeant(name, realm, id),
  );
  return most(meant.map(([, right]) => (right === 'write' || right === 'read' ? right : 'none')));
};

/**
 * What users may do, by the rules of a configuration: the most that any rule gives counts. Without rules the token says it; where no tokens
 * are asked for, everybody may write. Throws an `InvalidArgumentError` for rules that make no sense.
 */
export const authorizeBy = (rules: unknown, asksForTokens: boolean): Authorize => {
  if (rules === undefined) return asksForTokens ? byClaims : () => 'write';
  if (!Array.isArray(rules)) throw new InvalidArgumentError('realms', 'a list of rules', rules);
  return byRules(rules.map(checkedRule));
};
