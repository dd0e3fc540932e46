import { createUserAccess } from '../../sim/user-access.js';

describe('rights in a world', () => {
  it('are to write, until they are taken away, and again when they are given back', () => {
    const rights = createUserAccess();
    expect([rights.accessOf('ann'), rights.wasEverLowered('ann')]).toEqual(['write', false]);
    rights.setAccess('ann', 'read');
    expect([rights.accessOf('ann'), rights.accessOf('ben')]).toEqual(['read', 'write']);
    rights.setAccess('ann', 'write');
    expect([rights.accessOf('ann'), rights.wasEverLowered('ann'), rights.wasEverLowered('ben')]).toEqual([
      'write',
      true,
      false,
    ]);
  });
});
