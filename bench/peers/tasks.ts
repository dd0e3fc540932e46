import { download, largeDownload, upload } from './backlog-tasks.js';
import type { TaskName } from './figures.js';
import { latency, live, restart } from './live-tasks.js';
import { fanOut, idle } from './many-client-tasks.js';
import type { Task } from './task-steps.js';

export const tasks: Readonly<Record<TaskName, { readonly play: Task; readonly msMax: number }>> = {
  T1: { play: upload, msMax: 300_000 },
  T2: { play: download, msMax: 600_000 },
  T2x: { play: largeDownload, msMax: 900_000 },
  T3: { play: latency, msMax: 180_000 },
  T4: { play: live, msMax: 240_000 },
  T5: { play: fanOut, msMax: 240_000 },
  T6: { play: idle, msMax: 260_000 },
  T7: { play: restart, msMax: 180_000 },
};
