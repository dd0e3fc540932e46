import { createServer, type Server } from 'node:http';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT, type CryptoKey, type JWTPayload } from 'jose';
import { TokenRejectedError, jwt, type JwtOptions, type User } from '../../../lib/server/index.js';

const secret = 'a secret of at least thirty-two bytes';
const noon = Date.parse('2026-05-01T12:00:00Z');
const seconds = (ms: number): number => Math.floor(ms / 1_000);
const inAnHour = seconds(noon) + 3_600;
const names = { audience: 'sync', issuer: 'https://login.example' };
let now = noon;
const clock = { now: () => now };

const signed = (
  claims: JWTPayload,
  key: CryptoKey | Uint8Array,
  header: { alg: string; kid?: string },
): Promise<string> =>
  new SignJWT({ sub: 'ann', exp: inAnHour, aud: 'sync', iss: 'https://login.example', ...claims })
    .setProtectedHeader(header)
    .sign(key);
const bySecret = (claims: JWTPayload = {}, text = secret): Promise<string> =>
  signed(claims, new TextEncoder().encode(text), { alg: 'HS256' });

const asked = async (options: JwtOptions, token: string): Promise<User> =>
  (await jwt({ clock, ...options })(token)) as User;
const codeOf = (answer: Promise<unknown>): Promise<unknown> =>
  answer.then(
    () => 'let in',
    (thrown: unknown) => (thrown instanceof TokenRejectedError ? thrown.code : 'failed'),
  );

interface Signer {
  readonly kid: string;
  readonly key: CryptoKey;
  readonly jwk: object;
}
const signer = async (kid: string, alg = 'ES256'): Promise<Signer> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return { kid, key: privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg } };
};
const by = ({ kid, key }: Signer, claims: JWTPayload = {}): Promise<string> =>
  signed(claims, key, { alg: 'ES256', kid });

