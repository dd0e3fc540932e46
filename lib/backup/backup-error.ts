import { TidemarkError } from '../model/errors.js';

/** A backup that cannot be made, or is none, or is not whole. Nothing was changed. */
export class BackupError extends TidemarkError {
  override readonly name = 'BackupError';
  readonly code = 'backup';
}
