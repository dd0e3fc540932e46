import { map, of } from 'rxjs';
import { textAnswerOf, type Routes } from '../../transport/http-handler.js';
import type { ServerCore } from '../server-core.js';
import type { Readiness } from './health.js';

/**
 * Whether a proxy forwarded the request. Metrics are for the operator only, and a request through a proxy may come from
 * outside.
 */
export const isForwarded = (headers: Readonly<Record<string, unknown>>): boolean =>
  ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);

/** Whether a load balancer should send clients. A wrong clock needs attention, but the server still works. */
const isServing = (readiness: Readiness): boolean => readiness === 'ready' || readiness === 'clock-behind';

/** Routes for health, readiness and metrics. */
export const routesOf =
  ({ readiness$, metrics }: Pick<ServerCore, 'readiness$' | 'metrics'>): Routes =>
  ({ path, headers }) => {
    switch (path) {
      case '/healthz':
        return of(textAnswerOf(200, 'alive'));
      case '/readyz':
        return readiness$.pipe(map((readiness) => textAnswerOf(isServing(readiness) ? 200 : 503, readiness)));
      case '/metrics': {
        if (isForwarded(headers)) return of(textAnswerOf(404, 'not found'));
        const { contentType, text$ } = metrics;
        return text$.pipe(map((text) => ({ status: 200, contentType, text })));
      }
      default:
        return null;
    }
  };
