import { randomBytes } from 'node:crypto';
import { openSync, writeSync, closeSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { SignJWT } from 'jose';
import { flagProblemOf } from './did-you-mean.js';
import { readSecret, SettingsError } from './settings.js';
import type { CliOutput } from './cli-environment.js';

const usage = `Usage: tidemark token --secret-file <file> --user <id> [options]
       tidemark token --new-secret <file>

Makes an access token for one user, signed with the secret of a server (HS256), and prints it. Use it to
try a server and in scripts; an app gets its tokens from its own login.
--new-secret writes a new random secret into a new file that only you can read.

Example: tidemark token --new-secret ./secret
         tidemark token --secret-file ./secret --user ann --expires-in 8h

Options:
  --secret-file <file>   the file with the secret, without one line break at its end
  --user <id>            the id of the user ("sub")
  --expires-in <time>    the validity, such as 30m, 8h or 7d (1h)
  --audience <name>      the audience ("aud"), if the server requires one
  --issuer <name>        the issuer ("iss"), if the server requires one
  --realms <json>        the access that the token grants, such as {"team-*":"write"}
  --new-secret <file>    makes a secret instead
  --help                 this text

Exit code: 0 done, 1 failed, 2 wrong usage.`;

const options = {
  'secret-file': { type: 'string' },
  user: { type: 'string' },
  'expires-in': { type: 'string', default: '1h' },
  audience: { type: 'string' },
  issuer: { type: 'string' },
  realms: { type: 'string' },
  'new-secret': { type: 'string' },
  help: { type: 'boolean', short: 'h', default: false },
} as const;

/** Random bytes of a new secret: as many as the hash has. */
const secretBytes = 32;

const parseTokenFlags = (args: readonly string[]) => {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: false }).values;
  } catch (thrown) {
    throw new SettingsError(flagProblemOf(thrown, Object.keys(options)));
  }
};

const openNewFile = (file: string): number => {
  try {
    return openSync(file, 'wx', 0o600);
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    const text =
      code === 'EEXIST'
        ? `${file} exists already. Use the secret in the file with --secret-file, or name another file.`
        : `${file} cannot be written: ${message}.`;
    throw Object.assign(new Error(text, { cause: thrown }), { code });
  }
};

const createSecretFile = (file: string): string => {
  const handle = openNewFile(file);
  writeSync(handle, `${randomBytes(secretBytes).toString('base64url')}\n`);
  closeSync(handle);
  return `${file} holds a new secret. Keep it safe: it can sign tokens for every user.`;
};

const parseRealms = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const realms: unknown = JSON.parse(text);
    if (typeof realms === 'object' && realms !== null && !Array.isArray(realms))
      return realms as Record<string, unknown>;
  } catch {
    // The error below reports it.
  }
  throw new SettingsError(
    `--realms must be a record of JSON such as {"team-*":"write"}, received ${text.slice(0, 60)}.`,
  );
};

const signToken = async (values: ReturnType<typeof parseTokenFlags>): Promise<string> => {
  const { user, audience, issuer, realms, 'secret-file': file, 'expires-in': expiresIn } = values;
  if (file === undefined || file === '') throw new SettingsError('The secret is missing. Use --secret-file <file>.');
  if (user === undefined || user === '') throw new SettingsError('The user is missing. Use --user <id>.');
  if (!/^[1-9]\d{0,8}[smhd]$/.test(expiresIn))
    throw new SettingsError(`--expires-in must be a time such as 30m, 8h or 7d, received "${expiresIn.slice(0, 60)}".`);
  const token = new SignJWT(realms === undefined ? {} : { realms: parseRealms(realms) })
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime(expiresIn);
  if (audience !== undefined) token.setAudience(audience);
  if (issuer !== undefined) token.setIssuer(issuer);
  const secret = readSecret(file);
  if (Buffer.byteLength(secret) < secretBytes)
    throw new SettingsError(
      `${file} must be a secret of at least ${secretBytes} bytes, received ${Buffer.byteLength(secret)}. Make one with tidemark token --new-secret <file>.`,
    );
  return token.sign(Buffer.from(secret));
};

/** Runs `tidemark token`. Resolves with the exit code; rejects only for a defect. */
export const runTokenCommand = async (
  args: readonly string[],
  { printLine, printError }: CliOutput,
): Promise<number> => {
  try {
    const values = parseTokenFlags(args);
    if (values.help) printLine(usage);
    else
      printLine(values['new-secret'] === undefined ? await signToken(values) : createSecretFile(values['new-secret']));
    return 0;
  } catch (thrown) {
    const { message, code } = thrown as NodeJS.ErrnoException;
    const isUsage = thrown instanceof SettingsError;
    if (!isUsage && typeof code !== 'string') throw thrown;
    printError(`tidemark token: ${message}`);
    return isUsage ? 2 : 1;
  }
};
