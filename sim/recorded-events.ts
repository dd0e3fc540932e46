/** One event that was recorded: a value of a stream, an event of a connection, a write. */
export interface RecordedEvent {
  readonly at: number;
  readonly row: string;
  readonly value: string;
  /** The objects that the event is about, by their names: `Board b`. */
  readonly about?: readonly string[];
}

/** Moments that are drawn: the last ones, which is where something broke. */
const momentsMax = 60;

/** Of the moments that are about an object: its beginning is shown, and how it ended. */
const earliestShown = 8;
const latestShown = 40;

const momentsOf = (seen: readonly RecordedEvent[]): readonly number[] => [...new Set(seen.map(({ at }) => at))];

/** Milliseconds from a moment that is about an object within which others are shown, too. */
const nearMs = 3_000;

/** How far a moment is from the nearest of those that are shown anyway. */
const distanceOf = (moments: readonly number[], at: number): number =>
  moments.reduce((least, each) => Math.min(least, Math.abs(each - at)), Infinity);

/**
 * What of all that was seen belongs in a drawing: the last moments. When objects are named, the moments that are about
 * one of them, whenever they were, then the last one of all, and those near to these.
 */
export const chooseEvents = (
  seen: readonly RecordedEvent[],
  about: readonly string[] = [],
): readonly RecordedEvent[] => {
  const all = momentsOf(seen);
  const named = momentsOf(seen.filter((each) => each.about?.some((name) => about.includes(name)) === true));
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
  // Writes of other objects say nothing about the named ones.
  const isStrange = ({ about: of }: RecordedEvent): boolean =>
    about.length > 0 && of !== undefined && !of.some((name) => about.includes(name));
  return seen.filter((each) => chosen.has(each.at) && !isStrange(each));
};
