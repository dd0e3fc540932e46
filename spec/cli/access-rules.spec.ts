import fc from 'fast-check';
import { createAuthorize } from '../../lib/cli/access-rules.js';
import { InvalidArgumentError, userPart } from '../../lib/index.js';
import { isRealmName } from '../../lib/model/limits.js';

describe('access by rules', () => {
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
    ['$&', 'user-~24~26', 'write'],
    ['$&', 'user-$&', 'none'],
    ['ann', 'other', 'none'],
  ])('lets %s with %s: %s, the highest access that any rule grants', (id, realm, right) => {
    expect(createAuthorize(rules, true)({ id }, realm)).toBe(right);
  });

  it.each([
    [{}, 'realms must be a list of rules'],
    [[{}], 'realms[0].name must be a name, received undefined'],
    [[{ name: 'a', admin: [] }], 'realms[0] must be a record with only the names name, read, write, received "admin"'],
    [[{ name: 'a' }, { name: 'b', read: 'ann' }], 'realms[1].read must be a list of users, received "ann"'],
    [[null], 'realms[0] must be a'],
  ])('rejects invalid rules: %j', (wrong, why) => {
    expect(() => createAuthorize(wrong, true)).toThrow(why);
  });
});

describe('the id of a user in a rule', () => {
  const rules = [
    { name: 'user-{user}', write: ['*'] },
    { name: '{user}.*', read: ['*'] },
  ];
  const right = (id: string, realm: string) => createAuthorize(rules, true)({ id }, realm);

  it.each([
    ['ann*', 'user-ann'],
    ['ann*', 'user-anna'],
    ['*', 'user-ann'],
    ['*', 'user-*'],
    ['a.b', 'user-axb'],
    ['(', 'user-a'],
    ['[', 'user-a'],
    ['\\', 'user-a'],
    ['{user}', 'user-ann'],
    ['ann', 'user-ann~2a'],
    ['ann', 'ann.b.notes.x'.replace('ann', 'bob')],
    ['ann', 'ann~2eb.notes'],
    ['a\ud800', 'user-a'],
  ])('field report A-4: is text: %j has no access to %s', (id, realm) => {
    expect(right(id, realm)).toBe('none');
  });

  it.each([
    'ann*',
    '*',
    'auth0|123',
    'ann@example.com',
    'eu-west-1:550e8400-e29b',
    'ann.b',
    '~7c',
    'Ünïcode 😀',
    '.*',
    '$&',
    '{user}',
  ])('field report A-4: can be any text: %j has a realm of its own', (id) => {
    expect([isRealmName(`user-${userPart(id)}`), right(id, `user-${userPart(id)}`)]).toEqual([true, 'write']);
    expect(right(id, `${userPart(id)}.notes`)).toBe('read');
  });

  it('field report A-4: is never encoded like another id, and ends where the name of the realm continues', () => {
    const id = fc.string({
      minLength: 1,
      maxLength: 8,
      unit: fc.oneof(
        fc.constantFrom(...Array.from('a~27c*.-_|A')),
        fc.string({ unit: 'grapheme', minLength: 1, maxLength: 1 }),
      ),
    });
    fc.assert(
      fc.property(id, id, (one, other) => {
        fc.pre(one !== other);
        expect(userPart(one)).toMatch(/^[A-Za-z0-9~]+$/);
        expect(userPart(one)).not.toBe(userPart(other));
        expect(right(one, `user-${userPart(other)}`)).toBe('none');
        expect(right(one, `${userPart(other)}.${userPart(one)}`)).toBe('none');
      }),
    );
  });

  it.each(['{user}*', '*{user}', 'x-{user}s*', '{user}{user}*'])(
    'field report A-4: must be separated from "*" in a name: not %s',
    (name) => {
      expect(() => createAuthorize([{ name, read: ['*'] }], true)).toThrow('between {user} and "*"');
      expect(createAuthorize(undefined, true)({ id: 'a', claims: { realms: { [name]: 'write' } } }, 'ab')).toBe('none');
    },
  );

  it.each(['', 'a\ud800', 'a'.repeat(257), 5 as never])(
    'field report A-4: is rejected when it is invalid: %j',
    (id) => {
      expect(() => userPart(id)).toThrow(InvalidArgumentError);
    },
  );
});

describe('access without rules', () => {
  const realms = { 'team-*': 'write', news: 'read', 'user-{user}': 'write', odd: 'admin' };
  it.each([
    ['team-1', 'write'],
    ['news', 'read'],
    ['user-ann', 'write'],
    ['user-bob', 'none'],
    ['odd', 'none'],
    ['other', 'none'],
  ])('is that of the token: %s %s', (realm, right) => {
    expect(createAuthorize(undefined, true)({ id: 'ann', claims: { realms } }, realm)).toBe(right);
  });

  it.each([undefined, {}, { realms: 'all' }, { realms: null }, { realms: ['team-1'] }])(
    'denies access when the claim of the token is invalid: %j',
    (claims) => {
      expect(createAuthorize(undefined, true)({ id: 'ann', ...(claims && { claims }) }, 'team-1')).toBe('none');
    },
  );

  it('is full where no token is required', () => {
    expect(createAuthorize(undefined, false)({ id: 'anyone' }, 'team-1')).toBe('write');
  });
});
