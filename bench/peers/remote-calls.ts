import type { ChildProcess } from 'node:child_process';

/*
 * Calls to child processes over their IPC channel. Nothing is sent while a measurement runs, except the answer that
 * ends it.
 */

interface Call {
  readonly id: number;
  readonly method: string;
  readonly args: readonly never[];
}
interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

type Methods = Readonly<Record<string, (...args: never[]) => Promise<unknown>>>;
export type Caller = Readonly<Record<string, (...args: unknown[]) => Promise<unknown>>>;

/** Answers the calls of the parent process. Ends this process when the parent ends. */
export const answerCalls = (methods: Methods): void => {
  const answer = async ({ id, method, args }: Call): Promise<Answer> => {
    try {
      return { id, result: await methods[method]?.(...args) };
    } catch (error) {
      return { id, error: error instanceof Error ? error.message : String(error) };
    }
  };
  process.on('message', (call: Call) => void answer(call).then((sent) => process.send?.(sent)));
  process.on('disconnect', () => process.exit(0));
};

/** Creates an object whose methods call those of a child process. They reject when the child process ends. */
export const createCaller = (child: ChildProcess, label: string): Caller => {
  const pending = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let end: Error | null = null;
  let count = 0;
  child.on('message', ({ id, result, error }: Answer) => {
    const call = pending.get(id);
    pending.delete(id);
    if (error === undefined) call?.resolve(result);
    else call?.reject(new Error(`${label}: ${error}`));
  });
  child.on('exit', (code, signal) => {
    end = new Error(`${label} ended with ${signal ?? `code ${code}`}`);
    for (const { reject } of pending.values()) reject(end);
    pending.clear();
  });
  const call = (method: string, args: readonly unknown[]): Promise<unknown> =>
    new Promise((resolve, reject) => {
      if (end !== null) {
        reject(end);
        return;
      }
      count += 1;
      pending.set(count, { resolve, reject });
      child.send({ id: count, method, args }, () => undefined); // The exit event reports the end of a process.
    });
  return new Proxy<Caller>(
    {},
    {
      // Without `then`, an async function may return the caller.
      get: (_, name) => (name === 'then' ? undefined : (...args: unknown[]) => call(String(name), args)),
    },
  );
};
