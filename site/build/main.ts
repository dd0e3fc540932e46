import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePages } from './pages.js';
import { writePrograms } from './programs.js';
import { writeReference } from './reference.js';

/* Writes the pages of the site to site/.pages, from which VitePress builds it. Runs in the root of the repository. */
const root = process.cwd();
const out = join(root, 'site', '.pages');
const { files, sidebar: guides } = writePages(root, out);
await writePrograms(root, files, join(out, 'public'));
const reference = await writeReference(root, out);
writeFileSync(join(out, 'sidebar.json'), JSON.stringify({ guides, reference }));
