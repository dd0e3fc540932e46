import { posix } from 'node:path';
import { pageNameOf } from './guides.js';

/** The site, as the links of a page see it. */
export interface LinkTargets {
  /** Whether a file or a folder of the repository exists. */
  readonly exists: (path: string) => boolean;
  /** The Markdown files of the repository that are pages of the site. */
  readonly pages: ReadonlySet<string>;
  /** Is called with each other file that a page links to. The site shows its text on a page of its own. */
  readonly onSource: (path: string) => void;
}

const fencePattern = /^ *```/;
const linkPattern = /(\]\()([^)\s]+)(\))/g;
const outsidePattern = /^[a-z]+:/;

/** Returns the address on the site of a link in a file of the repository. Throws when the target does not exist. */
const addressOf = (file: string, link: string, { exists, pages, onSource }: LinkTargets): string => {
  if (outsidePattern.test(link) || link.startsWith('#')) return link;
  const [, target = '', anchor = ''] = /^([^#]*)(#.*)?$/.exec(link) ?? [];
  const path = posix.join(posix.dirname(file), target);
  if (!exists(path)) throw new Error(`${file} links to ${link}, which does not exist.`);
  if (pages.has(path)) return `/${pageNameOf(path)}.md${anchor}`;
  if (path === 'docs/api') return '/api/index.md';
  if (path.startsWith('docs/images/')) return `/images/${posix.basename(path)}`;
  onSource(path);
  return `/source/${path}.md${anchor}`;
};

/** Rewrites the links of a Markdown file of the repository for the site. Leaves blocks of code as they are. */
export const rewriteLinks = (file: string, markdown: string, targets: LinkTargets): string => {
  let isCode = false;
  return markdown
    .split('\n')
    .map((line) => {
      if (fencePattern.test(line)) isCode = !isCode;
      if (isCode) return line;
      return line.replace(
        linkPattern,
        (_, before: string, link: string, after: string) => before + addressOf(file, link, targets) + after,
      );
    })
    .join('\n');
};
