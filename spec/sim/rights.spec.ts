import { createRights } from '../../sim/rights.js';

describe('rights in a world', () => {
  it('are to write, until they are taken away, and again when they are given back', () => {
    const rights = createRights();
    expect([rights.of('ann'), rights.wereLowered('ann')]).toEqual(['write', false]);
    rights.become('ann', 'read');
    expect([rights.of('ann'), rights.of('ben')]).toEqual(['read', 'write']);
    rights.become('ann', 'write');
    expect([rights.of('ann'), rights.wereLowered('ann'), rights.wereLowered('ben')]).toEqual(['write', true, false]);
  });
});
