import { readFile } from 'node:fs/promises';
import { createRemoteJWKSet, customFetch, errors, type FlattenedJWSInput, type JWSHeaderParameters } from 'jose';
import { InvalidArgumentError } from '../../model/errors.js';
import { limits } from '../../model/limits.js';
import { AccessRefusedError } from '../server-errors.js';

/** The public keys of who signs tokens: the right one for a token's header. */
export type KeyLookup = (header: JWSHeaderParameters, token: FlattenedJWSInput) => Promise<CryptoKey>;

const isLoopback = ({ hostname }: URL): boolean => ['localhost', '127.0.0.1', '[::1]'].includes(hostname);

const fileUrlOf = (place: string): URL => {
  const url = new URL('file:///');
  url.pathname = place;
  return url;
};

/** Whether keys come from a server: then over TLS, or whoever is in between says who may come in. */
const urlOf = (place: string): URL | null => {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(place)) return null;
  const expected = 'an https: URL, an http: URL of this machine, or the path of a file';
  if (!URL.canParse(place)) throw new InvalidArgumentError('jwks', expected, place);
  const url = new URL(place);
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url))) return url;
  throw new InvalidArgumentError('jwks', expected, place);
};

/**
 * Keys of a URL or a file (a JSON Web Key Set, RFC 7517), read when they are first needed. They are kept for ten
 * minutes; a key that is not among them has them read again, at most twice a minute, so that a rotated key works at
 * once and a flood of forged ones asks nobody. Rejects with jose's errors; `JWKSNoMatchingKey` only when the keys were
 * read for this token and it is not among them. While they are not read again, that is unknown: an `AccessRefusedError`
 * says so, and has the client come again.
 */
export const createKeyLookup = (place: string): KeyLookup => {
  const url = urlOf(place);
  let reads = 0;
  const read = (address: string, options: RequestInit): Promise<Response> => {
    reads += 1;
    return url === null ? readFile(place).then((bytes) => new Response(bytes)) : fetch(address, options);
  };
  const { jwksCooldownMs: cooldownDuration, jwksAgeMsMax: cacheMaxAge, jwksMsMax: timeoutDuration } = limits;
  const options = { cooldownDuration, cacheMaxAge, timeoutDuration, [customFetch]: read };
  const set = createRemoteJWKSet(url ?? fileUrlOf(place), options);
  return async (header, token) => {
    const before = reads;
    try {
      return await set(header, token);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey) || reads > before) throw thrown;
      const text = 'the key of this token is unknown, and the keys were read a moment ago';
      throw new AccessRefusedError('token-refused', text, 'later');
    }
  };
};
