import { readFileSync } from 'node:fs';
import { type DefaultTheme, defineConfig } from 'vitepress';
import { renderForSearch } from './search-text.js';
import { slugOf } from './slugs.js';
import { highlightClasses, highlightSheet, applyStrictPolicy, writeMovedFiles } from './strict-policy.js';

const { guides, reference } = JSON.parse(readFileSync(new URL('../.pages/sidebar.json', import.meta.url), 'utf8')) as {
  guides: DefaultTheme.SidebarItem[];
  reference: DefaultTheme.SidebarItem[];
};
const base = process.env['DOCS_BASE'] ?? '/';

export default defineConfig({
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.cache',
  base,
  lang: 'en',
  title: 'tidemark',
  description: 'Keeps a realm on every device in sync with a server that you host, as RxJS streams.',
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `${base}logo.svg` }],
    ['link', { rel: 'stylesheet', href: base + highlightSheet }],
  ],
  metaChunk: true,
  // The switch of colours may not add a style to the page.
  appearance: { disableTransition: false },
  transformHtml: (html) => applyStrictPolicy(html, base),
  buildEnd: ({ outDir }) => writeMovedFiles(outDir),
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    codeTransformers: [highlightClasses],
    anchor: { slugify: slugOf },
  },
  vite: {
    // The search index is one file, which is loaded when a reader searches.
    build: { chunkSizeWarningLimit: 4_000 },
  },
  themeConfig: {
    logo: { src: '/logo.svg', alt: '' },
    nav: [
      { text: 'Guides', link: '/start', activeMatch: '^/(?!api/|index|$)' },
      { text: 'API', link: '/api/', activeMatch: '^/api/' },
    ],
    sidebar: { '/api/': [{ text: 'API reference', link: '/api/', items: reference }], '/': guides },
    outline: { level: [2, 3] },
    search: { provider: 'local', options: { _render: renderForSearch } },
    docFooter: { prev: 'Before', next: 'Next' },
  },
});
