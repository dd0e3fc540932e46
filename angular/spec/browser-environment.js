import { TestEnvironment } from 'jest-environment-jsdom';

/** jsdom with the parts of browsers that it lacks, of Node. */
export default class BrowserEnvironment extends TestEnvironment {
  constructor(...given) {
    super(...given);
    const {
      TextEncoder,
      TextDecoder,
      Uint8Array,
      ArrayBuffer,
      structuredClone,
      setImmediate,
      clearImmediate,
      fetch,
      Request,
      Response,
    } = globalThis;
    Object.assign(this.global, {
      TextEncoder,
      TextDecoder,
      Uint8Array,
      ArrayBuffer,
      structuredClone,
      setImmediate,
      clearImmediate,
      fetch,
      Request,
      Response,
    });
  }
}
