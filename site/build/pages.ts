import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { type GuideGroup, guideGroups, pageNameOf } from './guides.js';
import { createHomePage } from './home.js';
import { wrapExamples } from './example-blocks.js';
import { rewriteLinks } from './links.js';
import { readPrograms } from './programs.js';

/** An entry of the sidebar. */
export interface SidebarItem {
  readonly text: string;
  readonly link?: string;
  readonly collapsed?: boolean;
  readonly items?: readonly SidebarItem[];
}

/** The Markdown files of the repository that are pages of the site. */
const filesOf = (groups: readonly GuideGroup[]): readonly string[] =>
  groups.flatMap(({ guides }) => guides.map(({ file }) => file));

const readGroups = (root: string): readonly GuideGroup[] => {
  const known = new Set(filesOf(guideGroups));
  const others = readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md') && !known.has(`docs/${name}`))
    .map((name) => {
      const [, title = name] = /^# (.*)$/m.exec(readFileSync(join(root, 'docs', name), 'utf8')) ?? [];
      return { file: `docs/${name}`, text: title };
    });
  return others.length > 0 ? [...guideGroups, { text: 'More', guides: others }] : guideGroups;
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

const copyFiles = (root: string, out: string): void => {
  cpSync(join(root, 'site', 'static'), join(out, 'public'), { recursive: true });
  cpSync(join(root, 'docs', 'images'), join(out, 'public', 'images'), { recursive: true });
};

/** Blocks in the formats of docs/PROTOCOL.md have no highlighting. */
const formatPattern = /^```(conversation|frames|operations|states)$/gm;

/**
 * Writes the pages of the site to a folder, from the Markdown files of the repository. Returns these files, and the
 * sidebar.
 */
export const writePages = (
  root: string,
  out: string,
): { readonly files: readonly string[]; readonly sidebar: readonly SidebarItem[] } => {
  rmSync(out, { recursive: true, force: true });
  const groups = readGroups(root);
  const files = filesOf(groups);
  const sources = new Set<string>();
  const targets = {
    exists: (path: string) => existsSync(join(root, path)),
    pages: new Map(groups.flatMap(({ guides }) => guides.map(({ file, text }) => [file, text] as const))),
    onSource: (path: string) => sources.add(path),
  };
  for (const file of files) {
    const markdown = readFileSync(join(root, file), 'utf8');
    const linked = rewriteLinks(file, markdown.replace(formatPattern, '```txt'), targets);
    write(join(out, `${pageNameOf(file)}.md`), wrapExamples(file, linked, readPrograms(root, file)));
  }
  for (const path of sources) write(join(out, 'source', `${path}.md`), sourcePageOf(root, path));
  write(join(out, 'index.md'), createHomePage(root));
  copyFiles(root, out);
  const sidebar = groups.map(({ text, guides }) => ({
    text,
    items: guides.map(({ file, text: title }) => ({ text: title, link: `/${pageNameOf(file)}` })),
  }));
  return { files, sidebar };
};
