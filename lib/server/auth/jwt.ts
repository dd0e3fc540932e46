import { isBytes, utf8Encoder } from '../../model/built-ins.js';
import { errors, jwtVerify, type JWTPayload, type JWTVerifyOptions } from 'jose';
import { systemClock, type Clock } from '../../clock.js';
import { describeValue, InvalidArgumentError } from '../../model/errors.js';
import { checkNumber, checkOptions, limits } from '../../model/limits.js';
import type { Authenticate, User } from './access.js';
import { AccessRefusedError } from '../server-errors.js';
import { createKeyLookup, type KeyLookup } from './jwks.js';

/** What a token says. Checked: it is signed, meant for this server, and of now. */
export type Claims = Readonly<Record<string, unknown>>;

export interface JwtOptions {
  /** The secret that tokens are signed with by HS256: at least 32 bytes. Give this or `jwks`. */
  readonly secret?: string | Uint8Array;
  /**
   * Where the public keys are: an `https:` URL, or the path of a file. Read when needed, and again when a key is not
   * among them.
   */
  readonly jwks?: string;
  /** For whom tokens have to be (`aud`). May be left out only with `secret`: who has a key server signs for many. */
  readonly audience?: string | readonly string[];
  /** Who has to have made them (`iss`). May be left out only with `secret`. */
  readonly issuer?: string | readonly string[];
  /** Milliseconds that the clocks of who signs and of this server may differ: 30 000 unless given. */
  readonly clockToleranceMs?: number;
  /** Whose a token is: `sub` unless given. Throws an `AccessRefusedError` to refuse it. */
  readonly userOf?: (claims: Claims) => Pick<User, 'id'>;
  readonly clock?: Pick<Clock, 'now'>;
}

const optionNames = ['secret', 'jwks', 'audience', 'issuer', 'clockToleranceMs', 'userOf', 'clock'] as const;

/** Bytes of a secret: RFC 7518 section 3.2 asks for as many as the hash has. */
const secretBytesMin = 32;

/** Never `none`, and never a shared secret where keys are public: then the public key would be the secret. */
const algorithms = {
  secret: ['HS256'],
  jwks: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
};

/** What makes a token a bad one. Everything else is a failure of ours, or of who has the keys. */
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
  ].some((Refusal) => thrown instanceof Refusal);

const toAccessError = (thrown: unknown): unknown => {
  if (thrown instanceof errors.JWTExpired) return new AccessRefusedError('token-expired', 'this token has expired');
  // What exactly is wrong with it helps who forges it as much as who has misconfigured it: its claim, and no more.
  if (thrown instanceof errors.JWTClaimValidationFailed)
    return new AccessRefusedError('token-refused', `this token is not for here: its "${thrown.claim}" is another`);
  if (isInvalidToken(thrown)) return new AccessRefusedError('token-refused', 'this token was not signed for here');
  return thrown;
};

const checkSecret = (secret: unknown): Uint8Array => {
  const bytes = typeof secret === 'string' ? utf8Encoder.encode(secret) : secret;
  if (!isBytes(bytes)) throw new InvalidArgumentError('secret', 'a text or bytes', typeof secret);
  if (bytes.byteLength >= secretBytesMin) return bytes;
  throw new InvalidArgumentError('secret', `at least ${secretBytesMin} bytes`, `${bytes.byteLength} bytes`);
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
    `a name or a list of them${jwks === undefined ? '' : ' beside jwks'}`,
    given,
  );
};

const checkKeys = ({
  secret,
  jwks,
}: JwtOptions): { readonly key: Uint8Array | KeyLookup; readonly algorithms: string[] } => {
  if ((secret === undefined) === (jwks === undefined))
    throw new InvalidArgumentError('jwks', 'either jwks or secret', jwks === undefined ? 'neither' : 'both');
  if (jwks === undefined) return { key: checkSecret(secret), algorithms: algorithms.secret };
  if (typeof jwks !== 'string' || jwks.trim() === '')
    throw new InvalidArgumentError('jwks', 'an https: URL or the path of a file', jwks);
  return { key: createKeyLookup(jwks), algorithms: algorithms.jwks };
};

const subjectOf = ({ sub }: Claims): Pick<User, 'id'> => ({ id: sub as string });

/** A user who is no user is the token's fault here, not the server's. */
const checkUser = ({ id }: Pick<User, 'id'>): string => {
  if (typeof id === 'string' && id !== '' && id.length <= limits.idCharsMax) return id;
  throw new AccessRefusedError('token-refused', `this token has no user: ${describeValue(id)}`);
};

/**
 * Says whose a JSON Web Token is, for `authenticate`. A token has to be signed, to expire (`exp`), and to be for this
 * server. One that has expired is `token-expired`, which has the client fetch a fresh one; any other bad one is
 * `token-refused`, which logs it out. Keys that cannot be had are a failure of the server's: its client tries again
 * later. The user has the token's claims, for `authorize`, and its end: then the connection ends, too, unless a fresh
 * token was said before. Throws an `InvalidArgumentError` for options that make no sense.
 */
export const jwt = (options: JwtOptions): Authenticate => {
  checkOptions('options', options, optionNames);
  const { clockToleranceMs = limits.clockToleranceMs, userOf = subjectOf, clock = systemClock } = options;
  const toleranceMs = checkNumber('clockToleranceMs', clockToleranceMs, 0, limits.clockToleranceMsMax);
  const { key, algorithms } = checkKeys(options);
  const [audience, issuer] = [checkNames('audience', options), checkNames('issuer', options)];
  const demands: JWTVerifyOptions = {
    ...{ algorithms, clockTolerance: toleranceMs / 1_000, requiredClaims: ['exp'] },
    ...(audience === undefined ? {} : { audience }),
    ...(issuer === undefined ? {} : { issuer }),
  };
  const userIn = (claims: JWTPayload): User => ({
    id: checkUser(userOf(claims)),
    expiresAt: Number(claims.exp) * 1_000 + toleranceMs,
    claims,
  });
  return async (token) => {
    try {
      const now = { currentDate: new Date(clock.now()) };
      const { payload } = await (isBytes(key)
        ? jwtVerify(token, key, { ...demands, ...now })
        : jwtVerify(token, key, { ...demands, ...now }));
      return userIn(payload);
    } catch (thrown) {
      throw toAccessError(thrown);
    }
  };
};
