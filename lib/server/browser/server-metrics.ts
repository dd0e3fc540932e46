import { of } from 'rxjs';
import type { Metrics, MetricsPorts } from '../http/metrics.js';

/** A server in a browser has no metrics: there is no port at which they could be read. */
export const createMetrics = (_: MetricsPorts): Metrics => ({
  written: () => undefined,
  text$: of(''),
  contentType: 'text/plain; charset=utf-8',
});
