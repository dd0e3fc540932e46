import { tap } from 'rxjs';
import { sharedModeOf } from '../../storage/folder-identity.js';
import { levelStorage } from '../../storage/level.js';
import type { OpenStorage } from '../../storage/storage.js';
import type { ServerLog } from '../http/server-events.js';

/** Opens a LevelDB folder, and logs a warning if other users of the machine may read it. */
export const openFolder = (folder: string, log: ServerLog): OpenStorage =>
  levelStorage(folder).pipe(
    tap(() => {
      const mode = sharedModeOf(folder);
      if (mode !== null) log({ level: 'warn', event: 'readable-by-others', folder, mode });
    }),
  );
