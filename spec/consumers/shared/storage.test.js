import { defer, of } from 'rxjs';
import { memoryStorage } from 'tidemark';
import { storageSuite } from 'tidemark/testing';
import { runner } from './runner.js';

storageSuite(
  'memory storage',
  defer(() => of(memoryStorage())),
  'copy',
  runner,
);
