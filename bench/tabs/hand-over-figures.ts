/** The moments of one write, in milliseconds of the same clock. `ended`: when it was durable. */
export interface WriteTimes {
  readonly began: number;
  readonly ended: number | null;
}

/** The figures of one hand-over. */
export interface HandOver {
  /** Milliseconds of the write that took longest. */
  readonly writeMs: number;
  /** Milliseconds from the event until the session was connected. */
  readonly connectedMs: number;
}

/** The write that took longest. */
const longestOf = (times: readonly WriteTimes[]): { readonly began: number; readonly ms: number } => {
  let longest = { began: NaN, ms: NaN };
  for (const { began, ended } of times) {
    if (ended === null) throw new Error('A write never ended.');
    if (!(ended - began <= longest.ms)) longest = { began, ms: ended - began };
  }
  return longest;
};

/**
 * Returns the figures of a tab that wrote all the time while the leader went away. The longest write is the first one
 * that the old leader did not answer, so it began right after the event.
 *
 * @throws Error when a write never ended.
 */
export const handOverOf = (times: readonly WriteTimes[], connectedAt: readonly number[]): HandOver => {
  const connected = connectedAt.at(-1) ?? NaN;
  // A write that was slow for another reason may have begun later.
  const event = longestOf(times.filter(({ began }) => began <= connected));
  return { writeMs: longestOf(times).ms, connectedMs: connected - event.began };
};
