/*
 * What is used of node:http, by its shape: the published types need no types of Node, so that they compile in a project that has none.
 */

/** The headers of a request, names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>> & {
  readonly origin?: string | undefined;
  readonly authorization?: string | undefined;
};

/** A request, as `IncomingMessage` of node:http is one. */
export interface HttpRequest {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
  readonly headers: RequestHeaders;
}

/** A response, as `ServerResponse` of node:http is one. */
export interface HttpResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(text?: string): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/** A server of `node:http` or `node:https`. */
export interface HttpServer {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as Node's own types have it: anything narrower does not take a Server
  on(event: string, listener: (...given: any[]) => void): unknown;
  listenerCount(event: string): number;
}
