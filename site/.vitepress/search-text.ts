import type { MarkdownEnv } from 'vitepress';

interface Renderer {
  readonly render: (source: string, env: MarkdownEnv) => string;
}

/** Pages that would hide the guides among the results: records of the project. */
const records = ['decisions.md', 'changes.md'];

/** The name and the summary of a page of the API reference: everything up to its first section. */
const headOf = (markdown: string): string => markdown.split(/^## /m, 1)[0] ?? '';

/**
 * Renders a page for the search index. Of the API reference only names and summaries are found, so that the guides, which
 * explain the names, come first.
 */
export const renderForSearch = (source: string, env: MarkdownEnv, markdown: Renderer): string => {
  const html = markdown.render(env.relativePath.startsWith('api/') ? headOf(source) : source, env);
  return env.frontmatter?.['search'] === false || records.includes(env.relativePath) ? '' : html;
};
