import { clientAddressOf, networkOf } from '../../lib/transport/client-address.js';

const calling = (remoteAddress: string | undefined, forwarded?: string | string[]) => ({
  headers: { 'x-forwarded-for': forwarded },
  socket: { remoteAddress },
});

describe('the address of a client', () => {
  it.each([
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['::ffff:10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '6.6.6.6', '10.0.0.1'],
    [undefined, undefined, ''],
  ])('is that of its socket: %j, whatever its headers contain: %j', (remote, forwarded, address) => {
    expect(clientAddressOf(calling(remote, forwarded), false)).toBe(address);
  });

  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['6.6.6.6, 1.2.3.4', '1.2.3.4'],
    ['6.6.6.6,2001:db8::7', '2001:db8::7'],
    [['6.6.6.6', '1.2.3.4'], '1.2.3.4'],
    ['nonsense\n', '10.0.0.1'],
    ['', '10.0.0.1'],
    [undefined, '10.0.0.1'],
  ])('is the last one that a trusted proxy adds: %j', (forwarded, address) => {
    expect(clientAddressOf(calling('10.0.0.1', forwarded), true)).toBe(address);
  });
});

describe('the network of a client', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002::9', '2001:db8:1:2::/64'],
    ['2001:db8::9', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::', '1:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['', ''],
  ])('of %j is %j', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
