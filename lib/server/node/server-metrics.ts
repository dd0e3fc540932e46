import { defer } from 'rxjs';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ViewCounters } from '../http/counters.js';
import type { Metrics, MetricsPorts } from '../http/metrics.js';

/** Upper bounds of the histogram's buckets, in seconds. A disk syncs in 1 to 20 ms; a second means trouble. */
const batchSeconds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Creates metrics that read the counters when they are collected, so that hot code only pays for an addition. */
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

const registerViewMetrics = (registry: Registry, views: ViewCounters, countViewGroups: () => number): void => {
  const { gauge, counter, counters } = createReaders(registry);
  gauge('view_sessions', 'Sessions with a view that are bound.', () => views.sessions);
  gauge('view_groups', 'Groups of idle sessions with the same view.', countViewGroups);
  gauge('view_bootstraps', 'Views whose members are on the way.', () => views.bootstraps);
  counters('views', 'Announced views by mode: resync, or difference.', 'mode', views.announced);
  counter('view_pages', 'Pages of changes that were sent to sessions with a view.', () => views.pages);
  counter('view_objects_sent', 'Objects that were sent to sessions with a view.', () => views.objectsSent);
  counter('view_objects_left', 'Objects that were named because they have left a view.', () => views.objectsLeft);
  counter('view_bytes', 'Bytes of the objects that were sent to sessions with a view.', () => views.bytes);
  counters('subscriptions_rejected', 'Rejected subscriptions by code.', 'code', views.rejected);
};

const registerMetrics = (
  registry: Registry,
  { serverCounters, countOpenRealms, countViewGroups }: MetricsPorts,
): void => {
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
    'connections_rejected',
    'Connections that were rejected, by HTTP status.',
    'status',
    serverCounters.rejectedConnections,
  );
  counters('binds', 'Binds by outcome: bound, or an error code.', 'outcome', serverCounters.binds);
  counter('upload_changesets', 'Changesets that clients sent.', () => serverCounters.uploads.changesets);
  counter('upload_bytes', 'Bytes of changesets that clients sent.', () => serverCounters.uploads.bytes);
  counter('download_changesets', 'Changesets that were sent to clients.', () => serverCounters.downloads.changesets);
  counter('download_bytes', 'Bytes of changesets that were sent to clients.', () => serverCounters.downloads.bytes);
  counter('rejected_changesets', 'Changesets that were rejected.', () => serverCounters.rejectedChangesets);
  registerViewMetrics(registry, serverCounters.views, countViewGroups);
  counter('frame_bytes_in', 'Bytes of frames that were received.', () => serverCounters.frameBytesIn);
  counter('frame_bytes_out', 'Bytes of frames that were sent.', () => serverCounters.frameBytesOut);
};

/** Uses a registry of its own, because a process may have several servers and metrics of its own. */
export const createMetrics = (ports: MetricsPorts): Metrics => {
  const registry = new Registry();
  const batches = new Histogram({
    name: 'tidemark_storage_batch_seconds',
    help: 'Seconds that durable batches took.',
    buckets: batchSeconds,
    registers: [registry],
  });
  registerMetrics(registry, ports);
  let isProcessWatched = false;
  return {
    written: (ms) => batches.observe(ms / 1_000),
    text$: defer(() => {
      // Started at the first request, because watching the event loop and the garbage collector costs time.
      if (!isProcessWatched) collectDefaultMetrics({ register: registry });
      isProcessWatched = true;
      return registry.metrics();
    }),
    contentType: registry.contentType,
  };
};
