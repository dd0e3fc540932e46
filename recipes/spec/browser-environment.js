import { TestEnvironment } from 'jest-environment-jsdom';

/** The parts of browsers that jsdom lacks, and the classes of their values. */
const names = [
  ...['TextEncoder', 'TextDecoder', 'Uint8Array', 'ArrayBuffer', 'structuredClone'],
  ...['setImmediate', 'clearImmediate', 'fetch', 'Request', 'Response'],
];

/** jsdom with the parts of browsers that it lacks, of Node. */
export default class BrowserEnvironment extends TestEnvironment {
  constructor(...given) {
    super(...given);
    for (const name of names) this.global[name] = globalThis[name];
  }
}
