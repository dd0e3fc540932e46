/** Milliseconds that any step of a run may take. */
const limitMs = 10_000;

/** Rejects when a promise does not settle in time. */
export const withTimeLimit = async <A>(work: Promise<A>, what: string): Promise<A> => {
  let patience: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    patience = setTimeout(() => reject(new Error(`${what} did not end within ${limitMs} ms`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(patience);
  }
};
