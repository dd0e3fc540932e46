import type { DeviceSettings, Stream } from './device-messages.js';

const streams: readonly Stream[] = ['connectionState$', 'syncState$', 'uploads', 'downloads'];
const columnMs = 100;
const columnsMax = 72;

export const legend = [
  'One column is 100 ms; the last marble of a column is drawn.',
  '  connectionState$  d disconnected  c connecting  C connected  ! cannot reach the server',
  '  syncState$        a active  p paused  y dying  i inactive',
  '  uploads           w a write  u some acknowledged  U all acknowledged',
  '  downloads         v a page downloaded  D everything downloaded',
  '  x                 the process was killed',
];

/** Draws the marble diagrams of both devices: live on a terminal, otherwise once per scene. */
export interface MarbleDisplay {
  readonly marble: (device: DeviceSettings['name'], stream: Stream, letter: string) => void;
  readonly progress: (of: string, done: number) => void;
  /** Begins a scene with a title and empty diagrams. */
  readonly scene: (title: string) => void;
  readonly end: () => void;
}

const progressBarOf = (of: string, done: number): string => {
  const full = Math.round(Math.min(1, Math.max(0, done)) * 30);
  return `  [${'#'.repeat(full)}${'.'.repeat(30 - full)}] ${of}`;
};

export const createMarbleDisplay = (out: NodeJS.WriteStream): MarbleDisplay => {
  let lines = new Map<string, string[]>();
  const states = new Map<string, string>(); // The latest value of each state stream: a scene begins with it.
  let began = 0;
  let drawn = 0;
  let waiting = '';
  let lastProgress = '';
  let timer: NodeJS.Timeout | null = null;

  const column = (): number => Math.min(columnsMax - 1, Math.floor((Date.now() - began) / columnMs));
  const text = (): string[] => {
    const now = column();
    const rows = [...lines].map(([name, marbles]) => {
      const drawing = Array.from({ length: now + 1 }, (_, at) => marbles[at] ?? '-').join('');
      return `  ${name.padEnd(20)} ${drawing}`;
    });
    return waiting === '' ? rows : [...rows, waiting];
  };
  const draw = (): void => {
    if (!out.isTTY) return;
    const rows = text();
    out.write(`${drawn > 0 ? `\u001b[${drawn}A` : ''}${rows.map((row) => `\u001b[2K${row}\n`).join('')}`);
    drawn = rows.length;
  };
  const close = (): void => {
    if (timer) clearInterval(timer);
    timer = null;
    if (out.isTTY) draw();
    else if (lines.size > 0) out.write(`${text().join('\n')}\n`);
    lines = new Map();
    drawn = 0;
  };

  return {
    marble: (device, stream, letter) => {
      const name = `${device} ${stream}`;
      const row = lines.get(name);
      if (stream.endsWith('State$') && letter !== '!') states.set(name, letter);
      if (row) row[column()] = letter;
    },
    progress: (of, done) => {
      waiting = progressBarOf(of, done);
      // Without a terminal a progress bar cannot be redrawn: print one line per quarter.
      const quarter = `${of.split(':')[0] ?? ''} ${Math.floor(done * 4)}`;
      if (!out.isTTY && quarter !== lastProgress) out.write(`${waiting}\n`);
      lastProgress = quarter;
    },
    scene: (title) => {
      close();
      waiting = '';
      began = Date.now();
      for (const device of ['A', 'B'])
        for (const stream of streams) {
          const name = `${device} ${stream}`;
          const state = states.get(name);
          lines.set(name, state === undefined ? [] : [state]);
        }
      out.write(`\n${title}\n`);
      draw();
      timer = setInterval(draw, columnMs);
    },
    end: close,
  };
};
