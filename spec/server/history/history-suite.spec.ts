import { defer, of } from 'rxjs';
import { levelStorage } from '../../../lib/storage/level.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { historySuite } from '../../../lib/testing/history-suite.js';
import { createTemporaryFolders } from '../../storage/temporary-folders.js';
import { openHistoryCase } from './history-case.js';

const { fresh, remove } = createTemporaryFolders();
afterAll(remove);

historySuite('the history of a server in memory', () => openHistoryCase(defer(() => of(memoryStorage()))));
historySuite('the history of a server on LevelDB', () => openHistoryCase(levelStorage(fresh())));
