import { map, of } from 'rxjs';
import { textAnswerOf, type Routes } from '../../transport/http-handler.js';
import type { ServerCore } from '../server-core.js';
import type { Readiness } from './health.js';

/**
 * What a proxy adds. Numbers of a server are its owner's: who asks for them through a proxy is somebody from outside.
 */
const isForwarded = (headers: Readonly<Record<string, unknown>>): boolean =>
  ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);

/** A clock that is wrong is a reason to look, and none to be called by nobody. */
const isServing = (readiness: Readiness): boolean => readiness === 'ready' || readiness === 'clock-behind';

/** What a server says of itself by HTTP: that it lives, whether it does its work, and its numbers. */
export const routesOf =
  ({ readiness$, metrics }: Pick<ServerCore, 'readiness$' | 'metrics'>): Routes =>
  ({ path, headers }) => {
    switch (path) {
      case '/healthz':
        return of(textAnswerOf(200, 'alive'));
      case '/readyz':
        return readiness$.pipe(map((readiness) => textAnswerOf(isServing(readiness) ? 200 : 503, readiness)));
      case '/metrics': {
        if (isForwarded(headers)) return of(textAnswerOf(404, 'nothing here'));
        const { contentType, text$ } = metrics;
        return text$.pipe(map((text) => ({ status: 200, contentType, text })));
      }
      default:
        return null;
    }
  };
