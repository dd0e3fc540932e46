import { type Observable, take } from 'rxjs';
import type { HttpRequest, HttpResponse, RequestHeaders } from './http-types.js';

/** What is asked for by HTTP. */
export interface RouteRequest {
  readonly path: string;
  /** Names in lower case. */
  readonly headers: RequestHeaders;
}

export interface RouteAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** The answer to what is asked, once; `null`: that is somebody else's. */
export type Routes = (asked: RouteRequest) => Observable<RouteAnswer> | null;

/** Answers a request of HTTP, and says whether it does. */
export type Respond = (request: HttpRequest, response: HttpResponse) => boolean;

const plainText = 'text/plain; charset=utf-8';

export const textAnswerOf = (status: number, text: string): RouteAnswer => ({
  status,
  contentType: plainText,
  text: `${text}\n`,
});

export const pathOf = ({ url = '/' }: HttpRequest): string => url.split('?', 1)[0] ?? '/';

/**
 * An edge: what answers runs here, until the caller has gone. An error of it is answered with 500, and told to nobody.
 */
export const createResponder =
  (routes: Routes): Respond =>
  (request, response) => {
    const { method = '', headers } = request;
    if (method !== 'GET' && method !== 'HEAD') return false;
    const answer$ = routes({ path: pathOf(request), headers });
    if (answer$ === null) return false;
    const say = ({ status, contentType, text }: RouteAnswer): void => {
      response.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store' });
      response.end(method === 'HEAD' ? undefined : text);
    };
    const answering = answer$.pipe(take(1)).subscribe({ next: say, error: () => say(textAnswerOf(500, 'failed')) });
    response.once('close', () => answering.unsubscribe());
    return true;
  };
