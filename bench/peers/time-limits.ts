/** Milliseconds of a monotonic clock that all processes of this machine share. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Rejects when a promise takes longer than a limit. All waits of the benchmark are bounded. */
export const withTimeLimit = async <A>(promise: Promise<A>, msMax: number, name: string): Promise<A> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`${name} took longer than ${msMax / 1_000} s`));
    }, msMax);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
};

/** Waits for a promise for a limited time. Returns whether it has resolved. */
export const isResolvedWithin = async (promise: Promise<unknown>, msMax: number): Promise<boolean> => {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), msMax);
  });
  try {
    return await Promise.race([promise.then(() => true), timeout]);
  } finally {
    clearTimeout(timer);
  }
};

/** Marks a promise as handled, so that its rejection fails only the code that awaits it. */
export const markHandled = <A>(promise: Promise<A>): Promise<A> => {
  promise.catch(() => undefined);
  return promise;
};
