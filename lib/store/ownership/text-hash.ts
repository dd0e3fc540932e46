/** 53 bits of a text (cyrb53). */
const hash53 = (text: string, seed: number): number => {
  let high = 0xdeadbeef ^ seed;
  let low = 0x41c6ce57 ^ seed;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    high = Math.imul(high ^ unit, 2654435761);
    low = Math.imul(low ^ unit, 1597334677);
  }
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return 4294967296 * (2097151 & low) + (high >>> 0);
};

/**
 * Hashes a text to letters and digits; deterministic. Different texts get different hashes except by a negligible
 * chance. Not cryptographic: an attacker can construct collisions.
 */
export const hashText = (text: string): string => [1, 2, 3].map((seed) => hash53(text, seed).toString(36)).join('');
