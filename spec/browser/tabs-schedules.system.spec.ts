import { createSeededRandom } from '../../lib/model/seeded-random.js';
import { runWithTabs, type Tab } from './tabs-kit.js';
import type { PageOutcome } from './tabs-page.js';

const schedules = Number(process.env['SCHEDULES'] ?? 12);
const firstSeed = Number(process.env['FROM'] ?? 1);
const steps = 16;
const tabsMax = 3;
const settleMsMax = 10_000;

const kit = runWithTabs();

type TabState = 'running' | 'frozen' | 'left' | 'gone';

interface PlayedTab {
  readonly number: number;
  readonly tab: Tab;
  state: TabState;
  isHidden: boolean;
  /** The writes that its present document has begun. A document that is lost takes their outcomes with it. */
  begun: string[];
}

/** One run of a random schedule. */
class Schedule {
  readonly log: string[] = [];
  readonly wrong: string[] = [];
  readonly #random: () => number;
  readonly #tabs: PlayedTab[] = [];
  readonly #ended = new Map<string, PageOutcome>();
  readonly #start = performance.now();
  #writes = 0;

  constructor(
    private readonly storage: string,
    seed: number,
  ) {
    this.#random = createSeededRandom(seed * 7919);
  }

  async play(): Promise<void> {
    await this.#open();
    await this.#tabs[0]!.tab.call('createTotal');
    for (let step = 0; step < steps; step += 1) {
      await this.#pause(this.#draw(8) === 0 ? this.#draw(700) : this.#draw(30));
      await this.#act();
    }
    for (const played of this.#living()) await this.#bringBack(played);
    await this.#check();
  }

  #note(text: string): void {
    this.log.push(`${Math.round(performance.now() - this.#start)} ${text}`);
  }

  #draw(most: number): number {
    return Math.floor(this.#random() * most);
  }

