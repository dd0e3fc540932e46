import { readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';

/** A page of the built site. */
export interface SitePage {
  /** Its address, from the root of the site. */
  readonly path: string;
  readonly html: string;
}

/** Reads all pages of a folder. */
export const readPages = (folder: string): readonly SitePage[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.html'))
    .sort()
    .map((name) => ({ path: `/${name}`, html: readFileSync(join(folder, name), 'utf8') }));

const decode = (text: string): string => decodeURIComponent(text.replaceAll('&amp;', '&'));

const attributesOf = (html: string, name: string): readonly string[] =>
  [...html.matchAll(new RegExp(` ${name}="([^"]*)"`, 'g'))].map(([, value = '']) => decode(value));

/** Returns the addresses of everything that a page links to or loads, as they are in the page. */
const addressesOf = ({ html }: SitePage): readonly string[] => [
  ...attributesOf(html, 'href'),
  ...attributesOf(html, 'src'),
];

const isOutside = (address: string): boolean => /^([a-z]+:|\/\/)/i.test(address);

/** Returns the links within the site that lead to no file, or to no heading. One text for each. */
export const findDeadLinks = (folder: string, pages: readonly SitePage[]): readonly string[] => {
  const files = new Set(
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => `/${name.replaceAll('\\', '/')}`),
  );
  const anchors = new Map(pages.map(({ path, html }) => [path, new Set(attributesOf(html, 'id'))]));
  const isDead = (page: SitePage, address: string): boolean => {
    const [, target = '', anchor = ''] = /^([^#?]*)[^#]*(?:#(.*))?$/.exec(address) ?? [];
    const resolved = target === '' ? page.path : posix.join(posix.dirname(page.path), target);
    const absolute = target.startsWith('/') ? target : resolved;
    const path = absolute.endsWith('/') ? `${absolute}index.html` : absolute;
    return !files.has(path) || (anchor !== '' && anchors.has(path) && anchors.get(path)?.has(anchor) !== true);
  };
  return pages.flatMap((page) =>
    addressesOf(page)
      .filter((address) => !isOutside(address) && isDead(page, address))
      .map((address) => `${page.path} links to ${address}`),
  );
};

/** Returns the scripts, styles, pictures and fonts that a page would load from elsewhere. */
export const findOutsideResources = (pages: readonly SitePage[]): readonly string[] =>
  pages.flatMap((page) => {
    const loaded = [...page.html.matchAll(/<(?:script|link|img|source|iframe)\b[^>]*>/g)].flatMap(([tag]) => [
      ...attributesOf(tag, 'href'),
      ...attributesOf(tag, 'src'),
    ]);
    return loaded.filter(isOutside).map((address) => `${page.path} loads ${address}`);
  });

/** Returns the scripts and styles that are in a page itself, which a strict policy does not allow. */
export const findInlineCode = (pages: readonly SitePage[]): readonly string[] =>
  pages.flatMap(({ path, html }) =>
    [...html.matchAll(/<script(?![^>]* src=)[^>]*>|<style\b[^>]*>| style="[^"]*"| on\w+="/g)].map(
      ([code]) => `${path} has ${code}`,
    ),
  );

const luminanceOf = (color: string): number => {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((start) => {
    const value = parseInt(color.slice(start, start + 2), 16) / 255;
    return value <= 0.040_45 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

/** Returns the contrast of two colours, as WCAG defines it. */
export const contrastOf = (one: string, other: string): number => {
  const [dark = 0, light = 0] = [luminanceOf(one), luminanceOf(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
