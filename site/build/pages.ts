import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { type GuideGroup, guideGroups, pageNameOf } from './guides.js';
import { createHomePage } from './home.js';
import { rewriteLinks } from './links.js';

/** An entry of the sidebar. */
export interface SidebarItem {
  readonly text: string;
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: readonly SidebarItem[];
}

const readGroups = (root: string): readonly GuideGroup[] => {
  const groups = guideGroups.map(({ text, guides }) => ({
    text,
    // Guides that are written by other parts of the project appear when they exist.
    guides: guides.filter(({ file }) => existsSync(join(root, file))),
  }));
  const known = new Set(groups.flatMap(({ guides }) => guides.map(({ file }) => file)));
  const others = readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md') && !known.has(`docs/${name}`))
    .map((name) => {
      const [, title = name] = /^# (.*)$/m.exec(readFileSync(join(root, 'docs', name), 'utf8')) ?? [];
      return { file: `docs/${name}`, text: title };
    });
  return others.length > 0 ? [...groups, { text: 'More', guides: others }] : groups;
};

const write = (path: string, text: string): void => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

const languages: Readonly<Record<string, string>> = { '.ts': 'ts', '.js': 'js', '.json': 'json' };

const sourcePageOf = (root: string, path: string): string => {
  const text = readFileSync(join(root, path), 'utf8').trimEnd();
  const language = languages[extname(path)] ?? (path.endsWith('Dockerfile') ? 'docker' : 'txt');
  return `---\nsearch: false\naside: false\n---\n\n# ${path}\n\n\`\`\`\`${language}\n${text}\n\`\`\`\`\n`;
};

const copyImages = (root: string, out: string): void => {
  const images = join(root, 'docs', 'images');
  if (!existsSync(images)) return;
  mkdirSync(join(out, 'public', 'images'), { recursive: true });
  for (const name of readdirSync(images)) copyFileSync(join(images, name), join(out, 'public', 'images', name));
};

/** Writes the pages of the site to a folder, from the Markdown files of the repository. Returns the sidebar. */
export const writePages = (root: string, out: string): readonly SidebarItem[] => {
  rmSync(out, { recursive: true, force: true });
  const groups = readGroups(root);
  const files = groups.flatMap(({ guides }) => guides.map(({ file }) => file));
  const sources = new Set<string>();
  const targets = {
    exists: (path: string) => existsSync(join(root, path)),
    pages: new Set(files),
    onSource: (path: string) => sources.add(path),
  };
  for (const file of files) {
    const markdown = readFileSync(join(root, file), 'utf8');
    write(join(out, `${pageNameOf(file)}.md`), rewriteLinks(file, markdown, targets));
  }
  for (const path of sources) write(join(out, 'source', `${path}.md`), sourcePageOf(root, path));
  write(join(out, 'index.md'), createHomePage(root));
  copyImages(root, out);
  return groups.map(({ text, guides }) => ({
    text,
    items: guides.map(({ file, text: title }) => ({ text: title, link: `/${pageNameOf(file)}` })),
  }));
};
