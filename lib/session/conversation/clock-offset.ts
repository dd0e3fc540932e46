import type { ServerClockReading } from '../../model/sync-port.js';

/**
 * Milliseconds below which an offset is ignored.
 *
 * Network time services keep devices closer than this. Corrections by answers that take their time would make right
 * clocks wrong.
 */
const marginMin = 1_000;

/**
 * Computes a reading of the server's clock from the bind and its answer.
 *
 * The server read its clock between the two, most likely in the middle (as in SNTP, RFC 4330). A clock that jumps
 * meanwhile makes the round trip long or negative, and so widens the margin.
 */
export const serverClockReadingOf = (serverTime: number, sentAt: number, answeredAt: number): ServerClockReading => ({
  serverTime,
  offset: serverTime - (sentAt + answeredAt) / 2,
  margin: Math.max(marginMin, Math.abs(answeredAt - sentAt)),
});
