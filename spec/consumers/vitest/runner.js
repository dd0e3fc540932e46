/** Vitest without `globals: true`: a suite accepts the whole module as its `runner`. */
export { describe, expect, it } from 'vitest';
export * as runner from 'vitest';
