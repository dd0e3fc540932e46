import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePages } from './pages.js';
import { writeReference } from './reference.js';

/* Writes the pages of the site to site/.pages, from which VitePress builds it. Runs in the root of the repository. */
const root = process.cwd();
const out = join(root, 'site', '.pages');
const guides = writePages(root, out);
const reference = await writeReference(root, out);
writeFileSync(join(out, 'sidebar.json'), JSON.stringify({ guides, reference }));
