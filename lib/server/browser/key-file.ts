import { InvalidStateError } from '../../model/errors.js';

/** A browser reads no files. */
export const readKeyFile = (file: string): Promise<never> =>
  Promise.reject(new InvalidStateError(`The key file ${file} needs Node. In a browser, keys come from a URL.`));
