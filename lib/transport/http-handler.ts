import { type Observable, take } from 'rxjs';
import type { HttpRequest, HttpResponse, RequestHeaders } from './http-types.js';

/** An HTTP request, as routes see it. */
export interface RouteRequest {
  readonly path: string;
  /** Headers with names in lower case. */
  readonly headers: RequestHeaders;
  /** The address of the other end of the socket, which may be a proxy. Empty if it is not known. */
  readonly remoteAddress: string;
}

export interface RouteAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
  /** Further headers. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers a request with one value; `null` for a path of another handler. */
export type Routes = (request: RouteRequest) => Observable<RouteAnswer> | null;

/**
 * Answers an HTTP request, or leaves it to the app.
 *
 * @param request - The request of `node:http`.
 * @param response - The response to it.
 * @returns Whether the request is answered. If not, the app must answer it.
 *
 * @example
 * ```ts
 * if (!server.respond(request, response)) response.writeHead(404).end();
 * ```
 */
export type Respond = (request: HttpRequest, response: HttpResponse) => boolean;

const plainText = 'text/plain; charset=utf-8';

export const textAnswerOf = (status: number, text: string): RouteAnswer => ({
  status,
  contentType: plainText,
  text: `${text}\n`,
});

export const pathOf = ({ url = '/' }: HttpRequest): string => url.split('?', 1)[0] ?? '/';

/** Subscribes to the answer until the client disconnects. An error is answered with 500. */
export const createResponder =
  (routes: Routes): Respond =>
  (request, response) => {
    const { method = '', headers } = request;
    if (method !== 'GET' && method !== 'HEAD') return false;
    const answer$ = routes({ path: pathOf(request), headers, remoteAddress: request.socket?.remoteAddress ?? '' });
    if (answer$ === null) return false;
    const send = ({ status, contentType, text, headers: more }: RouteAnswer): void => {
      response.writeHead(status, { 'Content-Type': contentType, 'Cache-Control': 'no-store', ...more });
      response.end(method === 'HEAD' ? undefined : text);
    };
    const subscription = answer$
      .pipe(take(1))
      .subscribe({ next: send, error: () => send(textAnswerOf(500, 'failed')) });
    response.once('close', () => subscription.unsubscribe());
    return true;
  };
