import { fork, type ChildProcess } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SignJWT } from 'jose';
import { WebSocket } from 'ws';
import { encodeOperations } from '../lib/merge/operation-codec.js';
import { isLeft } from '../lib/model/result.js';
import { decodeServer, encodeClient } from '../lib/protocol/codec.js';
import type { ServerMessage } from '../lib/protocol/messages.js';
import { attacks, type Target } from './attack-kinds.js';
import { createBind } from './frame-generator.js';

/** Milliseconds that a healthy client may wait (p99). */
export const waitMsMax = 200;
/** Bytes of memory that the server may use. */
export const memoryBytesMax = 512 * 1024 * 1024;

export interface AttackReport {
  readonly name: string;
  /** Milliseconds from an upload of a healthy client of another realm until it was durable. */
  readonly waits: readonly number[];
  /** Milliseconds of processor time of the longest event-loop turn. */
  readonly turnMsMax: number;
  /** Peak memory of the server in bytes. */
  readonly memoryMax: number;
  /** The failures of the server, with their numbers. */
  readonly failures: readonly (readonly [string, number])[];
}

const scriptPath = (name: string): string => fileURLToPath(new URL(`./${name}.js`, import.meta.url));

const createKeys = (folder: string) => {
  const [known, unknown] = [0, 1].map(() => generateKeyPairSync('ec', { namedCurve: 'P-256' })) as [
    ReturnType<typeof generateKeyPairSync>,
    ReturnType<typeof generateKeyPairSync>,
  ];
  const jwks = join(folder, 'keys.json');
  const key = { ...known.publicKey.export({ format: 'jwk' }), kid: 'known', alg: 'ES256', use: 'sig' };
  writeFileSync(jwks, JSON.stringify({ keys: [key] }));
  const signToken = (user: string, kid: string, isKnown: boolean): Promise<string> =>
    new SignJWT({})
      .setProtectedHeader({ alg: 'ES256', kid })
      .setSubject(user)
      .setAudience('attacks')
      .setIssuer('attacks')
      .setExpirationTime('1h')
      .sign((isKnown ? known : unknown).privateKey);
  return { jwks, signToken };
};

/** A client that uploads small changes and waits for each until it is durable. */
const startHealthyClient = async (port: number, token: string) => {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`, 'tidemark.1');
  let onMessage: (message: ServerMessage) => void = () => undefined;
  socket.on('message', (data: Buffer) => {
    const message = decodeServer(new Uint8Array(data));
    if (isLeft(message)) throw new Error(message.left);
    if (message.right.type !== 'part') onMessage(message.right);
  });
  const until = (type: ServerMessage['type']): Promise<void> =>
    new Promise((resolve, reject) => {
      socket.once('close', (code) => reject(new Error(`the healthy client was closed with ${code}`)));
      onMessage = (message) => {
        if (message.type === 'error') reject(new Error(`the healthy client received ${message.code}: ${message.text}`));
        if (message.type === type) resolve();
      };
    });
  await once(socket, 'open');
  const bound = until('bound');
  socket.send(encodeClient(createBind({ realm: 'healthy', replica: 'healthy', token })));
  await bound;
  let version = 0;
  return {
    write: async (): Promise<number> => {
      version += 1;
      const body = encodeOperations([{ kind: 'create', type: 'Note', key: version % 100, values: { text: 'a text' } }]);
      const accepted = until('accepted');
      const began = performance.now();
      socket.send(
        encodeClient({ type: 'upload', session: 1, changesets: [{ version, time: 1, count: version, body }] }),
      );
      await accepted;
      socket.removeAllListeners('close');
      return performance.now() - began;
    },
    close: () => socket.terminate(),
  };
};

const waitForAnswer = async <A>(child: ChildProcess): Promise<A> => {
  const [message] = (await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with ${String(code)}`))),
  ])) as [A];
  return message;
};

const waitForExit = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};

/** Runs one attack on a new server for a number of milliseconds. */
const runAttack = async (name: string, ms: number): Promise<AttackReport> => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-attacks-'));
  const { jwks, signToken } = createKeys(folder);
  const server = fork(scriptPath('attack-server'), [join(folder, 'data'), jwks], { execArgv: [] });
  const attacker = fork(scriptPath('attacker'), [], { execArgv: [] });
  try {
    const { port } = await waitForAnswer<{ readonly port: number }>(server);
    const forged = [
      await signToken('healthy', 'unknown', true),
      await signToken('healthy', 'known', false),
      'no token',
    ];
    const target: Target = { port, token: await signToken('mallory', 'known', true), forged };
    const client = await startHealthyClient(port, await signToken('healthy', 'known', true));
    for (let times = 0; times < 50; times += 1) await client.write(); // Warms the server up.
    server.send('begin');
    attacker.send({ name, target });
    const waits: number[] = [];
    for (const since = performance.now(); performance.now() - since < ms;) {
      waits.push(await client.write());
      await pause(10);
    }
    client.close();
    server.send('how was it?');
    return { name, waits, ...(await waitForAnswer<Omit<AttackReport, 'name' | 'waits'>>(server)) };
  } finally {
    await Promise.all([waitForExit(server), waitForExit(attacker)]);
    rmSync(folder, { recursive: true, force: true });
  }
};

const quantileOf = (waits: readonly number[], share: number): number =>
  [...waits].sort((a, b) => a - b)[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? Infinity;

/** The limits that a server broke during an attack; empty if it broke none. */
export const problemsOf = ({ waits, memoryMax, failures }: AttackReport): readonly string[] => [
  ...(quantileOf(waits, 0.99) > waitMsMax ? [`a healthy client waits more than ${waitMsMax} ms`] : []),
  ...(memoryMax > memoryBytesMax ? [`more than ${memoryBytesMax} bytes of memory`] : []),
  ...failures.map(([text, times]) => `failed ${times} times: ${text}`),
];

export const lineOf = (report: AttackReport): string => {
  const ms = (share: number): string => quantileOf(report.waits, share).toFixed(0).padStart(6);
  const memory = (report.memoryMax / 1_048_576).toFixed(0).padStart(6);
  const turn = report.turnMsMax.toFixed(0).padStart(6);
  return `${ms(0.5)} ${ms(0.99)} ${ms(1)} ${turn} ${memory}  ${report.name}${problemsOf(report)
    .map((wrong) => `\n${' '.repeat(36)}WRONG: ${wrong}`)
    .join('')}`;
};

export const heading = 'p50 ms    p99    max   turn MB max  attack';

/** Runs all attacks, or those whose name contains a text, one after the other. */
export async function* runAttacks(ms: number, only: string): AsyncGenerator<AttackReport> {
  for (const name of Object.keys(attacks).filter((each) => each.includes(only))) yield await runAttack(name, ms);
}
