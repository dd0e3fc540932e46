/** One recorded event: a value of a stream, an event of a connection, or a write. */
export interface RecordedEvent {
  readonly at: number;
  readonly row: string;
  readonly value: string;
  /** Names of the objects that the event concerns, such as `Board b`. */
  readonly about?: readonly string[];
}

/** Moments in a diagram: the last ones, up to the broken invariant. */
const momentsMax = 60;

/** Moments that concern a named object: the earliest and the latest ones are shown. */
const earliestShown = 8;
const latestShown = 40;

const momentsOf = (recorded: readonly RecordedEvent[]): readonly number[] => [...new Set(recorded.map(({ at }) => at))];

/** Milliseconds around a shown moment within which other moments are shown too. */
const nearMs = 3_000;

/** Returns the milliseconds between a moment and the nearest of the given moments. */
const distanceOf = (moments: readonly number[], at: number): number =>
  moments.reduce((least, each) => Math.min(least, Math.abs(each - at)), Infinity);

/**
 * Chooses the events for a diagram: the last moments. When objects are named, the diagram has the moments that concern
 * them, the very last moment, and moments near these.
 */
export const chooseEvents = (
  recorded: readonly RecordedEvent[],
  about: readonly string[] = [],
): readonly RecordedEvent[] => {
  const all = momentsOf(recorded);
  const named = momentsOf(recorded.filter((each) => each.about?.some((name) => about.includes(name)) === true));
  const chosen = new Set(
    named.length > earliestShown + latestShown
      ? [...named.slice(0, earliestShown), ...named.slice(-latestShown)]
      : named,
  );
  if (chosen.size === 0) all.slice(-momentsMax).forEach((at) => chosen.add(at));
  else {
    all.slice(-1).forEach((at) => chosen.add(at));
    const anchors = [...chosen];
    const others = all.filter((at) => !chosen.has(at)).map((at) => ({ at, far: distanceOf(anchors, at) }));
    const near = others.filter(({ far }) => far <= nearMs).sort((a, b) => a.far - b.far);
    near.slice(0, momentsMax - chosen.size).forEach(({ at }) => chosen.add(at));
  }
  // Writes to other objects do not explain the named ones.
  const isOfOthers = ({ about: of }: RecordedEvent): boolean =>
    about.length > 0 && of !== undefined && !of.some((name) => about.includes(name));
  return recorded.filter((each) => chosen.has(each.at) && !isOfOthers(each));
};
