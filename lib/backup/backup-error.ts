import { TidemarkError } from '../model/errors.js';

/**
 * A backup cannot be made, is not a backup, or is damaged. Nothing was changed.
 *
 * @example
 * ```ts
 * if (error instanceof BackupError) console.error(error.message);
 * ```
 */
export class BackupError extends TidemarkError {
  override readonly name = 'BackupError';
  readonly code = 'backup';
}
