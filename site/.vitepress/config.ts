import { readFileSync } from 'node:fs';
import { defineConfig, type DefaultTheme } from 'vitepress';
import { slugOf } from './slugs.js';

const { guides, reference } = JSON.parse(readFileSync(new URL('../.pages/sidebar.json', import.meta.url), 'utf8')) as {
  guides: DefaultTheme.SidebarItem[];
  reference: DefaultTheme.SidebarItem[];
};

export default defineConfig({
  srcDir: '.pages',
  outDir: 'dist',
  cacheDir: '.cache',
  base: process.env['DOCS_BASE'] ?? '/',
  lang: 'en',
  title: 'tidemark',
  description: 'Keeps a realm on every device in sync with a server that you host, as RxJS streams.',
  metaChunk: true,
  markdown: {
    theme: { light: 'github-light-high-contrast', dark: 'github-dark-high-contrast' },
    anchor: { slugify: slugOf },
    // The formats of docs/PROTOCOL.md have no highlighting.
    languageAlias: { conversation: 'txt', frames: 'txt', operations: 'txt', states: 'txt' },
  },
  // The search index is one file, which is loaded when a reader searches.
  vite: { build: { chunkSizeWarningLimit: 4_000 } },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/start' },
      { text: 'Coming from Realm', link: '/coming-from-realm' },
      { text: 'API', link: '/api/' },
    ],
    sidebar: { '/api/': [{ text: 'API reference', link: '/api/', items: reference }], '/': guides },
    outline: { level: [2, 3] },
    search: { provider: 'local' },
  },
});
