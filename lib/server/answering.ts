import { defer, tap, throwError, timeout, type Observable } from 'rxjs';
import type { Clock } from '../clock.js';
import { closeCodes } from '../protocol/messages.js';
import { serverWire } from '../protocol/wires.js';
import { accept } from '../transport/accept.js';
import type { Connection } from '../transport/listen.js';
import { hangUp, type Wire } from '../transport/wire.js';
import type { Guest } from './connection.js';
import type { Core } from './core.js';
import type { Doorman } from './doorman.js';
import type { ServerLimits } from './options.js';
import { count } from './tally.js';
import type { Tell } from './telling.js';

export interface AnsweringPorts {
  readonly core: Pick<Core, 'answer' | 'tally'>;
  readonly doorman: Pick<Doorman, 'entered'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly limits: Pick<ServerLimits, 'silenceMsMax' | 'socketBacklogBytesMax'>;
  readonly tell: Tell;
}

interface Bytes {
  in: number;
  out: number;
}

const weighed =
  (wire: Wire<Uint8Array, Uint8Array>, bytes: Bytes): Wire<Uint8Array, Uint8Array> =>
  (said) =>
    wire(said.pipe(tap((frame) => (bytes.in += frame.byteLength)))).pipe(
      tap((frame) => (bytes.out += frame.byteLength)),
    );

/** Hangs up on who has said nothing for too long: a socket does not tell that its other end is gone. */
const unlessSilent =
  (wire: Wire<Uint8Array, Uint8Array>, ms: number, { scheduler }: Pick<Clock, 'scheduler'>): typeof wire =>
  (said) =>
    wire(
      said.pipe(
        timeout({
          each: ms,
          scheduler,
          with: () => throwError(() => hangUp(closeCodes.notBound, `nothing was heard for ${ms} ms`)),
        }),
      ),
    );

/** Answers each socket that it is given, and tells of it: one line when it has closed, which has all. */
export const answering = ({ core, doorman, clock, limits, tell }: AnsweringPorts) => {
  const { tally } = core;
  const failed = (error: unknown): void => tell({ level: 'error', event: 'failed', realm: null, error });
  let connections = 0;

  const answer = (socket: Connection['socket'], address: string, origin: string | null): Observable<never> =>
    defer(() => {
      const connection = (connections += 1);
      const guest: Guest = { user: null, sessions: 0 };
      const bytes: Bytes = { in: 0, out: 0 };
      const since = clock.now();
      const left = doorman.entered(address);
      tell({ level: 'debug', event: 'opened', connection, address, origin });

      socket.addEventListener('close', ({ code, reason }: { readonly code: number; readonly reason: string }) => {
        left();
        count(tally.closed, code);
        tally.frameBytesIn += bytes.in;
        tally.frameBytesOut += bytes.out;
        const took = { ms: clock.now() - since, bytesIn: bytes.in, bytesOut: bytes.out };
        tell({ level: 'info', event: 'closed', connection, address, ...guest, code, text: reason, ...took });
      });
      const { silenceMsMax, socketBacklogBytesMax: backlogBytesMax } = limits;
      const wire = unlessSilent(weighed(serverWire(core.answer(guest)), bytes), silenceMsMax, clock);
      return accept(socket, wire, { failed, backlogBytesMax });
    });
  // Nothing else of the call is kept as long as the connection: its headers are larger than all the rest.
  return ({ socket, address, headers }: Connection): Observable<never> =>
    answer(socket, address, headers.origin ?? null);
};
