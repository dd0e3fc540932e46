import { Packr } from 'msgpackr';

/*
 * Frames of the raw peer. Items travel and are stored as bytes that the server does not read.
 */

export const packr = new Packr({ useRecords: false });

/** The first message of a client: realm, client, and the number of the last frame that it has. */
export const subscribe = 0;
/** Items of a client: number of the first write, count, bytes. */
export const write = 1;
/** The server has stored all writes up to a number. */
export const acknowledge = 2;
/** Items for a client: number of the frame, bytes. */
export const data = 3;

export type RawMessage =
  | readonly [type: typeof subscribe, realm: string, client: string, downloadedTo: number]
  | readonly [type: typeof write, first: number, count: number, bytes: Uint8Array]
  | readonly [type: typeof acknowledge, write: number]
  | readonly [type: typeof data, frame: number, bytes: Uint8Array];

export const encode = (message: RawMessage): Buffer => packr.pack(message);
export const decode = (bytes: Buffer): RawMessage => packr.unpack(bytes) as RawMessage;

/** A number as a key that sorts as numbers do. */
export const keyOf = (value: number): string => value.toString(36).padStart(9, '0');

export const socketOptions = { perMessageDeflate: false, maxPayload: 256 << 20 } as const;
