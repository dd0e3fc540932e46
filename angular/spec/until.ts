/** Waits until a condition holds. Checks it in every turn. */
export const until = async (holds: () => boolean): Promise<void> => {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error(`It did not become true within ten seconds: ${holds.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
};
