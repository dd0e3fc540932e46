import { withBase } from 'vitepress';
import { nextTick, reactive, shallowRef } from 'vue';
import type { ExampleHooks, ExampleRun, PageModule } from '../../playground/example-run.js';

/** A block of a program of a page. */
export interface ExamplePlace {
  readonly page: string;
  readonly program: number;
  readonly block: number;
}

interface OutputLine {
  readonly text: string;
  readonly kind: 'value' | 'error';
}

interface PlaygroundState {
  /** Is `idle` when no example runs, `waiting` when the wanted blocks have run, `failed` when it could not be loaded. */
  status: 'idle' | 'loading' | 'running' | 'waiting' | 'failed';
  page: string;
  program: number;
  /** The block that runs, or ran last. */
  block: number;
  step: string;
  isUp: boolean;
  clients: number;
  shownClient: number;
  outputs: Record<number, OutputLine[]>;
}

const initialState = (): PlaygroundState => ({
  ...{ status: 'idle', page: '', program: -1, block: -1, step: '', isUp: true, clients: 0, shownClient: 0 },
  outputs: {},
});

/** The one example that runs on the site, as its components show it. */
export const playground = reactive(initialState());
/** The element for the page that a guide describes. The panel sets it. */
export const pageElement = shallowRef<HTMLElement | null>(null);
/** The example that runs. */
export const run = shallowRef<ExampleRun | null>(null);

/** Counts the runs, so that a module that has loaded too late starts nothing. */
let runs = 0;

const wantsNoMotion = (): boolean => matchMedia('(prefers-reduced-motion: reduce)').matches;

const createHooks = (page: HTMLElement): ExampleHooks => ({
  page,
  isHasty: wantsNoMotion(),
  onBlock: (block) => Object.assign(playground, { status: 'running', step: '', block }),
  onStep: (step) => (playground.step = step),
  onWaiting: () => Object.assign(playground, { status: 'waiting', step: '' }),
  onOutput: (block, text, kind) => (playground.outputs[block] ??= []).push({ text, kind }),
  onNetwork: (isUp) => (playground.isUp = isUp),
  onClients: (clients) => (playground.clients = clients),
});

/** Ends the example that runs. */
export const stopExample = (): void => {
  runs += 1;
  run.value?.end();
  run.value = null;
  Object.assign(playground, initialState());
};

const loadModule = (page: string): Promise<PageModule> =>
  import(/* @vite-ignore */ withBase(`/playground/${page}.js`)) as Promise<PageModule>;

const start = async ({ page, program, block }: ExamplePlace): Promise<void> => {
  stopExample();
  const started = runs;
  Object.assign(playground, { status: 'loading', page, program });
  try {
    await nextTick();
    const element = pageElement.value;
    const { runProgram } = await loadModule(page);
    if (started !== runs || !element) return;
    run.value = runProgram(program, block, createHooks(element));
  } catch (error) {
    console.error(error);
    if (started === runs) Object.assign(playground, { status: 'failed', block });
  }
};

/** Whether a program runs, or has run. */
export const isShown = ({ page, program }: Omit<ExamplePlace, 'block'>): boolean =>
  playground.status !== 'idle' && playground.page === page && playground.program === program;

/** Runs a program up to a block: from the beginning, or from where it is. */
export const runTo = (place: ExamplePlace): void => {
  if (run.value && isShown(place) && playground.block < place.block) run.value.continueTo(place.block);
  else void start(place);
};