/** Creates a key server with answers that the test sets. */
const keyServer = async () => {
  const state = { keys: [] as readonly Signer[], status: 200, asked: 0 };
  const server: Server = createServer((_, response) => {
    state.asked += 1;
    response.writeHead(state.status, { 'Content-Type': 'application/json' });
    response.end(JSON.stringify({ keys: state.keys.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  servers.push(server);
  return Object.assign(state, { jwks: `http://127.0.0.1:${(server.address() as { port: number }).port}/keys` });
};
const servers: Server[] = [];
const realNow = Date.now;

beforeEach(() => (now = noon));
afterEach(() => {
  Date.now = realNow;
  servers.splice(0).forEach((server) => {
    server.close();
    server.closeAllConnections();
  });
});

describe('a token that is signed with a secret', () => {
  it('contains its user, its expiry and its other claims', async () => {
    expect(await asked({ secret, ...names }, await bySecret({ realms: { a: 'read' } }))).toMatchObject({
      id: 'ann',
      expiresAt: inAnHour * 1_000 + 30_000,
      claims: { sub: 'ann', realms: { a: 'read' } },
    });
  });

  it.each<[string, JWTPayload, Partial<JwtOptions>]>([
    ['is for another audience', { aud: 'mail' }, {}],
    ['was made by another issuer', { iss: 'https://login.evil' }, {}],
    ['has no audience', { aud: undefined as never }, {}],
    ['never expires', { exp: undefined as never }, {}],
    ['has no subject', { sub: undefined as never }, {}],
    ['has an empty subject', { sub: '' }, {}],
    ['has a subject that is too long', { sub: 'a'.repeat(257) }, {}],
    ['is not yet good', { nbf: inAnHour }, {}],
  ])('is rejected when it %s', async (_, claims, more) => {
    expect(await codeOf(asked({ secret, ...names, ...more }, await bySecret(claims)))).toBe('token-refused');
  });

  it('is rejected when another secret signed it, without the reason', async () => {
    const answer = asked({ secret }, await bySecret({}, 'another secret, as long as the first one'));
    await expect(answer).rejects.toMatchObject({
      code: 'token-refused',
      message: 'The token is not signed with a key that this server accepts.',
    });
  });

  it.each(['', 'nonsense', 'a.b.c', 'eyJhbGciOiJub25lIn0.e30.'])('is rejected when it is %j', async (token) => {
    expect(await codeOf(asked({ secret }, token))).toBe('token-refused');
  });

  it('is rejected without a signature', async () => {
    const token = new UnsecuredJWT({ sub: 'ann', exp: inAnHour }).encode();
    expect(await codeOf(asked({ secret }, token))).toBe('token-refused');
  });

  it('has expired when its end is past by more than clocks differ', async () => {
    const token = await bySecret();
    now = inAnHour * 1_000 + 29_999;
    expect(await codeOf(asked({ secret, ...names }, token))).toBe('let in');
    now += 1;
    expect(await codeOf(asked({ secret, ...names }, token))).toBe('token-expired');
    expect(await codeOf(asked({ secret, ...names, clockToleranceMs: 60_000 }, token))).toBe('let in');
  });

  it('may name its user in another claim', async () => {
    const userOf = ({ email }: Readonly<Record<string, unknown>>) => ({ id: String(email) });
    expect(await asked({ secret, userOf }, await bySecret({ email: 'ann@example.com' }))).toMatchObject({
      id: 'ann@example.com',
    });
  });
});

describe('a token that is signed with a key of a key server', () => {
  it('is accepted with the key that it names, and the keys are fetched once', async () => {
    const server = await keyServer();
    const [a, b] = [await signer('a'), await signer('b')];
    server.keys = [a, b];
    const authenticate = jwt({ jwks: server.jwks, ...names, clock });
    await Promise.all([await by(a), await by(b), await by(a)].map(async (token) => authenticate(token)));
    expect(server.asked).toBe(1);
  });

  it('is accepted with a key that was added later, and rejected with a key that was removed', async () => {
    const server = await keyServer();
    const [a, b] = [await signer('a'), await signer('b')];
    server.keys = [a];
    const authenticate = jwt({ jwks: server.jwks, ...names, clock });
    await authenticate(await by(a));
    server.keys = [b];
    Date.now = () => realNow() + 31_000; // This is jose's own clock for the age of the keys.
    await authenticate(await by(b));
    // Until the keys may be read again the key is not known to be invalid, so the connection may be tried again.
    await expect(authenticate(await by(a))).rejects.toMatchObject({ code: 'token-refused', retry: 'later' });
    Date.now = () => realNow() + 62_000;
    await expect(authenticate(await by(a))).rejects.toMatchObject({ code: 'token-refused', retry: 'never' });
    expect(server.asked).toBe(3);
  });

  it('does not read the keys again for a flood of unknown keys', async () => {
    const server = await keyServer();
    const [a, forged] = [await signer('a'), await signer('z')];
    server.keys = [a];
    const authenticate = jwt({ jwks: server.jwks, ...names, clock });
    await authenticate(await by(a));
    const token = await by(forged);
    for (let time = 0; time < 20; time += 1)
      expect(await codeOf(Promise.resolve(authenticate(token)))).toBe('token-refused');
    expect(server.asked).toBe(1);
  });

  it('is rejected when the public key was used as a secret', async () => {
    const server = await keyServer();
    const a = await signer('a');
    server.keys = [a];
    const key = new TextEncoder().encode(JSON.stringify(a.jwk));
    const token = await signed({}, key, { alg: 'HS256', kid: 'a' });
    expect(await codeOf(asked({ jwks: server.jwks, ...names }, token))).toBe('token-refused');
  });

  it('is a failure of the server while the keys cannot be fetched, and accepted after that', async () => {
    const server = await keyServer();
    const a = await signer('a');
    Object.assign(server, { keys: [a], status: 503 });
    const authenticate = jwt({ jwks: server.jwks, ...names, clock });
    const token = await by(a);
    expect(await codeOf(Promise.resolve(authenticate(token)))).toBe('failed');
    server.status = 200;
    expect(await codeOf(Promise.resolve(authenticate(token)))).toBe('let in');
    expect(await codeOf(asked({ jwks: 'http://127.0.0.1:1/keys', ...names }, token))).toBe('failed');
  });
});

describe('a token that is signed with a key of a file', () => {
  it('is accepted, and a file that changed is read again', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'tidemark jwt-'));
    const jwks = join(folder, 'keys.json');
    const [a, b] = [await signer('a'), await signer('b')];
    const authenticate = jwt({ jwks, ...names, clock });
    expect(await codeOf(Promise.resolve(authenticate(await by(a))))).toBe('failed');
    writeFileSync(jwks, JSON.stringify({ keys: [a.jwk] }));
    expect(await authenticate(await by(a))).toMatchObject({ id: 'ann' });
    writeFileSync(jwks, JSON.stringify({ keys: [a.jwk, b.jwk] }));
    Date.now = () => realNow() + 31_000;
    expect(await authenticate(await by(b))).toMatchObject({ id: 'ann' });
    rmSync(folder, { recursive: true });
  });
});

describe('invalid options', () => {
  it.each<[object, RegExp]>([
    [{}, /jwt needs either secret or jwks\. Neither was given\./],
    [{ secret, jwks: './keys.json' }, /jwt needs either secret or jwks\. Both were given\./],
    [{ secret: 'short' }, /at least 32 bytes, received 5 bytes/],
    [{ jwks: './keys.json', issuer: 'a' }, /audience/],
    [{ jwks: './keys.json', audience: 'a' }, /issuer/],
    [{ jwks: 'http://login.example/keys', ...names }, /https/],
    [{ jwks: 'ftp://login.example/keys', ...names }, /https/],
    [{ secret, clockToleranceMs: 300_001 }, /clockToleranceMs/],
    [{ secret, audience: [] }, /audience/],
    [{ secret, audiance: 'a' }, /audiance/],
  ])('are rejected at once: %j', (options, why) => {
    expect(() => jwt(options)).toThrow(why);
  });

  it('never show the secret', () => {
    const message = (): string => {
      try {
        jwt({ secret: 'hunter2' });
        return '';
      } catch (thrown) {
        return (thrown as Error).message;
      }
    };
    expect(message()).not.toContain('hunter2');
  });
});
