/** Milliseconds that anything here may take to end. */
const limitMs = 10_000;

/** The same, or a rejection when it does not come in time: what hangs has failed. */
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
