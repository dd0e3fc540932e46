import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { transformerStyleToClass } from '@shikijs/transformers';

/* The site works under a content security policy without 'unsafe-inline': scripts and styles are in files. */

/** Gives highlighted code classes instead of styles. */
export const highlightClasses = transformerStyleToClass({ classPrefix: 'hl-' });
/** The address of the style sheet with these classes. */
export const highlightSheet = 'assets/highlight.css';

const inlineScript = /<script(?: id="[^"]*")?>([^]*?)<\/script>/g;
const scripts = new Map<string, string>();

/** The styles that VitePress writes into each page. style.css has them. */
const inlineStyle = / style="(?:position:relative;|--vp-vh:0px;)?"/g;

/** Replaces the inline scripts of a page by files, and removes its inline styles. */
export const applyStrictPolicy = (html: string, base: string): string =>
  html.replace(inlineStyle, '').replace(inlineScript, (_, code: string) => {
    const name = `assets/inline-${createHash('sha256').update(code).digest('hex').slice(0, 8)}.js`;
    scripts.set(name, code);
    return `<script src="${base}${name}"></script>`;
  });

/** Writes the files after the last page. */
export const writeMovedFiles = (folder: string): void => {
  mkdirSync(join(folder, 'assets'), { recursive: true });
  for (const [name, code] of scripts) writeFileSync(join(folder, name), code);
  writeFileSync(join(folder, highlightSheet), highlightClasses.getCSS());
};
