import { defer, of } from 'rxjs';
import { levelStorage } from '../../lib/storage/level.js';
import { memoryStorage } from '../../lib/storage/memory.js';
import { historySuite } from '../../lib/testing/history.js';
import { places } from '../storage/places.js';
import { historyOn } from './historycase.js';

const { fresh, remove } = places();
afterAll(remove);

historySuite('the history of a server in memory', () => historyOn(defer(() => of(memoryStorage()))));
historySuite('the history of a server on LevelDB', () => historyOn(levelStorage(fresh())));
