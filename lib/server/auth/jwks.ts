import { readKeyFile } from '#server/key-file';
import { createRemoteJWKSet, customFetch, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose';
import { InvalidArgumentError } from '../../model/errors.js';
import { serverLimits } from '../server-limits.js';
import { TokenRejectedError } from '../server-errors.js';

/** Finds the public key for the header of a token. */
export type KeyLookup = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

const isLoopback = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);

const fileUrlOf = (location: string): URL => {
  const url = new URL('file:///');
  url.pathname = location;
  return url;
};

/**
 * Returns the URL of keys that come from a server, or `null` for a file. Demands TLS: otherwise the network could
 * replace the keys.
 */
const urlOf = (location: string): URL | null => {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(location)) return null;
  const expected = 'an https: URL, an http: URL of a loopback address or the path of a file';
  if (!URL.canParse(location)) throw new InvalidArgumentError('jwks', expected, location);
  const url = new URL(location);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return url;
  throw new InvalidArgumentError('jwks', expected, location);
};

/**
 * Creates a lookup of keys from a URL or a file (a JSON Web Key Set, RFC 7517), read when the first key is needed. Keys
 * are cached for ten minutes. An unknown key makes the lookup read them again, at most twice a minute: a rotated key
 * works at once, and a flood of forged tokens causes no requests. Rejects with jose's errors; with `JWKSNoMatchingKey`
 * only if the keys were read for this token. Otherwise the lookup cannot know whether the key exists, and rejects with
 * a `TokenRejectedError` that has the client try again.
 */
export const createKeyLookup = (location: string): KeyLookup => {
  const url = urlOf(location);
  let reads = 0;
  const read = (address: string, options: RequestInit): Promise<Response> => {
    reads += 1;
    return url === null ? readKeyFile(location) : fetch(address, options);
  };
  const { jwksCooldownMs: cooldownDuration, jwksAgeMsMax: cacheMaxAge, jwksMsMax: timeoutDuration } = serverLimits;
  const options = { cooldownDuration, cacheMaxAge, timeoutDuration, [customFetch]: read };
  const set = createRemoteJWKSet(url ?? fileUrlOf(location), options);
  return async (header, token) => {
    const before = reads;
    try {
      return await set(header, token);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || reads > before) throw thrown;
      const text =
        'The key of this token is unknown, and the keys were read too recently to read them again. Try again later.';
      throw new TokenRejectedError('token-refused', text, 'later');
    }
  };
};
