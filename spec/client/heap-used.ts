/** Bytes of heap in use once everything that is garbage is gone. For a process that was started with `--expose-gc`. */
export const measureHeap = async (): Promise<number> => {
  const { gc } = globalThis as { gc?: () => void };
  if (!gc) throw new Error('--expose-gc is missing');
  // What a finalizer or a closed socket lets go of is garbage only after another turn.
  for (let round = 0; round < 4; round += 1) {
    gc();
    await new Promise<void>((resolve) => setImmediate(() => resolve()));
  }
  return process.memoryUsage().heapUsed;
};
