/** Jasmine has these functions as globals, where a suite finds them without a `runner`. */
export const { describe, it, expect } = globalThis;
export const runner = undefined;
