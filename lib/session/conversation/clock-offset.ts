import type { ServerClockReading } from '../sync-port.js';

/**
 * Milliseconds below which a difference is none: what the network sets devices to differs by less, and correcting them
 * by answers that take their time would make right clocks wrong.
 */
const marginMin = 1_000;

/**
 * What is known of the server's clock when it has answered: it said its time somewhere between our question and its
 * answer, most likely in the middle (as SNTP has it, RFC 4330). A clock that jumps meanwhile makes the round trip long,
 * or negative, and so the margin wide.
 */
export const serverClockReadingOf = (serverTime: number, asked: number, answered: number): ServerClockReading => ({
  serverTime,
  offset: serverTime - (asked + answered) / 2,
  margin: Math.max(marginMin, Math.abs(answered - asked)),
});
