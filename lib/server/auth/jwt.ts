import { isBytes, utf8Encoder } from '../../model/built-ins.js';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { systemClock, type Clock } from '../../clock.js';
import { describeValue, InvalidArgumentError } from '../../model/errors.js';
import { checkEither } from '../../model/check-arguments.js';
import { checkNumber, checkOptions, limits } from '../../model/limits.js';
import { serverLimits } from '../server-limits.js';
import type { Authenticate, User } from './access.js';
import { TokenRejectedError } from '../server-errors.js';
import { createKeyLookup, type KeyLookup } from './jwks.js';

/** Claims of a token whose signature, audience, issuer and expiry were checked. */
export type Claims = Readonly<Record<string, unknown>>;

/**
 * Options of `jwt`: the keys, and the content of an acceptable token.
 *
 * @example
 * ```ts
 * const options: JwtOptions = { jwks: './keys.json', audience: 'sync', issuer: 'https://login.example.com' };
 * ```
 */
export interface JwtOptions {
  /**
   * Secret that tokens are signed with (HS256): at least 32 bytes. Give either `secret` or `jwks`.
   *
   * @defaultValue none: `jwks` has the keys
   */
  readonly secret?: string | Uint8Array;
  /**
   * Location of the public keys (a JSON Web Key Set): an `https:` URL, or the path of a file. Read when the first token
   * arrives, and again for an unknown key.
   *
   * @defaultValue none: `secret` is the key
   */
  readonly jwks?: string;
  /**
   * Accepted audiences (`aud`). Required with `jwks`, because a key server signs tokens for many services.
   *
   * @defaultValue not checked
   */
  readonly audience?: string | readonly string[];
  /**
   * Accepted issuers (`iss`). Required with `jwks`.
   *
   * @defaultValue not checked
   */
  readonly issuer?: string | readonly string[];
  /**
   * Milliseconds by which the clocks of issuer and server may differ.
   *
   * @defaultValue 30 000
   */
  readonly clockToleranceMs?: number;
  /**
   * Returns the user's id from the claims. Throws a `TokenRejectedError` to reject the token.
   *
   * @defaultValue the claim `sub`
   *
   * @param claims - The checked claims of the token.
   * @returns The id of the user.
   * @throws TokenRejectedError to reject the token.
   *
   * @example
   * ```ts
   * const userOf = ({ email }: Claims) => ({ id: String(email) });
   * ```
   */
  readonly userOf?: (claims: Claims) => Pick<User, 'id'>;
  /**
   * The time against which tokens are checked; virtual in tests.
   *
   * @defaultValue `systemClock`
   */
  readonly clock?: Pick<Clock, 'now'>;
}

const optionNames = ['secret', 'jwks', 'audience', 'issuer', 'clockToleranceMs', 'userOf', 'clock'] as const;

/** Smallest number of bytes of a secret: RFC 7518 section 3.2 demands the size of the hash. */
const secretBytesMin = 32;

/**
 * Accepted algorithms. `none` is never accepted. HS256 is not accepted beside public keys: an attacker could sign with
 * the public key as the secret.
 */
const algorithms = {
  secret: ['HS256'],
  jwks: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
};

/** Whether an error means that the token is invalid. Every other error is a failure of the server or the key server. */
const isInvalidToken = (thrown: unknown): thrown is errors.JOSEError =>
  [
    errors.JWTClaimValidationFailed,
    errors.JWTInvalid,
    errors.JWSInvalid,
    errors.JWSSignatureVerificationFailed,
    errors.JOSEAlgNotAllowed,
    errors.JOSENotSupported,
    errors.JWKSNoMatchingKey,
    errors.JWKSMultipleMatchingKeys,
  ].some((JoseError) => thrown instanceof JoseError);

const toAccessError = (thrown: unknown): unknown => {
  if (thrown instanceof errors.JWTExpired) return new TokenRejectedError('token-expired', 'The token has expired.');
  // Names the claim and nothing else: more detail would help an attacker who forges tokens.
  if (thrown instanceof errors.JWTClaimValidationFailed)
    return new TokenRejectedError(
      'token-refused',
      `The token is not valid for this server: its claim "${thrown.claim}" does not match.`,
    );
  if (isInvalidToken(thrown))
    return new TokenRejectedError('token-refused', 'The token is not signed with a key that this server accepts.');
  return thrown;
};

