import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { MarbleDisplay } from './marble-display.js';
import type { DeviceCommand, DeviceSettings, DeviceMessage } from './device-messages.js';

const programPath = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

/** A process that can be killed at any moment. It is started again with its unfinished command. */
export interface Device {
  readonly ask: (cue: DeviceCommand) => Promise<Extract<DeviceMessage, { readonly kind: 'done' }>>;
  /** Sends SIGKILL and starts a new process on the same data. */
  readonly kill: () => void;
}

export const createDevice = (settings: DeviceSettings, display: MarbleDisplay): Device => {
  let unfinished: {
    readonly cue: DeviceCommand;
    readonly resolve: (message: Extract<DeviceMessage, { readonly kind: 'done' }>) => void;
  } | null = null;
  let child: ChildProcess;
  let isReady = false;
  let isLeaving = false;

  const receive = (message: DeviceMessage): void => {
    switch (message.kind) {
      case 'ready':
        isReady = true;
        if (unfinished) child.send(unfinished.cue);
        return;
      case 'marble':
        display.marble(settings.name, message.stream, message.letter);
        return;
      case 'progress':
        display.progress(message.of, message.done);
        return;
      case 'done': {
        const { resolve } = unfinished ?? {};
        unfinished = null;
        resolve?.(message);
      }
    }
  };
  const start = (): void => {
    isReady = false;
    const newChild = fork(programPath('device'), [JSON.stringify(settings)]);
    child = newChild;
    // Output of the killed process may arrive after its end: it is ignored.
    newChild.on('message', (message) => child === newChild && receive(message as DeviceMessage));
    newChild.on('exit', (code, signal) => {
      if (isLeaving) return;
      if (signal !== 'SIGKILL') throw new Error(`device ${settings.name} ended with code ${code}`);
      for (const stream of ['connectionState$', 'syncState$', 'uploads', 'downloads'] as const) {
        display.marble(settings.name, stream, 'x');
      }
      start();
    });
  };
  start();

  return {
    ask: (cue) =>
      new Promise((resolve) => {
        unfinished = { cue, resolve };
        isLeaving = cue.cue === 'leave';
        // A device that is starting requests its command itself.
        if (isReady) child.send(cue, () => undefined);
      }),
    kill: () => child.kill('SIGKILL'),
  };
};

export interface Server {
  readonly port: number;
  readonly kill: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Resolves with the port of a server when it listens. Rejects when the server ends before. */
const waitForPort = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('message', (message) => resolve((message as { port: number }).port));
    child.once('exit', (code, signal) =>
      reject(new Error(`the server ended (${signal ?? `code ${code}`}) while it started`)),
    );
  });

/** Waits for the end of a process, which may have ended already: `exit` is emitted only once. */
const waitForExit = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
};

/**
 * The server. It is killed and started again on the same port and data. Kills run one after the other, because a port
 * has one server.
 */
export const createServer = async (storage: string, at: number): Promise<Server> => {
  const begin = (port: number): ChildProcess => fork(programPath('server'), [JSON.stringify({ storage, port })]);
  let child = begin(at);
  const port = await waitForPort(child);
  let last: Promise<void> = Promise.resolve();
  const runInTurn = (work: () => Promise<void>): Promise<void> => (last = last.then(work));
  return {
    port,
    kill: () =>
      runInTurn(async () => {
        child.kill('SIGKILL');
        await waitForExit(child);
        child = begin(port);
        await waitForPort(child);
      }),
    close: () =>
      runInTurn(async () => {
        child.send('close');
        await waitForExit(child);
      }),
  };
};
