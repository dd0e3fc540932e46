/** Something its owner may want to know of a server. Never a token, never a body. */
export type ServerEvent =
  /** Something failed; the session it hit has been told to try again later. */
  | { readonly level: 'error'; readonly event: 'failed'; readonly realm: string | null; readonly error: unknown }
  /** A client cannot apply a change that it was sent. */
  | {
      readonly level: 'warn';
      readonly event: 'fault';
      readonly realm: string;
      readonly replica: string;
      readonly version: number;
      readonly text: string;
    }
  /** Somebody has called. `connection` counts from 1. */
  | {
      readonly level: 'debug';
      readonly event: 'opened';
      readonly connection: number;
      readonly address: string;
      /** `null`: none was said; `no origin`: something that is none. */
      readonly origin: string | null;
    }
  /** A connection has ended, by whom and why its code says. */
  | {
      readonly level: 'info';
      readonly event: 'closed';
      readonly connection: number;
      readonly address: string;
      /** The id of its user; `null` when it has said no token that was good. */
      readonly user: string | null;
      /** The close code of RFC 6455, or of docs/PROTOCOL.md. */
      readonly code: number;
      /** Why the server has ended it; empty when the client did, whose words are not logged. */
      readonly text: string;
      readonly sessions: number;
      /** How long it was open. */
      readonly ms: number;
      readonly bytesIn: number;
      readonly bytesOut: number;
    }
  /** A call was not answered. At most one of these a second; `more` says how many there were besides, since the last one. */
  | {
      readonly level: 'warn';
      readonly event: 'turned-away';
      readonly address: string;
      /** The status of HTTP. */
      readonly status: number;
      readonly text: string;
      readonly more: number;
    };

export type Tell = (event: ServerEvent) => void;

/** A log of the user's that can harm nobody: what it throws is thrown away. */
export const harmless =
  (log: Tell): Tell =>
  (event) => {
    try {
      log(event);
    } catch {
      // There is nobody left to tell.
    }
  };
