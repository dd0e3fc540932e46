import { createUserAccess } from '../../sim/user-access.js';

describe('access in a world', () => {
  it('is to write, until it is withdrawn, and again when it is given back', () => {
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
