/* The types between the pages of the site and the playground, which is loaded when a reader runs an example. */

/** Shows what an example does. */
export interface ExampleHooks {
  /** The element with the page that a guide describes, or an empty element. */
  readonly page: HTMLElement;
  /** Whether the blocks run without pauses. */
  readonly isHasty: boolean;
  readonly onBlock: (block: number) => void;
  /** A step of the page begins: the network goes down, time passes. */
  readonly onStep: (comment: string) => void;
  /** The wanted blocks have run. The clients and the server go on. */
  readonly onWaiting: () => void;
  readonly onOutput: (block: number, text: string, kind: 'value' | 'error') => void;
  readonly onNetwork: (isUp: boolean) => void;
  readonly onClients: (count: number) => void;
}

/** An example that runs. */
export interface ExampleRun {
  readonly continueTo: (block: number) => void;
  readonly setNetwork: (isUp: boolean) => void;
  /** Draws a client of the example. Returns a function that removes the drawing. */
  readonly mountInspector: (client: number, parent: Element) => () => void;
  readonly end: () => void;
}

/** A module of the playground: the programs of one page. */
export interface PageModule {
  readonly runProgram: (program: number, lastBlock: number, hooks: ExampleHooks) => ExampleRun;
}
