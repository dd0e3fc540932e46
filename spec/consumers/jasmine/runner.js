/** Jasmine has them as globals; a suite finds them by itself. */
export const { describe, it, expect } = globalThis;
export const runner = undefined;
