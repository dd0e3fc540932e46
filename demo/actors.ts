import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Picture } from './picture.js';
import type { Cue, DeviceSettings, Said } from './talk.js';

const program = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

/** A process that can be killed at any moment and is started again, with what it had not finished. */
export interface Device {
  readonly ask: (cue: Cue) => Promise<Extract<Said, { readonly said: 'done' }>>;
  /** SIGKILL, and a new process on the same data. */
  readonly kill: () => void;
}

export const createDevice = (settings: DeviceSettings, picture: Picture): Device => {
  let asked: { readonly cue: Cue; readonly answer: (said: Extract<Said, { readonly said: 'done' }>) => void } | null =
    null;
  let child: ChildProcess;
  let ready = false;
  let leaving = false;

  const hear = (said: Said): void => {
    switch (said.said) {
      case 'ready':
        ready = true;
        if (asked) child.send(asked.cue);
        return;
      case 'marble':
        picture.marble(settings.name, said.stream, said.letter);
        return;
      case 'progress':
        picture.progress(said.of, said.done);
        return;
      case 'done': {
        const { answer } = asked ?? {};
        asked = null;
        answer?.(said);
      }
    }
  };
  const start = (): void => {
    ready = false;
    child = fork(program('device'), [JSON.stringify(settings)]);
    child.on('message', (said) => hear(said as Said));
    child.on('exit', (code, signal) => {
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
        // A device that is just starting asks for its cue itself.
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

/** The server: killed and started again on the same port and the same data. */
export const createServer = async (storage: string, at: number): Promise<Server> => {
  const begin = async (port: number): Promise<readonly [ChildProcess, number]> => {
    const child = fork(program('server'), [JSON.stringify({ storage, port })]);
    const [{ port: opened }] = (await once(child, 'message')) as [{ port: number }];
    return [child, opened];
  };
  let [child, port] = await begin(at);
  return {
    get port() {
      return port;
    },
    kill: async () => {
      child.kill('SIGKILL');
      await once(child, 'exit');
      [child, port] = await begin(port);
    },
    close: async () => {
      child.send('close');
      await once(child, 'exit');
    },
  };
};
