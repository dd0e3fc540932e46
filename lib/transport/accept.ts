import { Observable, type Observer } from 'rxjs';
import { limits } from '../model/limits.js';
import { keptQuiet, lineCodes, lineOn, type WebSocketLike } from './socket.js';
import { hangUp, LineError, type Ear, type Host } from './wire.js';

export interface AcceptOptions {
  /** Unsent bytes with which a socket ends (4429): its reader is too slow. */
  readonly backlogBytesMax?: number;
  /** Told of what a host errors with, when that is no `LineError`: a failure of ours, for the log. */
  readonly failed: (thrown: unknown) => void;
  /** Told of the text with which this end closes the socket. */
  readonly ended?: (text: string) => void;
  /** Told of the bytes of each frame. */
  readonly passed?: (way: 'in' | 'out', bytes: number) => void;
}

const deaf: Ear<unknown> = { hear: () => undefined, leave: () => undefined };

/**
 * Runs a server's end of a line on a socket that is open. Cold: has to be subscribed in the turn of the event loop in which the
 * socket was accepted; letting go closes the socket with 1000. Never emits or errors; completes when either end has hung up:
 *
 * - the socket closed: the host's ear is let go of;
 * - the host completed: the socket is closed with 1000;
 * - the host errored with a `LineError` `closed`: with its code and text;
 * - the host errored with anything else, or threw: with 4500, and `failed` is told.
 *
 * What comes in is handed on frame by frame, in the turn in which it came: the host has to bound what it keeps.
 */
export const accept = (
  socket: WebSocketLike,
  host: Host<Uint8Array, Uint8Array>,
  { backlogBytesMax = limits.socketBacklogBytesMax, failed, passed, ended }: AcceptOptions,
): Observable<never> =>
  new Observable((done) => {
    let ear: Ear<Uint8Array> = deaf;
    const over = (): void => done.complete();
    const hear = (frame: Uint8Array): void => {
      passed?.('in', frame.byteLength);
      ear.hear(frame);
    };
    keptQuiet(socket).binaryType = 'arraybuffer';
    const line = lineOn(socket, backlogBytesMax, { next: hear, error: over, complete: over });
    done.add(line.leave);
    if (done.closed) return;
    const fail = (thrown: unknown): void => {
      if (thrown instanceof LineError && thrown.failure.kind === 'closed') {
        ended?.(thrown.failure.text);
        line.end(thrown);
        return;
      }
      failed(thrown);
      ended?.('the server failed');
      line.end(hangUp(lineCodes.failed, 'the server failed'));
    };
    const mouth: Observer<Uint8Array> = {
      next: (frame) => {
        if (done.closed) return;
        passed?.('out', frame.byteLength);
        line.say(frame);
      },
      error: (thrown) => {
        if (!done.closed) fail(thrown);
      },
      complete: () => line.end(hangUp(lineCodes.normal, '')),
    };
    try {
      ear = host(mouth);
    } catch (thrown) {
      fail(thrown);
    }
    done.add(ear.leave);
  });
