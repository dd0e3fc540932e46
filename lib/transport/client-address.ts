import { isIP } from 'node:net';

/** The parts of a request that show the address of its client. */
export interface RequestOrigin {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly socket: { readonly remoteAddress?: string | undefined };
}

/** An IPv4 address in its usual form, also on a socket of IPv6. */
const toPlainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '');

const forwardedAddressOf = ({ headers }: RequestOrigin): string => {
  const value = headers['x-forwarded-for'];
  const all = typeof value === 'string' ? value : (value ?? []).join(',');
  return all.split(',').at(-1)?.trim() ?? '';
};

/**
 * The address of a client. With `trustProxy` it is the last entry of `X-Forwarded-For`, which the proxy has added; the
 * entries before are written by the client and not trusted. Without `trustProxy` the header is ignored.
 */
export const clientAddressOf = (request: RequestOrigin, trustProxy: boolean): string => {
  const forwarded = trustProxy ? forwardedAddressOf(request) : '';
  return toPlainAddress(isIP(forwarded) > 0 ? forwarded : (request.socket.remoteAddress ?? ''));
};

/**
 * The network of one client: its IPv4 address, or the 64 bits of its IPv6 network, within which a client has any number
 * of addresses.
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