  /** Waits in a page, where a busy browser counts too. */
  async #pause(ms: number): Promise<void> {
    const ends = performance.now() + ms;
    do await this.#living()[0]?.tab.opened.context().pages()[0]!.title();
    while (performance.now() < ends);
  }

  #living(): PlayedTab[] {
    return this.#tabs.filter(({ state }) => state !== 'gone');
  }

  async #openRealm({ tab, number }: Pick<PlayedTab, 'tab' | 'number'>): Promise<void> {
    const outcome = await kit.openInTime(tab, this.storage);
    if (outcome !== 'done') throw new Error(`Tab ${number} could not open the realm: ${JSON.stringify(outcome)}`);
  }

  async #open(): Promise<void> {
    const number = this.#tabs.length + 1;
    this.#note(`open ${number}`);
    const tab = await kit.openPage();
    await tab.opened.exposeFunction('noteEnd', (id: string, ended: PageOutcome) => this.#ended.set(id, ended));
    const played: PlayedTab = { ...{ number, tab, begun: [] }, state: 'running', isHidden: false };
    this.#tabs.push(played);
    await this.#openRealm(played);
    this.#note(`opened ${number}`);
  }

  async #bringBack(played: PlayedTab): Promise<void> {
    const { tab, state, number } = played;
    if (state === 'frozen') {
      this.#note(`resume ${number}`);
      await tab.resume();
    }
    if (state === 'left') {
      const isCached = await tab.back();
      this.#note(`back ${number}, ${isCached ? 'from the cache' : 'as a new page'}`);
      if (!isCached) {
        played.begun = [];
        await this.#openRealm(played);
      }
    }
    played.state = 'running';
  }

  async #end(played: PlayedTab, how: 'close' | 'crash'): Promise<void> {
    this.#note(`${how} ${played.number}`);
    if (how === 'crash' && played.state !== 'left') await played.tab.crash();
    await played.tab.close();
    played.state = 'gone';
  }

  async #act(): Promise<void> {
    const living = this.#living();
    const played = living[this.#draw(living.length)]!;
    const { tab, number, state } = played;
    const kind = this.#draw(16);
    if (kind <= 1 && living.length < tabsMax) await this.#open();
    else if (kind === 2 && living.length > 1) await this.#end(played, 'close');
    else if (kind === 3 && living.length > 1) await this.#end(played, 'crash');
    else if (state !== 'running') await this.#bringBack(played);
    else if (kind === 4) {
      this.#note(`freeze ${number}`);
      await tab.freeze();
      [played.state, played.isHidden] = ['frozen', true];
    } else if (kind === 5) {
      this.#note(`leave ${number}`);
      await tab.leave();
      played.state = 'left';
    } else if (kind <= 7) {
      this.#note(`${played.isHidden ? 'show' : 'hide'} ${number}`);
      await (played.isHidden ? tab.show() : tab.hide());
      played.isHidden = !played.isHidden;
    } else await this.#write(played);
  }

  async #write({ tab, number, begun }: PlayedTab): Promise<void> {
    const most = this.#draw(2) === 0 ? 60 : 5; // A long burst is still being stored during the next act.
    const ids = Array.from({ length: 1 + this.#draw(most) }, () => `w${(this.#writes += 1)}`);
    this.#note(`write ${ids[0]!} to ${ids.at(-1)!} in ${number}`);
    begun.push(...ids);
    await tab.call('begin', ids);
  }

  /** Waits until all tabs are equal to the server and everything is uploaded. Then checks every write. */
  async #check(): Promise<void> {
    this.#note('check');
    let found: readonly string[] = ['not checked'];
    for (const ends = performance.now() + settleMsMax; found.length > 0 && performance.now() < ends;)
      found = await this.#differences();
    this.wrong.push(...found);
    const { ids } = await kit.site().read(this.storage);
    for (const [id, ended] of this.#ended) {
      if (ended === 'done' && !ids.includes(id)) this.wrong.push(`${id} is lost`);
      if (ended !== 'done' && ids.includes(id))
        this.wrong.push(`${id} was rejected, but is there: ${JSON.stringify(ended)}`);
    }
    if (kit.site().doubleMs(this.storage) > 1_000)
      this.wrong.push(`two sockets were open for ${kit.site().doubleMs(this.storage)} ms`);
    for (const { number, tab } of this.#tabs)
      for (const error of tab.errors) this.wrong.push(`tab ${number} did not handle ${error}`);
  }

  async #differences(): Promise<readonly string[]> {
    const found: string[] = [];
    const server = await kit.site().read(this.storage);
    if (server.count !== server.ids.length) found.push(`${server.ids.length} tasks were counted as ${server.count}`);
    for (const { tab, number, begun } of this.#living()) {
      const ids = (await tab.call('ids')).join();
      if (ids !== server.ids.join()) found.push(`tab ${number} has ${ids}, the server ${server.ids.join()}`);
      const count = await tab.call('count');
      if (count !== server.count) found.push(`tab ${number} counts ${count}, the server ${server.count}`);
      const session = await tab.call('session');
      if (session.connectionState !== 'connected' || session.pending > 0)
        found.push(`the session of tab ${number} is ${JSON.stringify(session)}`);
      // A page that is being left cannot report the end of a write.
      for (const [id, ended] of Object.entries(await tab.call('outcomes'))) this.#ended.set(id, ended);
      const open = begun.filter((id) => !this.#ended.has(id));
      if (open.length > 0) found.push(`${open.join()} of tab ${number} never ended`);
    }
    return found;
  }
}

describe('a random schedule of tabs in Chromium', () => {
  it(
    'loses no write, repeats none, and leaves all tabs and the server equal',
    async () => {
      const failures: string[] = [];
      for (let seed = firstSeed; seed < firstSeed + schedules && failures.length < 3; seed += 1) {
        const schedule = new Schedule(`schedule-${seed}`, seed);
        await schedule.play().catch((thrown: unknown) => schedule.wrong.push(String(thrown)));
        if (schedule.wrong.length > 0)
          failures.push(`seed ${seed}:\n  ${[...schedule.log, ...schedule.wrong].join('\n  ')}`);
        await kit.closeAll().catch(() => undefined); // The schedule has checked the errors.
      }
      expect(failures.join('\n')).toBe('');
    },
    schedules * 20_000 + 30_000,
  );
});
