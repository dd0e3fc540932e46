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

export const createDevice = (settings: DeviceSettings, picture: MarbleDisplay): Device => {
  let asked: {
    readonly cue: DeviceCommand;
    readonly answer: (kind: Extract<DeviceMessage, { readonly kind: 'done' }>) => void;
  } | null = null;
  let child: ChildProcess;
  let ready = false;
  let leaving = false;

  const receive = (kind: DeviceMessage): void => {
    switch (kind.kind) {
      case 'ready':
        ready = true;
        if (asked) child.send(asked.cue);
        return;
      case 'marble':
        picture.marble(settings.name, kind.stream, kind.letter);
        return;
      case 'progress':
        picture.progress(kind.of, kind.done);
        return;
      case 'done': {
        const { answer } = asked ?? {};
        asked = null;
        answer?.(kind);
      }
    }
  };
  const start = (): void => {
    ready = false;
    const started = fork(programPath('device'), [JSON.stringify(settings)]);
    child = started;
    // Output of the killed process may arrive after its end: it is ignored.
    started.on('message', (kind) => child === started && receive(kind as DeviceMessage));
    started.on('exit', (code, signal) => {
      if (leaving) return;
      if (signal !== 'SIGKILL') throw new Error(`device ${settings.name} ended with code ${code}`);
      for (const stream of ['connectionState$', 'syncState$', 'uploads', 'downloads'] as const) {
        picture.marble(settings.name, stream, 'x');
      }
      start();
    });
  };
  start();

  return {
    ask: (cue) =>
      new Promise((answer) => {
        asked = { cue, answer };
        leaving = cue.cue === 'leave';
        // A device that is starting requests its command itself.
        if (ready) child.send(cue, () => undefined);
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
  new Promise((listens, fails) => {
    child.once('message', (kind) => listens((kind as { port: number }).port));
    child.once('exit', (code, signal) =>
      fails(new Error(`the server ended (${signal ?? `code ${code}`}) while it started`)),
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
  const inTurn = (work: () => Promise<void>): Promise<void> => (last = last.then(work));
  return {
    port,
    kill: () =>
      inTurn(async () => {
        child.kill('SIGKILL');
        await waitForExit(child);
        child = begin(port);
        await waitForPort(child);
      }),
    close: () =>
      inTurn(async () => {
        child.send('close');
        await waitForExit(child);
      }),
  };
};
