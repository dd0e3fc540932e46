import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The programs of the Angular guide, word for word: a block of TypeScript after a line that names its file. */
export const readGuidePrograms = (root: string): readonly { readonly name: string; readonly text: string }[] =>
  [
    ...readFileSync(join(root, 'docs', 'angular.md'), 'utf8').matchAll(
      /`src\/app\/([\w.]+\.ts)`[^`]*```ts\n([\s\S]*?)^```/gm,
    ),
  ].map(([, name = '', text = '']) => ({ name, text }));
