import { TidemarkError } from '../model/errors.js';

/** A backup cannot be made, is not a backup, or is damaged. Nothing was changed. */
export class BackupError extends TidemarkError {
  override readonly name = 'BackupError';
  readonly code = 'backup';
}
