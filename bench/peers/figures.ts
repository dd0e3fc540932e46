/** The tasks in the order of the table. */
export const taskNames = ['T1', 'T2', 'T2x', 'T3', 'T4', 'T5', 'T6', 'T7'] as const;
export type TaskName = (typeof taskNames)[number];

export const isTaskName = (name: string): name is TaskName => taskNames.some((each) => each === name);

/** Bounds of a figure of tidemark. */
export interface Target {
  /** Most times the figure of raw in the same run. */
  readonly ratioMax?: number;
  /** Whether the figure must be less than that of yjs. */
  readonly isBelowYjs?: boolean;
  /** The figure must not exceed this value. */
  readonly valueMax?: number;
}

/** A row of the table. */
export interface Figure {
  readonly task: TaskName;
  /** The key of the figure in the result of a run. */
  readonly key: string;
  readonly label: string;
  /** Of several runs, the median or the worst one counts. */
  readonly combine: 'median' | 'max';
  readonly targets: {
    /** For a client in memory. */
    readonly memory?: Target;
    /** For a client on LevelDB. */
    readonly disk?: Target;
  };
}

const figure = (
  task: TaskName,
  key: string,
  label: string,
  { combine = 'median', ...targets }: Figure['targets'] & { readonly combine?: Figure['combine'] } = {},
): Figure => ({ task, key, label: `${task} ${label}`, combine, targets });

const both = (target: Target) => ({ memory: target, disk: target });
const ratios = (memory: number, disk: number) => ({ memory: { ratioMax: memory }, disk: { ratioMax: disk } });
const worst = (valueMax: number) => ({ combine: 'max', ...both({ valueMax }) }) as const;

/** The rows with targets, in their order. */
export const figures: readonly Figure[] = [
  figure('T1', 'ms', 'upload of 10 000 items written offline, ms', ratios(1.5, 1.5)),
  figure('T2', 'warmMs', 'first download of 10 000 items, warm server, ms', ratios(1.2, 1.5)),
  figure('T2', 'coldMs', 'first download of 10 000 items, cold server, ms', ratios(1.2, 1.5)),
  figure('T2x', 'warmMs', 'first download of 100 000 items, warm server, ms', ratios(1.2, 1.5)),
  figure('T2x', 'coldMs', 'first download of 100 000 items, cold server, ms', ratios(1.2, 1.5)),
  figure('T3', 'p50', 'latency at 200 writes a second, p50, ms', {
    memory: { ratioMax: 1.3, isBelowYjs: true },
    disk: { ratioMax: 2 },
  }),
  figure('T3', 'p99', 'latency at 200 writes a second, p99, ms', {
    memory: { ratioMax: 2, isBelowYjs: true },
    disk: { ratioMax: 2.5 },
  }),
  figure('T4', 'ms', '10 000 live writes, ms', ratios(1.5, 2)),
  figure('T5', 'p50', 'latency to 100 readers, p50, ms', both({ ratioMax: 1.5, isBelowYjs: true })),
  figure('T5', 'p99', 'latency to 100 readers, p99, ms', both({ ratioMax: 2, isBelowYjs: true })),
  figure('T6', 'kibibytes', 'server memory of an idle client in memory, KiB', { memory: { ratioMax: 1.5 } }),
  figure('T7', 'ms', 'killed server is back, ms', both({ ratioMax: 2 })),
  figure('T7', 'ms', 'killed server is back, worst run, ms', worst(500)),
  figure('T7', 'lost', 'lost items, worst run', worst(0)),
  figure('T7', 'damaged', 'damaged items, worst run', worst(0)),
  figure('T7', 'doubled', 'doubled items, worst run', worst(0)),
];

/** Rows for information. Processor time depends least on what else the machine does. */
export const furtherFigures: readonly Figure[] = [
  figure('T1', 'acknowledgedMs', 'until the client knows that its items are stored, ms'),
  figure('T1', 'serverProcessorMs', 'processor time of the server, ms'),
  figure('T1', 'writerProcessorMs', 'processor time of the writer, ms'),
  figure('T2', 'warmStoredMs', 'until the warm download is stored, ms'),
  figure('T2', 'warmServerProcessorMs', 'processor time of the warm server, ms'),
  figure('T2', 'coldServerProcessorMs', 'processor time of the cold server, ms'),
  figure('T2', 'warmReaderProcessorMs', 'processor time of the reader, ms'),
  figure('T2x', 'warmReaderProcessorMs', 'processor time of the reader, ms'),
  figure('T3', 'max', 'slowest item, ms'),
  figure('T3', 'serverProcessorMs', 'processor time of the server, ms'),
  figure('T3', 'writerProcessorMs', 'processor time of the writer, ms'),
  figure('T3', 'readerProcessorMs', 'processor time of the reader, ms'),
  figure('T4', 'serverProcessorMs', 'processor time of the server, ms'),
  figure('T4', 'writerProcessorMs', 'processor time of the writer, ms'),
  figure('T4', 'readerProcessorMs', 'processor time of the reader, ms'),
  figure('T5', 'slowestP50', 'latency to the slowest reader, p50, ms'),
  figure('T5', 'serverProcessorMs', 'processor time of the server, ms'),
  figure('T5', 'readerProcessorMs', 'processor time of 100 readers, ms'),
  figure('T7', 'downMs', 'from SIGKILL to the new server, ms'),
];
