/** Returns the bytes of heap in use after garbage collection, in a process that was started with `--expose-gc`. */
export const measureHeap = async (): Promise<number> => {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error('--expose-gc is missing');
  // Objects that a finalizer or a closed socket releases become garbage only after another turn.
  for (let round = 0; round < 4; round += 1) {
    gc();
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
  }
  return process.memoryUsage().heapUsed;
};
