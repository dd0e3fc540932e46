import { createReadStream, statSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { extname, join } from 'node:path';

const types: Readonly<Record<string, string>> = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/** The page may only use files and the WebSocket of its own server: no inline script, no inline style, no `eval`. */
const policyOf = (host: string): string =>
  [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "font-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ws://${host}`,
    "base-uri 'self'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');

/** Returns the path of the file at an address; `null` for none. An address may be no valid URL, or too long. */
const findFile = (folder: string, url: string): string | null => {
  try {
    // The parser of URLs removes `..`, so the path is inside of the folder.
    const { pathname } = new URL(url, 'http://localhost');
    const path = join(folder, pathname === '/' ? 'index.html' : pathname);
    return statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
};

/** Creates a request handler that serves the files of a folder, with the headers of a strict site. */
export const createFileHandler =
  (folder: string): RequestListener =>
  ({ url = '/', method, headers: { host = '' } }, response) => {
    const path = findFile(folder, url);
    if ((method !== 'GET' && method !== 'HEAD') || path === null) {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, {
      'content-type': types[extname(path)] ?? 'application/octet-stream',
      'content-security-policy': policyOf(host),
      'cross-origin-opener-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-cache',
    });
    if (method === 'HEAD') response.end();
    else createReadStream(path).pipe(response);
  };
