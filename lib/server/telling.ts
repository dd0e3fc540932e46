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
