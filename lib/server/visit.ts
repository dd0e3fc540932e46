import type { Clock } from '../clock.js';
import { limits as bounds } from '../model/limits.js';
import { closeCodes } from '../protocol/messages.js';
import { createInflow, type Inflow, type InflowOptions } from '../transport/inflow.js';
import type { Connection } from '../transport/listen.js';
import { hangUp, type Host } from '../transport/wire.js';
import { createAllowance } from './allowance.js';
import type { Guest } from './connection.js';
import type { Doorman } from './doorman.js';
import type { ServerLimits } from './options.js';
import { count, type Tally } from './tally.js';
import type { Tell } from './telling.js';
import type { Turns } from './turns.js';

export interface VisitPorts {
  readonly tally: Tally;
  readonly doorman: Pick<Doorman, 'entered'>;
  readonly clock: Pick<Clock, 'now' | 'scheduler'>;
  readonly limits: Pick<ServerLimits, 'frameBytesMax'>;
  readonly tell: Tell;
}

/** What is kept of a call as long as its connection: its headers would be larger than all the rest. */
export interface Caller extends Pick<Connection, 'socket' | 'address' | 'onBytes'> {
  readonly origin: string | undefined;
}

/** A socket that is being answered. */
export interface Visit {
  readonly socket: Connection['socket'];
  readonly guest: Guest;
  readonly inflow: Inflow;
  /** What all connections of its user have in common; `null`: he is not known yet. */
  usage: object | null;
  /** Ends it from here. */
  end: (thrown: unknown) => void;
  /** Why the server has ended it, for the log; empty: it has not. */
  text: string;
  bytesIn: number;
  bytesOut: number;
  /** When something was heard last. */
  heardAt: number;
}

/** Codes that are counted by themselves: a client may close with any other. */
const loggedCodes: ReadonlySet<number> = new Set([...Object.values(closeCodes), 1005, 1006, 1009, 1011, 1012, 1013]);

/** What the server says when it ends a connection, without what it quotes of what the client has said. */
export const loggedText = (text: string): string => text.split(', got ', 1)[0] ?? '';

/** An origin as a browser says it; everything else may be anything, and is not logged. */
const loggedOrigin = (origin: string | undefined): string | null => {
  if (origin === undefined) return null;
  const isOrigin = origin.length <= bounds.idCharsMax && URL.canParse(origin) && new URL(origin).origin === origin;
  return isOrigin ? origin : 'no origin';
};

/** What comes in on a socket before its user is known. */
const unboundInflow = (
  socket: Connection['socket'],
  { scheduler, now }: VisitPorts['clock'],
  exceeded: InflowOptions['exceeded'],
): Inflow =>
  createInflow({
    ...{ socket, scheduler, exceeded },
    bounds: {
      messageBytesMax: bounds.unboundFrameBytesMax,
      otherFramesMax: bounds.unboundMessagesMax,
      spend: createAllowance({
        framesPerSecond: bounds.unboundFramesPerSecondMax,
        bytesPerSecond: bounds.unboundFrameBytesMax,
        now,
      }),
    },
  });

/** Whom all connections without a user take turns as. */
const strangers = {};

/**
 * The host, whose end is in the hands of its visit, too, and which hears a frame when its user has a turn: the socket is not read while one waits.
 */
export const attended =
  (visit: Visit, turns: Turns, host: Host<Uint8Array, Uint8Array>): Host<Uint8Array, Uint8Array> =>
  (mouth) => {
    visit.end = (thrown) => mouth.error(thrown);
    const ear = host(mouth);
    let [isOver, isHeld] = [false, false];
    let [waiting, key]: [number, object] = [0, strangers];
    const heard = (frame: Uint8Array): void => {
      waiting -= 1;
      if (!isOver) ear.hear(frame);
      if (waiting > 0 || !isHeld) return;
      isHeld = false;
      visit.inflow.release();
    };
    return {
      hear: (frame) => {
        // Frames keep their order: what waits already and this one are of the same key.
        if (waiting === 0) key = visit.usage ?? strangers;
        waiting += 1;
        turns.run(key, () => heard(frame));
        if (waiting === 0 || isHeld) return;
        isHeld = true;
        visit.inflow.hold();
      },
      leave: () => {
        isOver = true;
        ear.leave();
      },
    };
  };

/** Makes visits of those who call, and tells of each when it begins and ends. */
export const createVisits = ({ tally, doorman, clock, limits, tell }: VisitPorts) => {
  const open = new Set<Visit>();
  let connections = 0;

  const left = (
    { guest: { user, sessions }, bytesIn, bytesOut, text }: Visit,
    code: number,
    call: { readonly connection: number; readonly address: string; readonly ms: number },
  ): void => {
    count(tally.closed, loggedCodes.has(code) ? code : 'other');
    tally.frameBytesIn += bytesIn;
    tally.frameBytesOut += bytesOut;
    tell({ level: 'info', event: 'closed', ...call, ...{ user, sessions, code, text, bytesIn, bytesOut } });
  };

  const visited = ({ socket, address, origin, onBytes }: Caller): Visit => {
    const connection = (connections += 1);
    const since = clock.now();
    const entry = doorman.entered(address);
    const inflow = unboundInflow(socket, clock, (code, text) => visit.end(hangUp(code, text)));
    const admitted: Guest['admitted'] = ({ spend }) => {
      visit.usage = spend;
      entry.admitted();
      inflow.setBounds({ messageBytesMax: limits.frameBytesMax, otherFramesMax: Infinity, spend });
    };
    const visit: Visit = {
      ...{ socket, inflow, bytesIn: 0, bytesOut: 0, heardAt: clock.scheduler.now(), text: '', usage: null },
      guest: { user: null, sessions: 0, admitted },
      end: () => undefined,
    };
    open.add(visit);
    tell({ level: 'debug', event: 'opened', connection, address, origin: loggedOrigin(origin) });
    socket.addEventListener('close', ({ code }: { readonly code: number }) => {
      entry.left();
      inflow.leave();
      open.delete(visit);
      left(visit, code, { connection, address, ms: clock.now() - since });
    });
    onBytes(inflow.feed);
    return visit;
  };

  return { open: open as ReadonlySet<Visit>, visited };
};
