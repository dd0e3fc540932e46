import { StorageError } from './errors.js';

/** Another tab has taken over a lock or a storage. This tab does not get it back by opening it again. */
export class StorageTakenOverError extends StorageError {}
