import { axisHeight, type DrawnTime, drawRows, rowHeight } from './draw-rows.js';
import { nearestEvent } from './marble-clusters.js';
import { createPart, createShape, setText } from './parts.js';
import type { RowEvent, SessionRow } from './session-row.js';
import { formatTime } from './time-axis.js';

/** Milliseconds that the width shows at first. */
const firstSpanMs = 20_000;
/** Pixels per millisecond: from a day in 500 pixels to 20 pixels for a millisecond. */
const scaleMin = 500 / 86_400_000;
const scaleMax = 20;
/** Pixels between the present moment and the right edge, so that the newest marble is visible. */
const edge = 24;
/** Milliseconds between two drawings because of new events. Moving the drawing costs almost nothing. */
const redrawMs = 100;
/** Milliseconds between two moves of time for people who prefer less motion. */
const calmMs = 1_000;
/** Events of a cluster whose text is shown. */
const textsMax = 4;

interface Selected {
  readonly row: number;
  /** Not its index: rows drop their oldest events. */
  readonly event: RowEvent;
}

/**
 * Draws rows of events as marbles on a time axis.
 *
 * Draws a part of time that is twice as wide as the visible one, and then only moves it. So a frame costs one
 * attribute, however many events there are.
 */
export class MarbleDiagram {
  readonly element: HTMLElement;
  readonly #labels = createPart('div', { class: 'labels', 'aria-hidden': 'true' });
  readonly #moving = createShape('g');
  readonly #svg = createShape('svg', { 'aria-hidden': 'true' }, this.#moving);
  readonly #tip = createPart('div', { class: 'tip', role: 'status' });
  readonly #sizes = new ResizeObserver(([entry]) => {
    this.#width = entry?.contentRect.width ?? 0;
    if (this.#scale === 0 && this.#width > 0) this.#scale = this.#width / firstSpanMs;
    this.#drawn = null;
  });
  readonly #prefersCalm = matchMedia('(prefers-reduced-motion: reduce)');
  #rows: readonly SessionRow[] = [];
  #width = 0;
  #scale = 0;
  /** The time at the right edge. */
  #end = 0;
  #isLive = true;
  #drawn: (DrawnTime & { readonly changes: number; readonly at: number }) | null = null;
  #movedTo = NaN;
  #selected: Selected | null = null;

  constructor(private readonly onLive: (isLive: boolean) => void) {
    const plot = createPart('div', { class: 'plot' }, this.#svg, this.#tip);
    this.element = createPart(
      'div',
      {
        ...{ class: 'diagram', tabindex: 0, role: 'application', 'aria-roledescription': 'marble diagram' },
        'aria-label': 'Streams. Arrow keys: values and streams. Plus and minus: zoom. Space: stop time.',
      },
      this.#labels,
      plot,
    );
    this.#listen(plot);
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  start(): void {
    this.#sizes.observe(this.#svg);
  }

  end(): void {
    this.#sizes.disconnect();
  }

  show(rows: readonly SessionRow[]): void {
    this.#rows = rows;
    this.#drawn = null;
    this.#select(-1);
    this.#labels.replaceChildren(...rows.map(({ name }) => createPart('div', {}, name)));
    this.#svg.setAttribute('height', String(axisHeight + rows.length * rowHeight));
    this.setLive(true);
  }

  /** Follows the present, or stops. */
  setLive(isLive: boolean): void {
    this.#isLive = isLive;
    this.onLive(isLive);
  }

  /** Multiplies the scale. Keeps the time at `x`, in pixels: the present by default, or the middle of stopped time. */
  zoom(factor: number, x = this.#isLive ? this.#width : this.#width / 2): void {
    const at = this.#timeAt(x);
    this.#scale = Math.min(scaleMax, Math.max(scaleMin, this.#scale * factor));
    this.#end = at + (this.#width - x) / this.#scale;
  }

  /** Draws the present moment. Called for each frame of the screen. */
  draw(now: number): void {
    if (this.#width === 0) return;
    if (this.#isLive && this.#prefersCalm.matches) {
      if (this.#drawn?.scale === this.#scale && Math.abs(now - this.#drawn.at) < calmMs) return;
      this.#drawn = null;
    }
    const live = now + edge / this.#scale;
    if (this.#isLive || this.#end > live) this.#end = live;
    const start = this.#timeAt(0);
    if (this.#isOutdated(start, now)) this.#redraw(start, now);
    const x = Math.round(((this.#drawn?.from ?? start) - start) * this.#scale * 2) / 2;
    if (x === this.#movedTo) return;
    this.#movedTo = x;
    this.#moving.setAttribute('transform', `translate(${x},0)`);
  }

  #timeAt(x: number): number {
    return this.#end - (this.#width - x) / this.#scale;
  }

  #isOutdated(start: number, now: number): boolean {
    const drawn = this.#drawn;
    if (drawn?.scale !== this.#scale || start < drawn.from || this.#end > drawn.to) return true;
    return drawn.changes !== this.#countChanges() && Math.abs(now - drawn.at) >= redrawMs;
  }

  #countChanges(): number {
    return this.#rows.reduce((sum, { changes }) => sum + changes, 0);
  }

  #redraw(start: number, now: number): void {
    const more = (this.#end - start) / 2;
    const time = { from: start - more, to: this.#end + more, scale: this.#scale };
    this.#drawn = { ...time, changes: this.#countChanges(), at: now };
    this.#moving.replaceChildren(...drawRows(this.#rows, time));
    this.#mark();
  }

  /** Marks the marble whose value is shown. */
  #mark(): void {
    for (const marked of this.#moving.querySelectorAll('.selected')) marked.classList.remove('selected');
    const { row, event } = this.#selected ?? {};
    const { name, events } = this.#rows[row ?? -1] ?? {};
    const index = event ? events?.indexOf(event) : -1;
    for (const marble of this.#moving.querySelectorAll<SVGElement>(`[data-row="${name}"]`)) {
      const { first, last } = marble.dataset;
      if (Number(first) <= Number(index) && Number(last) >= Number(index)) marble.classList.add('selected');
    }
  }

  /** Shows the values of a row from `first` to `last`; with another row than those drawn, none. */
  #select(at: number, first = 0, last = first): void {
    const row = this.#rows[at];
    const event = row?.events[last];
    this.#selected = event ? { row: at, event } : null;
    this.#mark();
    this.#tip.classList.toggle('shown', Boolean(event));
    setText(this.#tip, '');
    if (!row || !event) return;
    const texts = row.events
      .slice(Math.max(first, last + 1 - textsMax), last + 1)
      .map(({ at, text }) => `${formatTime(at, true)} ${row.name}: ${text}`);
    setText(this.#tip, [...(last - first < textsMax ? [] : ['…']), ...texts].join('\n'));
    const x = (event.at - this.#timeAt(0)) * this.#scale;
    const isRight = x > this.#width / 2;
    Object.assign(this.#tip.style, {
      left: isRight ? '' : `${Math.max(0, x)}px`,
      right: isRight ? `${Math.max(0, this.#width - x)}px` : '',
      top: `${axisHeight + (at + 0.9) * rowHeight}px`,
    });
  }

  #listen(plot: HTMLElement): void {
    let draggedFrom: number | null = null;
    plot.onpointerdown = ({ clientX, pointerId }) => {
      draggedFrom = clientX;
      plot.setPointerCapture(pointerId);
    };
    plot.onpointerup = plot.onpointercancel = () => {
      draggedFrom = null;
    };
    plot.onpointerleave = () => {
      if (draggedFrom === null && !this.element.matches(':focus-visible')) this.#select(-1);
    };
    plot.onpointermove = ({ clientX, target }) => {
      if (draggedFrom === null) {
        this.#hover(target as Element);
        return;
      }
      if (Math.abs(clientX - draggedFrom) < 2) return;
      this.#pan(draggedFrom - clientX);
      draggedFrom = clientX;
    };
    plot.addEventListener('wheel', (event) => this.#onWheel(event), { passive: false });
    this.element.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !this.#onKey(event.key)) return;
      event.preventDefault();
    };
    this.element.onblur = () => this.#select(-1);
  }

  #hover(target: Element): void {
    const { row, first, last } = target.closest<SVGElement>('[data-row]')?.dataset ?? {};
    if (row === undefined) return;
    this.#select(
      this.#rows.findIndex(({ name }) => name === row),
      Number(first),
      Number(last),
    );
  }

  #pan(pixels: number): void {
    this.setLive(false);
    this.#end += pixels / this.#scale;
  }

  /** The wheel alone scrolls the page. Sideways or with Shift it moves time, with Ctrl it zooms. */
  #onWheel(event: WheelEvent): void {
    const { deltaX, deltaY, shiftKey, ctrlKey, metaKey, clientX } = event;
    const x = clientX - this.#svg.getBoundingClientRect().left;
    if (ctrlKey || metaKey) this.zoom(Math.exp(-deltaY / 300), this.#isLive ? this.#width : x);
    else if (shiftKey || Math.abs(deltaX) > Math.abs(deltaY)) this.#pan(deltaX || deltaY);
    else return;
    event.preventDefault();
  }

  /** Returns whether the key has a meaning here. */
  #onKey(key: string): boolean {
    const actions: Readonly<Record<string, () => void>> = {
      ArrowLeft: () => this.#step(-1),
      ArrowRight: () => this.#step(1),
      ArrowUp: () => this.#stepRow(-1),
      ArrowDown: () => this.#stepRow(1),
      Home: () => this.#step(-Infinity),
      End: () => this.#step(Infinity),
      '+': () => this.zoom(2),
      '-': () => this.zoom(0.5),
      ' ': () => this.setLive(!this.#isLive),
      Escape: () => this.#select(-1),
    };
    actions[key]?.();
    return key in actions;
  }

  /** Selects another event of the row. */
  #step(by: number): void {
    const { row, event } = this.#selected ?? { row: 0 };
    const events = this.#rows[row]?.events ?? [];
    const from = event ? events.indexOf(event) : events.length;
    this.#reveal(row, Math.min(events.length - 1, Math.max(0, from + by)));
  }

  /** Selects the event of another row that is nearest in time. */
  #stepRow(by: number): void {
    const rows = this.#rows;
    const { row: from, event } = this.#selected ?? { row: 0 };
    const at = event?.at ?? this.#end;
    for (let row = from + by; row >= 0 && row < rows.length; row += by) {
      const index = nearestEvent(rows[row]?.events ?? [], at);
      if (index < 0) continue;
      this.#reveal(row, index);
      return;
    }
  }

  /** Selects an event, and moves to it when it is not visible. */
  #reveal(row: number, index: number): void {
    const event: RowEvent | undefined = this.#rows[row]?.events[index];
    if (!event) return;
    if (event.at < this.#timeAt(0) || event.at > this.#end) {
      this.setLive(false);
      this.#end = event.at + this.#width / 2 / this.#scale;
      this.#drawn = null;
    }
    this.#select(row, index);
  }
}
