import { networkOf } from '../../transport/client-address.js';
import { serverLimits } from '../server-limits.js';
import { createRateLimit, type RateLimit } from './rate-limit.js';

/** Whether another event from an address may pass. Counts it if so. */
export type AddressRates = (address: string) => boolean;

/**
 * Creates a limit of `perSecond` events for each address, with as many in a burst. The rates of at most `addressesMax`
 * addresses are kept.
 */
export const createAddressRates = (perSecond: number, now: () => number): AddressRates => {
  const rates = new Map<string, RateLimit>();
  const rateOf = (network: string): RateLimit => {
    const known = rates.get(network);
    if (known !== undefined) return known;
    const [first] = rates.keys();
    if (first !== undefined && rates.size >= serverLimits.addressesMax) rates.delete(first);
    const rate = createRateLimit(perSecond, now);
    rates.set(network, rate);
    return rate;
  };
  return (address) => rateOf(networkOf(address))();
};
