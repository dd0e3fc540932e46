import { posix } from 'node:path';
import { pageNameOf } from './guides.js';

/** The site, as the links of a page see it. */
export interface LinkTargets {
  /** Whether a file or a folder of the repository exists. */
  readonly exists: (path: string) => boolean;
  /** The Markdown files of the repository that are pages of the site, with their titles. */
  readonly pages: ReadonlyMap<string, string>;
  /** Is called with each other file that a page links to. The site shows its text on a page of its own. */
  readonly onSource: (path: string) => void;
}

const fencePattern = /^ *```/;
const linkPattern = /\[((?:[^\]`]|`[^`]*`)*)\]\(([^)\s]+)\)/g;
/** Pictures that are written as HTML, so that there is one for each colour scheme. */
const picturePattern = / (src|srcset)="([^"\s]+)"/g;
const outsidePattern = /^[a-z]+:/;

/** Returns the path in the repository of a link in one of its files. */
const pathOf = (file: string, link: string): string => posix.join(posix.dirname(file), link.replace(/#.*$/, ''));

/** Returns the address on the site of a link in a file of the repository. Throws when the target does not exist. */
const addressOf = (file: string, link: string, { exists, pages, onSource }: LinkTargets): string => {
  if (outsidePattern.test(link) || link.startsWith('#')) return link;
  const path = pathOf(file, link);
  const anchor = /#.*$/.exec(link)?.[0] ?? '';
  if (!exists(path)) throw new Error(`${file} links to ${link}, which does not exist.`);
  if (pages.has(path)) return `/${pageNameOf(path)}.md${anchor}`;
  if (path === 'docs/api') return '/api/index.md';
  if (path.startsWith('docs/images/')) return `/images/${posix.basename(path)}`;
  onSource(path);
  return `/source/${path}.md${anchor}`;
};

/** Returns the text of a link. On the site, a page has its title instead of its path. */
const textOf = (file: string, text: string, link: string, { pages }: LinkTargets): string =>
  text.endsWith('.md') && !text.includes(' ') ? (pages.get(pathOf(file, link)) ?? text) : text;

/** Rewrites the links of a Markdown file of the repository for the site. Leaves blocks of code as they are. */
export const rewriteLinks = (file: string, markdown: string, targets: LinkTargets): string => {
  let isCode = false;
  return markdown
    .split('\n')
    .map((line) => {
      if (fencePattern.test(line)) isCode = !isCode;
      if (isCode) return line;
      return line
        .replace(
          linkPattern,
          (_, text: string, link: string) =>
            `[${textOf(file, text, link, targets)}](${addressOf(file, link, targets)})`,
        )
        .replace(picturePattern, (_, name: string, link: string) => ` ${name}="${addressOf(file, link, targets)}"`);
    })
    .join('\n');
};
