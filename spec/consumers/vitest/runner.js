/** Vitest without `globals: true`: all of it is what a suite takes. */
export { describe, expect, it } from 'vitest';
export * as runner from 'vitest';
