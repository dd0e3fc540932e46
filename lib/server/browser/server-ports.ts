import { EMPTY } from 'rxjs';
import { InvalidStateError } from '../../model/errors.js';

const createError = (call: string): InvalidStateError =>
  new InvalidStateError(
    `server.${call} needs Node. In a browser, a client in the same page can use server.wire: createSyncClient({ dial: of(server.wire) }).`,
  );

/** A server in a browser has no ports. */
export const createPorts = () => ({
  open: (): Promise<never> => Promise.reject(createError('listen')),
  released$: EMPTY,
  stopped$: EMPTY,
});

/** A server in a browser writes no files. */
export const writeBackup = (): Promise<never> => Promise.reject(createError('backup'));
