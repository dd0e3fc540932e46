import { authorizeBy } from '../../lib/cli/rights.js';

describe('rights by rules', () => {
  const rules = [
    { name: 'user-{user}', write: ['*'] },
    { name: 'team-*', read: ['*'], write: ['ann'] },
    { name: 'a.b', read: ['bob'] },
    { name: '*-shared', write: ['bob'] },
  ];
  it.each([
    ['ann', 'user-ann', 'write'],
    ['ann', 'user-bob', 'none'],
    ['bob', 'team-1', 'read'],
    ['ann', 'team-1', 'write'],
    ['ann', 'xteam-1', 'none'],
    ['bob', 'a.b', 'read'],
    ['bob', 'axb', 'none'],
    ['ann', 'a.b', 'none'],
    ['bob', 'team-shared', 'write'],
    ['.*', 'user-ann', 'none'],
    ['$&', 'user-$&', 'write'],
    ['ann', 'other', 'none'],
  ])('let %s with %s: %s, the most that any gives', (id, realm, right) => {
    expect(authorizeBy(rules, true)({ id }, realm)).toBe(right);
  });

  it.each([
    [{}, 'realms: expected a list of rules'],
    [[{}], 'realms[0].name: expected a name, got undefined'],
    [[{ name: 'a', admin: [] }], 'realms[0]: expected one of name, read, write, got "admin"'],
    [[{ name: 'a' }, { name: 'b', read: 'ann' }], 'realms[1].read: expected a list of users, got "ann"'],
    [[null], 'realms[0]: expected a record, got null'],
  ])('are refused when they make no sense: %j', (wrong, why) => {
    expect(() => authorizeBy(wrong, true)).toThrow(why);
  });
});

describe('rights without rules', () => {
  const realms = { 'team-*': 'write', news: 'read', 'user-{user}': 'write', odd: 'admin' };
  it.each([
    ['team-1', 'write'],
    ['news', 'read'],
    ['user-ann', 'write'],
    ['user-bob', 'none'],
    ['odd', 'none'],
    ['other', 'none'],
  ])('are those of the token: %s %s', (realm, right) => {
    expect(authorizeBy(undefined, true)({ id: 'ann', claims: { realms } }, realm)).toBe(right);
  });

  it.each([undefined, {}, { realms: 'all' }, { realms: null }, { realms: ['team-1'] }])(
    'are none when it says none that can be read: %j',
    (claims) => {
      expect(authorizeBy(undefined, true)({ id: 'ann', ...(claims && { claims }) }, 'team-1')).toBe('none');
    },
  );

  it('are all where nobody is asked for a token', () => {
    expect(authorizeBy(undefined, false)({ id: 'anyone' }, 'team-1')).toBe('write');
  });
});