const checkSecret = (secret: unknown): Uint8Array => {
  const bytes = typeof secret === 'string' ? utf8Encoder.encode(secret) : secret;
  if (!isBytes(bytes)) throw new InvalidArgumentError('secret', 'a string or bytes', typeof secret);
  if (bytes.byteLength >= secretBytesMin) return bytes;
  const expected = `at least ${secretBytesMin} bytes`;
  throw new InvalidArgumentError('secret', expected, `${bytes.byteLength} bytes`, {
    problem: `secret must be ${expected}, received ${bytes.byteLength} bytes.`,
    advice: 'Make one with npx tidemark token --new-secret <file>.',
  });
};

const checkNames = (
  argument: 'audience' | 'issuer',
  { jwks, [argument]: given }: JwtOptions,
): string | string[] | undefined => {
  const isName = (name: unknown): boolean => typeof name === 'string' && name !== '';
  if (given === undefined && jwks === undefined) return undefined;
  if (typeof given === 'string' && isName(given)) return given;
  if (Array.isArray(given) && given.length > 0 && given.every(isName)) return given as string[];
  throw new InvalidArgumentError(
    argument,
    `a name or a list of names${jwks === undefined ? '' : ' when jwks is given'}`,
    given,
  );
};

const checkKeys = ({
  secret,
  jwks,
}: JwtOptions): { readonly key: Uint8Array | KeyLookup; readonly algorithms: string[] } => {
  checkEither('jwt', ['secret', 'jwks'], secret, jwks);
  if (jwks === undefined) return { key: checkSecret(secret), algorithms: algorithms.secret };
  if (typeof jwks !== 'string' || jwks.trim() === '')
    throw new InvalidArgumentError('jwks', 'an https: URL or the path of a file', jwks);
  return { key: createKeyLookup(jwks), algorithms: algorithms.jwks };
};

const subjectOf = ({ sub }: Claims): Pick<User, 'id'> => ({ id: sub as string });

/** Rejects a token without a valid user id: this is a fault of the token, not of the server. */
const checkUser = ({ id }: Pick<User, 'id'>): string => {
  if (typeof id === 'string' && id !== '' && id.length <= limits.idCharsMax) return id;
  throw new TokenRejectedError('token-refused', `The token has no valid user id, but ${describeValue(id)}.`);
};

/**
 * Creates an `authenticate` function that verifies JSON Web Tokens. A token must be signed, must expire (`exp`), and
 * must be meant for this server. An expired token is rejected with `token-expired`, after which the client gets a fresh
 * one; any other invalid token with `token-refused`, which logs the user out on the client. If the keys cannot be read,
 * the client tries again later. The user carries the token's claims for `authorize`. The connection ends when the token
 * expires, unless the client has sent a fresh token.
 *
 * @param options - The keys, and the content of an acceptable token.
 * @returns A function for the option `authenticate`.
 * @throws InvalidArgumentError for an invalid option.
 *
 * @example
 * ```ts
 * const authenticate = jwt({
 *   jwks: 'https://login.example.com/.well-known/jwks.json',
 *   audience: 'sync',
 *   issuer: 'https://login.example.com',
 * });
 * ```
 *
 * @see docs/tokens.md
 */
export const jwt = (options: JwtOptions): Authenticate => {
  checkOptions('options of jwt', options, optionNames);
  const { clockToleranceMs = limits.clockToleranceMs, userOf = subjectOf, clock = systemClock } = options;
  const toleranceMs = checkNumber('clockToleranceMs', clockToleranceMs, 0, serverLimits.clockToleranceMsMax);
  const { key, algorithms } = checkKeys(options);
  const [audience, issuer] = [checkNames('audience', options), checkNames('issuer', options)];
  const requirements: JWTVerifyOptions = {
    ...{ algorithms, clockTolerance: toleranceMs / 1_000, requiredClaims: ['exp'] },
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
  };
  const toUser = (claims: JWTPayload): User => ({
    id: checkUser(userOf(claims)),
    expiresAt: Number(claims.exp) * 1_000 + toleranceMs,
    claims,
  });
  return async (token) => {
    try {
      const now = { currentDate: new Date(clock.now()) };
      const { payload } = await (isBytes(key)
        ? jwtVerify(token, key, { ...requirements, ...now })
        : jwtVerify(token, key, { ...requirements, ...now }));
      return toUser(payload);
    } catch (thrown) {
      throw toAccessError(thrown);
    }
  };
};
