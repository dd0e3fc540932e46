import { merge, Subscription, tap } from 'rxjs';
import type { ClientCore } from '../client/client-core.js';
import type { RealmMember } from '../client/realm-member.js';
import { observe } from '../model/operators.js';
import type { SyncState } from '../session/state/status.js';
import { explainStatus } from './explain-status.js';
import { runEachFrame } from './frames.js';
import { InspectedSession } from './inspected-session.js';
import { numbersOf, readPendingItems, toRejectedItems } from './lists.js';
import { MarbleDiagram } from './marble-diagram.js';
import { createButton, createPart, setText } from './parts.js';
import { rowNames } from './session-row.js';
import { setOffline, watchOffline } from './simulate-offline.js';

/** Values of each stream that are kept. */
const eventsMax = 10_000;
/** Sessions that are kept after they have ended. */
const endedMax = 8;
/** Milliseconds between two updates of texts: on a change, and without one, for countdowns. */
const changeMs = 100;
const idleMs = 500;
/** Milliseconds between two updates of lists, which read the storage. */
const listMs = 300;

/** A section that can be opened, with a list in it. Its content is made while it is open. */
const createSection = (title: string) => {
  const summary = createPart('summary', {}, title);
  const body = createPart('div', { class: 'body' });
  const element = createPart('details', {}, summary, body);
  return { element, summary, body };
};

/** Shows another content. The parts that are the same stay, so that the reader can select and copy them. */
const showContent = (body: Element, content: Element): void => {
  const shown = body.firstElementChild;
  if (shown?.childElementCount !== content.childElementCount) body.replaceChildren(content);
  else
    [...content.children].forEach((part, at) => {
      const before = shown.children.item(at);
      if (!part.isEqualNode(before)) before?.replaceWith(part);
    });
};

const canPause = (sync: SyncState): boolean => sync === 'active' || sync === 'waitingForAccessToken';

