import { mountInspector } from 'tidemark/inspector';
import { type Observable, Subject, takeUntil } from 'rxjs';
import { createExampleWorld, type ExampleWorld } from '../../spec/example-world.js';
import { steps } from '../../spec/page-steps.js';
import type { ExampleHooks, ExampleRun } from './example-run.js';
import { type ExampleTimeline, settle, startTime } from './example-clock.js';
import { formatValue } from './format-value.js';

/** Everything that a compiled program of a page is given. */
interface Surroundings {
  readonly modules: ExampleWorld['modules'];
  /** A console for each block. */
  readonly consoles: readonly Pick<Console, 'log' | 'error'>[];
  readonly fetch: unknown;
  readonly document: unknown;
  readonly navigator: unknown;
  readonly runStep: (comment: string) => Promise<void>;
  /** Waits until the reader wants this block to run. A block that begins with a step begins without a pause. */
  readonly enterBlock: (block: number, isStepFirst: boolean) => Promise<void>;
}

export interface CompiledProgram {
  /** The page, as a path in the repository. */
  readonly page: string;
  readonly blocks: number;
  /** The page that the guide describes, without its head. */
  readonly html: string;
  readonly run: (surroundings: Surroundings) => Promise<void>;
}

/** Milliseconds that a step of the page takes at most, with and without motion. */
const stepMsMax = { shown: 1_500, hasty: 200 };
/** Milliseconds between two blocks, so that a diagram shows them beside each other. */
const pauseMs = 600;

const never = (): Promise<never> => new Promise(() => undefined);

/** Shows the page of the guide, if it has one, and gives the program that page instead of the one of the site. */
const browserOf = (page: HTMLElement, html: string) => {
  page.innerHTML = html;
  return {
    document: {
      getElementById: (id: string) => page.querySelector(`#${CSS.escape(id)}`),
      createElement: (name: string) => document.createElement(name),
    },
    navigator: { storage: navigator.storage },
  };
};

/** Lets the blocks of a program begin, up to the last one that the reader wants. */
class BlockGate {
  current = 0;
  isEnded = false;
  #enterNext: (() => void) | null = null;

  constructor(
    private last: number,
    private readonly hooks: ExampleHooks,
    readonly time: ExampleTimeline,
  ) {}

  readonly enter = async (block: number, isStepFirst: boolean): Promise<void> => {
    if (block > this.last) {
      this.time.release();
      this.hooks.onWaiting();
      await new Promise<void>((resolve) => (this.#enterNext = resolve));
    }
    if (this.isEnded) return never();
    this.current = block;
    this.hooks.onBlock(block);
    if (block > 0 && !isStepFirst && !this.hooks.isHasty) await this.time.pass(pauseMs, pauseMs);
    this.time.hold();
  };

  readonly continueTo = (block: number): void => {
    this.last = Math.max(this.last, block);
    const enter = this.#enterNext;
    this.#enterNext = null;
    enter?.();
  };
}

const runSteps =
  (pageSteps: Readonly<Record<string, () => unknown>>, gate: BlockGate, { onStep }: ExampleHooks) =>
  async (comment: string): Promise<void> => {
    if (gate.isEnded) return never();
    onStep(comment);
    gate.time.hold();
    await settle();
    await pageSteps[comment]?.();
    await settle();
    gate.time.hold();
  };

const consolesOf = ({ blocks }: CompiledProgram, gate: BlockGate, { onOutput }: ExampleHooks) =>
  Array.from({ length: blocks }, (_, block) => {
    const show = (kind: 'value' | 'error') => (value: unknown) => {
      // A second value is the one in the comment beside the call.
      if (!gate.isEnded) onOutput(block, formatValue(value, Date.now()), kind);
    };
    return { log: show('value'), error: show('error') };
  });

/** Runs a program of a page up to a block. */
export const runExample = (program: CompiledProgram, lastBlock: number, hooks: ExampleHooks): ExampleRun => {
  const ended$ = new Subject<void>();
  const online$ = new Subject<void>();
  const timeline = startTime();
  const realMsMax = hooks.isHasty ? stepMsMax.hasty : stepMsMax.shown;
  const time = { settle, pass: (ms: number) => timeline.pass(ms, realMsMax), end: timeline.end };
  const world = createExampleWorld(time, { reconnect$: online$ });
  const gate = new BlockGate(lastBlock, hooks, timeline);
  const { network, clients$ } = world;
  const observe = <A>(value$: Observable<A>, next: (value: A) => void): void =>
    void value$.pipe(takeUntil(ended$)).subscribe({ next, error: (error: unknown) => console.error(error) });
  observe(network.isUp$, hooks.onNetwork);
  observe(clients$, ({ length }) => hooks.onClients(length));

  const finish = (error?: unknown): void => {
    timeline.release();
    if (gate.isEnded) return;
    if (error !== undefined) hooks.onOutput(gate.current, formatValue(error, Date.now()), 'error');
    hooks.onWaiting();
  };
  const surroundings = {
    ...browserOf(hooks.page, program.html),
    modules: world.modules,
    consoles: consolesOf(program, gate, hooks),
    fetch: world.login.fetch,
    runStep: runSteps(steps[program.page]?.(world) ?? {}, gate, hooks),
    enterBlock: gate.enter,
  };
  program.run(surroundings).then(() => finish(), finish);

  return {
    continueTo: gate.continueTo,
    setNetwork: (isUp) => {
      if (!isUp) network.goDown();
      else {
        network.comeBack();
        online$.next(); // As the event `online` of a browser.
      }
    },
    mountInspector: (client, parent) => {
      const shown = clients$.value[client];
      const element = shown && mountInspector(shown, parent);
      return () => element?.remove();
    },
    end: () => {
      gate.isEnded = true;
      ended$.next();
      world.close().catch((error: unknown) => console.error(error));
    },
  };
};
