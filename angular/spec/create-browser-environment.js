/** The parts of browsers that jsdom lacks, and the classes of their values. */
const names = [
  ...['TextEncoder', 'TextDecoder', 'Uint8Array', 'ArrayBuffer', 'structuredClone'],
  ...['setImmediate', 'clearImmediate', 'fetch', 'Request', 'Response'],
];

/** Creates jsdom with the parts of browsers that it lacks, of Node. Each folder has a jsdom in its own packages. */
export const createBrowserEnvironment = (TestEnvironment) =>
  class BrowserEnvironment extends TestEnvironment {
    constructor(...given) {
      super(...given);
      for (const name of names) this.global[name] = globalThis[name];
    }
  };
