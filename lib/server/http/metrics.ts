import type { Observable } from 'rxjs';
import type { ServerCounters } from './counters.js';

/** Metrics of a server, in the text format of Prometheus. */
export interface Metrics {
  /** Records the duration of a durable batch, in milliseconds. */
  readonly written: (ms: number) => void;
  /** Emits the present text of all metrics once. Metrics of the process are included from the first subscription on. */
  readonly text$: Observable<string>;
  readonly contentType: string;
}

export interface MetricsPorts {
  readonly serverCounters: ServerCounters;
  readonly countOpenRealms: () => number;
  /** Counts the groups of sessions with the same view, of all realms. */
  readonly countViewGroups: () => number;
}
