import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { SyncServer } from '../server/index.js';
import type { ServerLogger } from './logger.js';

/*
 * How one command tells a server that runs on the same machine and the same data to do something: a socket in the data's own folder, which only
 * those can write to who may write there. One question a connection, a line of JSON each way.
 */

/** Characters that the path of a socket may have, on the systems that allow the least. */
const pathCharsMax = 103;
/** Characters of a question: a path, and a little around it. */
const requestCharsMax = 8_192;

/** Where the server of a folder listens; `null`: its path is too long for a socket. */
const socketPathOf = (data: string): string | null => {
  if (process.platform === 'win32') {
    const name = createHash('sha256').update(resolve(data).toLowerCase()).digest('hex').slice(0, 32);
    return `\\\\.\\pipe\\tidemark-${name}`;
  }
  const path = join(resolve(data), 'admin.sock');
  return Buffer.byteLength(path) > pathCharsMax ? null : path;
};

type AdminReply = { readonly done: unknown } | { readonly failed: string };

const answerRequest = async (server: Pick<SyncServer, 'backup'>, question: string): Promise<AdminReply> => {
  try {
    const { backup } = JSON.parse(question) as { readonly backup?: unknown };
    return { done: await server.backup(String(backup)) };
  } catch (thrown) {
    return { failed: thrown instanceof Error ? thrown.message : String(thrown) };
  }
};

const readLine = (socket: Socket): Promise<string> =>
  new Promise((done, reject) => {
    let heard = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      heard += part;
      if (heard.includes('\n')) done(heard.slice(0, heard.indexOf('\n')));
      else if (heard.length > requestCharsMax) socket.destroy(new Error('too long a line'));
    });
    socket.once('error', reject).once('close', () => reject(new Error('it hung up without an answer')));
  });

/**
 * Lets commands of the same machine speak to a server. Resolves with what ends that; a server whose folder has too long
 * a path goes without, and says so.
 */
export const openAdminSocket = async (
  server: Pick<SyncServer, 'backup'>,
  data: string,
  logs: Pick<ServerLogger, 'info' | 'error'>,
): Promise<() => void> => {
  const door = socketPathOf(data);
  if (door === null) {
    logs.info('no-backups-while-running', { reason: `the path of ${data} is too long for a socket in it` });
    return () => undefined;
  }
  const host = createServer((socket) => {
    readLine(socket)
      .then((question) => answerRequest(server, question))
      .then((answer) => {
        logs.info('backup', 'done' in answer ? (answer.done as object) : answer);
        socket.end(`${JSON.stringify(answer)}\n`);
      })
      .catch(() => socket.destroy());
  });
  // One that was killed has left it there; this one holds the lock of the database.
  if (process.platform !== 'win32') rmSync(door, { force: true });
  await new Promise<void>((opened) => {
    host.once('error', (error) => {
      logs.error('no-backups-while-running', error);
      opened();
    });
    host.listen(door, opened);
  });
  return () => void host.close();
};

/** Asks the server of a folder for a backup. Resolves with its answer; `null`: no server runs there. */
export const askForBackup = async (data: string, file: string): Promise<AdminReply | null> => {
  const door = socketPathOf(data);
  if (door === null) return null;
  const socket = connect(door);
  const isThere = await new Promise<boolean>((tell) => {
    socket.once('connect', () => tell(true)).once('error', () => tell(false));
  });
  if (!isThere) return null;
  socket.write(`${JSON.stringify({ backup: resolve(file) })}\n`);
  return JSON.parse(await readLine(socket)) as AdminReply;
};
