import { defer, type Observable } from 'rxjs';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ServerCounters } from './counters.js';

/** What a server does, as Prometheus reads it. */
export interface Metrics {
  /** A durable batch was written, in so many milliseconds. */
  readonly written: (ms: number) => void;
  /** The text of all metrics, as of now, once; those of the process from the first time on. */
  readonly text$: Observable<string>;
  readonly contentType: string;
}

export interface MetricsPorts {
  readonly serverCounters: ServerCounters;
  readonly countOpenRealms: () => number;
}

/** Seconds: a disk syncs in one to twenty milliseconds; what takes a second is in trouble. */
const batchSeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Metrics that are read off the tally when somebody asks: counting costs an addition where it is hot. */
const createReaders = (registry: Registry) => {
  const common = (name: string, help: string) => ({ name: `tidemark_${name}`, help, registers: [registry] });
  return {
    gauge: (name: string, help: string, value: () => number) =>
      new Gauge({
        ...common(name, help),
        collect(): void {
          this.set(value());
        },
      }),
    counter: (name: string, help: string, value: () => number) =>
      new Counter({
        ...common(`${name}_total`, help),
        collect(): void {
          this.reset();
          this.inc(value());
        },
      }),
    counters: (name: string, help: string, label: string, values: ReadonlyMap<string | number, number>) =>
      new Counter({
        ...common(`${name}_total`, help),
        labelNames: [label],
        collect(): void {
          this.reset();
          for (const [key, value] of values) this.inc({ [label]: key }, value);
        },
      }),
  };
};

const registerMetrics = (registry: Registry, { serverCounters, countOpenRealms }: MetricsPorts): void => {
  const { gauge, counter, counters } = createReaders(registry);
  gauge('connections', 'Connections that are open.', () => serverCounters.connections);
  gauge('sessions', 'Sessions that are bound.', () => serverCounters.sessions);
  gauge('realms_open', 'Realms that are open.', countOpenRealms);
  counter('connections_opened', 'Connections since the start.', () => serverCounters.connectionsOpened);
  counters(
    'connections_closed',
    'Connections that have ended, by close code.',
    'code',
    serverCounters.connectionsClosed,
  );
  counters(
    'connections_refused',
    'Calls that were not answered, by status of HTTP.',
    'status',
    serverCounters.rejectedConnections,
  );
  counters('binds', 'Binds, by what came of them: bound, or the code of the error.', 'outcome', serverCounters.binds);
  counter('upload_changesets', 'Changesets that clients sent.', () => serverCounters.uploads.changesets);
  counter('upload_bytes', 'Bytes of changesets that clients sent.', () => serverCounters.uploads.bytes);
  counter('download_changesets', 'Changesets that were sent to clients.', () => serverCounters.downloads.changesets);
  counter('download_bytes', 'Bytes of changesets that were sent to clients.', () => serverCounters.downloads.bytes);
  counter('refused_changesets', 'Changesets that were refused.', () => serverCounters.rejectedChangesets);
  counter('frame_bytes_in', 'Bytes of frames that came.', () => serverCounters.frameBytesIn);
  counter('frame_bytes_out', 'Bytes of frames that were sent.', () => serverCounters.frameBytesOut);
};

/** Has a registry of its own: a process may have several servers, and metrics of its own. */
export const createMetrics = (ports: MetricsPorts): Metrics => {
  const registry = new Registry();
  const batches = new Histogram({
    name: 'tidemark_storage_batch_seconds',
    help: 'How long durable batches took.',
    buckets: batchSeconds,
    registers: [registry],
  });
  registerMetrics(registry, ports);
  let isProcessWatched = false;
  return {
    written: (ms) => batches.observe(ms / 1_000),
    text$: defer(() => {
      // Not before: it watches the event loop and the garbage collector, which nobody should pay for who never looks.
      if (!isProcessWatched) collectDefaultMetrics({ register: registry });
      isProcessWatched = true;
      return registry.metrics();
    }),
    contentType: registry.contentType,
  };
};