/** The content of an inspector: what it shows of a client, until `end`. */
export class InspectorView {
  readonly #sessions: InspectedSession[] = [];
  readonly #select = createPart('select', { 'aria-label': 'Realm' });
  readonly #dot = createPart('span', { class: 'dot', 'aria-hidden': 'true' });
  readonly #state = createPart('span', { class: 'state' }, 'no realm');
  readonly #text = createPart('p', { class: 'text' }, 'No realm is open with this client.');
  readonly #answer = createPart('span', { role: 'status' });
  readonly #recording = createPart('textarea', { readonly: '', 'aria-label': 'Recording', rows: 8, hidden: '' });
  readonly #bars = {
    upload: createPart('progress'),
    download: createPart('progress'),
  };
  readonly #diagram = new MarbleDiagram((isLive) => setText(this.#stop, isLive ? 'Stop time' : 'Follow'));
  readonly #stop: HTMLButtonElement = createButton('Stop time', () => this.#diagram.setLive(!this.#diagram.isLive));
  readonly #pause = createButton('Pause', () => this.#togglePause());
  readonly #offline = createButton('Simulate offline', () => this.#toggleOffline(), { role: 'switch' });
  readonly #numbers = createSection('Numbers');
  readonly #pending = createSection('Pending changes');
  readonly #rejected = createSection('Rejected writes');
  readonly #running: Subscription;
  readonly #endFrames: () => void;
  #shown: InspectedSession | null = null;
  /** The rejected writes that are listed. */
  #listed: InspectedSession['rejected'] | null = null;
  /** The reading of pending changes. On a slow disk it takes longer than the time to the next one. */
  #reading = Subscription.EMPTY;
  #names = '';
  #hasChanged = true;
  #textsAt = -Infinity;
  #listsAt = -Infinity;

  constructor(
    root: ParentNode,
    private readonly core: ClientCore,
  ) {
    root.replaceChildren(...this.#createParts());
    this.#select.onchange = () => this.#show(this.#sessions[this.#select.selectedIndex] ?? null);
    const { memberAdded$ } = core;
    for (const { element } of [this.#numbers, this.#pending, this.#rejected])
      element.ontoggle = () => {
        this.#listsAt = -Infinity;
      };
    for (const member of core.members()) this.#add(member);
    this.#running = observe(
      merge(
        memberAdded$.pipe(tap((member) => this.#add(member))),
        watchOffline(core).pipe(tap((offline) => this.#offline.setAttribute('aria-checked', String(offline)))),
      ),
      () => undefined,
    );
    this.#diagram.start();
    this.#endFrames = runEachFrame(() => this.#draw());
  }

  end(): void {
    this.#endFrames();
    this.#diagram.end();
    this.#running.unsubscribe();
    this.#reading.unsubscribe();
    for (const session of this.#sessions) session.end();
  }

  #createParts(): readonly HTMLElement[] {
    const copy = createButton('Copy recording', () => this.#copyRecording());
    const zoom = (text: string, label: string, factor: number): HTMLElement =>
      createButton(text, () => this.#diagram.zoom(factor), { 'aria-label': label });
    const barOf = (text: string, bar: HTMLElement): HTMLElement => createPart('label', {}, `${text} `, bar);
    return [
      createPart(
        'div',
        { class: 'head' },
        ...[this.#dot, this.#state, this.#select],
        createPart(
          'div',
          { class: 'buttons' },
          this.#pause,
          createButton('Reconnect', () => this.core.reconnect()),
          this.#offline,
        ),
      ),
      this.#text,
      this.#diagram.element,
      createPart(
        'div',
        { class: 'tools' },
        ...[this.#stop, zoom('−', 'Zoom out', 0.5), zoom('+', 'Zoom in', 2), copy, this.#answer],
        createPart(
          'div',
          { class: 'bars' },
          barOf('Uploads', this.#bars.upload),
          barOf('Downloads', this.#bars.download),
        ),
      ),
      this.#recording,
      createPart(
        'div',
        { class: 'sections' },
        ...[this.#pending.element, this.#rejected.element, this.#numbers.element],
      ),
    ];
  }

  #add(member: RealmMember): void {
    const session = new InspectedSession(member, this.core, eventsMax, () => {
      this.#hasChanged = true;
    });
    this.#sessions.push(session);
    if (!this.#shown || this.#shown.isOver) this.#show(session);
    this.#listSessions();
  }

  /** Forgets all but the latest sessions that have ended, and the one that is shown: many can end at once. */
  #forgetEnded(): void {
    const ended = this.#sessions.filter((session) => session.isOver && session !== this.#shown);
    for (const session of ended.slice(0, -endedMax)) {
      session.end();
      this.#sessions.splice(this.#sessions.indexOf(session), 1);
    }
  }

  /** Lists the sessions if that list has changed: the reader may have it open. */
  #listSessions(): void {
    this.#forgetEnded();
    const names = this.#sessions.map(({ name, isOver }) => `${name}${isOver ? ' (ended)' : ''}`);
    const key = JSON.stringify([names, this.#shown && this.#sessions.indexOf(this.#shown)]);
    if (key === this.#names) return;
    this.#names = key;
    this.#select.replaceChildren(...names.map((name) => createPart('option', {}, name)));
    this.#select.selectedIndex = this.#shown ? this.#sessions.indexOf(this.#shown) : -1;
  }

  #show(session: InspectedSession | null): void {
    this.#reading.unsubscribe();
    this.#shown = session;
    this.#diagram.show(session ? rowNames.map((name) => session.rows[name]) : []);
    this.#hasChanged = true;
    this.#listed = null;
    this.#listsAt = -Infinity;
  }

  #togglePause(): void {
    const session = this.#shown?.session;
    if (session && canPause(session.syncState)) session.pause();
    else session?.resume();
  }

  #toggleOffline(): void {
    setOffline(this.core, this.core.fault$.value === null);
  }

  /** Copies the recording. Where the page may not write to the clipboard, shows it. */
  #copyRecording(): void {
    const text = this.#shown?.recording.text() ?? '';
    const show = (): void => {
      this.#recording.hidden = false;
      this.#recording.value = text;
      this.#recording.select();
      setText(this.#answer, 'Copy the text below.');
    };
    const confirm = (): void => {
      this.#recording.hidden = true;
      setText(this.#answer, 'Copied. play() replays it.');
    };
    // Missing on pages without TLS.
    const clipboard = navigator.clipboard as Clipboard | undefined;
    if (clipboard) void clipboard.writeText(text).then(confirm, show);
    else show();
  }

  #draw(): void {
    const now = this.core.clock.now();
    this.#diagram.draw(now);
    const passed = Math.abs(now - this.#textsAt);
    if (!this.#shown || passed < changeMs || (passed < idleMs && !this.#hasChanged)) return;
    this.#textsAt = now;
    this.#drawTexts(this.#shown, now);
    if (Math.abs(now - this.#listsAt) < listMs) return;
    this.#listsAt = now;
    this.#drawLists(this.#shown);
  }

  #drawTexts(shown: InspectedSession, now: number): void {
    const { session, progress, isFollower, isOver } = shown;
    const { status, trouble } = session;
    this.#hasChanged = false;
    this.#listSessions();
    this.#dot.className = `dot ${status.connection.state}`;
    setText(this.#state, isOver ? 'ended' : status.connection.state);
    setText(this.#text, explainStatus(status, trouble, now) + (isFollower ? ' Another tab has the connection.' : ''));
    setText(this.#pause, canPause(status.sync) ? 'Pause' : 'Resume');
    this.#bars.upload.value = progress.upload?.estimate ?? 1;
    this.#bars.download.value = progress.download?.estimate ?? 1;
    setText(this.#pending.summary, `Pending changes (${status.pending.changesets})`);
    setText(this.#rejected.summary, `Rejected writes (${shown.rejected.length})`);
  }

  /** Makes the content of the sections that are open. */
  #drawLists(shown: InspectedSession): void {
    const listOf = (items: readonly HTMLElement[]): HTMLElement =>
      items.length === 0 ? createPart('p', {}, 'None.') : createPart('ul', {}, ...items);
    if (this.#pending.element.open && this.#reading.closed)
      this.#reading = observe(readPendingItems(shown), (items) => showContent(this.#pending.body, listOf(items)));
    this.#drawRejected(shown, listOf);
    if (this.#numbers.element.open)
      showContent(
        this.#numbers.body,
        createPart(
          'dl',
          {},
          ...numbersOf(shown).map(([name, value]) =>
            createPart('div', {}, createPart('dt', {}, name), createPart('dd', {}, value)),
          ),
        ),
      );
  }

  /** Makes the list only when it has changed. When it had the focus, the summary gets it. */
  #drawRejected(shown: InspectedSession, listOf: (items: readonly HTMLElement[]) => HTMLElement): void {
    const { element, summary, body } = this.#rejected;
    if (!element.open || this.#listed === shown.rejected) return;
    this.#listed = shown.rejected;
    const hadFocus = body.matches(':focus-within');
    body.replaceChildren(listOf(toRejectedItems(shown)));
    if (hadFocus) summary.focus();
  }
}
