import { InvalidArgumentError } from '../../model/errors.js';

/** Origins whose pages may connect: a list, `*` for all, `local` for pages from loopback addresses. */
export type AllowedOrigins = readonly string[] | '*' | 'local';

/** Checks the option `origins`. */
export const checkOrigins = (origins: unknown, fallback: AllowedOrigins): AllowedOrigins => {
  if (origins === undefined) return fallback;
  const expected = 'a list of origins such as "https://app.example.com", or ["*"] for all';
  if (!Array.isArray(origins)) throw new InvalidArgumentError('origins', expected, origins);
  if (origins.length === 1 && origins[0] === '*') return '*';
  for (const origin of origins as readonly unknown[]) {
    const isOrigin =
      typeof origin === 'string' && !origin.includes('*') && URL.canParse(origin) && new URL(origin).origin === origin;
    if (!isOrigin) throw new InvalidArgumentError('origins', expected, origin);
  }
  return origins as readonly string[];
};

const localHostnames = ['localhost', '127.0.0.1', '[::1]'];

/**
 * Whether a page of this origin may connect. A request without an origin does not come from a browser, and could send
 * any origin.
 */
export const isAllowedOrigin = (origin: string | undefined, origins: AllowedOrigins): boolean => {
  if (origin === undefined || origins === '*') return true;
  if (origins !== 'local') return origins.includes(origin.toLowerCase());
  return URL.canParse(origin) && localHostnames.includes(new URL(origin).hostname);
};
