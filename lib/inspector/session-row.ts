/** The streams that an inspector draws, from top to bottom. */
export const rowNames = ['connection', 'sync state', 'uploads', 'downloads', 'errors'] as const;

/** One stream of the diagram. */
export type RowName = (typeof rowNames)[number];

/** The meaning of a marble, which decides its colour. */
export type Tone = 'good' | 'busy' | 'off' | 'bad' | 'plain';

/** A value of a stream, as it is drawn. */
export interface RowEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** The letter or number in the marble. `|`: the stream has completed. */
  readonly label: string;
  readonly tone: Tone;
  /** The value in words. */
  readonly text: string;
}

/** Events that are dropped at once, so that dropping costs little for each event. */
const droppedTogether = 500;

/** The latest values of a stream, in the order of time. */
export class SessionRow {
  readonly #events: RowEvent[] = [];
  #changes = 0;

  constructor(
    readonly name: RowName,
    /** The number of values to keep: at least these, and at most 500 more. */
    private readonly eventsMax: number,
  ) {}

  get events(): readonly RowEvent[] {
    return this.#events;
  }

  /** Counts the changes, so that a drawing can see that it is out of date. */
  get changes(): number {
    return this.#changes;
  }

  add(event: RowEvent): void {
    this.#changes += 1;
    this.#events.push(event);
    if (this.#events.length >= this.eventsMax + droppedTogether) this.#events.splice(0, droppedTogether);
  }
}
