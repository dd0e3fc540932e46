import { isIP } from 'node:net';

/** What is looked at of a call for its address. */
export interface RequestOrigin {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** IPv4 as it is written, whatever kind of socket it came by. */
const toPlainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const forwardedAddressOf = ({ headers }: RequestOrigin): string => {
  const value = headers['x-forwarded-for'];
  const all = typeof value === 'string' ? value : (value ?? []).join(',');
  return all.split(',').at(-1)?.trim() ?? '';
};

/**
 * Where a call comes from. With `trustProxy` it is what the proxy in front has put at the end of `X-Forwarded-For`;
 * what is before that says the caller himself, and anything. Without, that header is not looked at.
 */
export const clientAddressOf = (caller: RequestOrigin, trustProxy: boolean): string => {
  const said = trustProxy ? forwardedAddressOf(caller) : '';
  return toPlainAddress(isIP(said) > 0 ? said : (caller.socket.remoteAddress ?? ''));
};

/**
 * What one caller has for himself: an address of IPv4, or the 64 bits of IPv6 behind which he has as many as he likes.
 */
export const networkOf = (address: string): string => {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('%', 1)[0]?.split('::') ?? [];
  const [before, after] = [head, tail ?? ''].map((half) => (half === '' ? [] : half.split(':'))) as [
    string[],
    string[],
  ];
  const gap = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length);
  const groups = [...before, ...Array.from({ length: gap }, () => '0'), ...after].slice(0, 4);
  return `${groups.map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`;
};
