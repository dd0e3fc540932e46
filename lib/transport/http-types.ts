/*
 * The used parts of `node:http` by their shape: the published types compile in a project without the types of Node.
 */

/** The headers of a request, with names in lower case. */
export type RequestHeaders = Readonly<Record<string, string | string[] | undefined>> & {
  readonly origin?: string | undefined;
  readonly authorization?: string | undefined;
};

/** The used part of `IncomingMessage` of `node:http`. */
export interface HttpRequest {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
  readonly headers: RequestHeaders;
  readonly socket?: { readonly remoteAddress?: string | undefined };
}

/** The used part of `ServerResponse` of `node:http`. */
export interface HttpResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(text?: string): unknown;
  once(event: 'close', listener: () => void): unknown;
}

/**
 * A server of `node:http` or `node:https`.
 *
 * @see {@link SyncServer.attach}
 */
export interface HttpServer {
  /**
   * Adds a listener of an event, as an `EventEmitter` does.
   *
   * @param event - The name of the event.
   * @param listener - The function to call at the event.
   * @returns The server. The result is not used.
   */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- a Server is not assignable to anything narrower
  on(event: string, listener: (...given: any[]) => void): unknown;
  /**
   * Counts the listeners of an event.
   *
   * @param event - The name of the event.
   * @returns The number of listeners.
   */
  listenerCount(event: string): number;
}
