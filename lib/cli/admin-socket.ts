import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join, resolve } from 'node:path';
import type { SyncServer } from '../server/index.js';
import type { ServerLogger } from './logger.js';

/*
 * A command sends a request to the running server of the same machine through a socket in the data folder, to which
 * only users with write access to the folder can connect. One request per connection, one line of JSON each way.
 */

/** Bytes of the path of a socket on the systems with the lowest limit. */
const pathCharsMax = 103;
/** Characters of a request: a path and some JSON. */
const requestCharsMax = 8_192;

/** The path of the socket of a data folder; `null` when it is too long for a socket. */
const socketPathOf = (data: string): string | null => {
  if (process.platform === 'win32') {
    const name = createHash('sha256').update(resolve(data).toLowerCase()).digest('hex').slice(0, 32);
    return `\\\\.\\pipe\\tidemark-${name}`;
  }
  const path = join(resolve(data), 'admin.sock');
  return Buffer.byteLength(path) > pathCharsMax ? null : path;
};

type AdminReply = { readonly done: unknown } | { readonly failed: string };

const answerRequest = async (server: Pick<SyncServer, 'backup'>, request: string): Promise<AdminReply> => {
  try {
    const { backup } = JSON.parse(request) as { readonly backup?: unknown };
    return { done: await server.backup(String(backup)) };
  } catch (thrown) {
    return { failed: thrown instanceof Error ? thrown.message : String(thrown) };
  }
};

const readLine = (socket: Socket): Promise<string> =>
  new Promise((resolveLine, reject) => {
    let received = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      received += part;
      if (received.includes('\n')) resolveLine(received.slice(0, received.indexOf('\n')));
      else if (received.length > requestCharsMax) socket.destroy(new Error('The line is too long.'));
    });
    socket.once('error', reject).once('close', () => reject(new Error('The server closed without an answer.')));
  });

/**
 * Accepts requests of commands on the same machine. Resolves with a function that stops it. Logs when the path is too
 * long for a socket.
 */
export const openAdminSocket = async (
  server: Pick<SyncServer, 'backup'>,
  data: string,
  logs: Pick<ServerLogger, 'info' | 'error'>,
): Promise<() => void> => {
  const path = socketPathOf(data);
  if (path === null) {
    logs.info('no-backups-while-running', { reason: `The path of ${data} is too long for a socket in it.` });
    return () => undefined;
  }
  const adminServer = createServer((socket) => {
    readLine(socket)
      .then((request) => answerRequest(server, request))
      .then((answer) => {
        logs.info('backup', 'done' in answer ? (answer.done as object) : answer);
        socket.end(`${JSON.stringify(answer)}\n`);
      })
      .catch(() => socket.destroy());
  });
  // A killed server has left its socket; this server holds the lock of the database.
  if (process.platform !== 'win32') rmSync(path, { force: true });
  await new Promise<void>((opened) => {
    adminServer.once('error', (error) => {
      logs.error('no-backups-while-running', error);
      opened();
    });
    adminServer.listen(path, opened);
  });
  return () => void adminServer.close();
};

/** Asks the running server of a folder for a backup. Resolves with its reply; `null` when no server runs there. */
export const askForBackup = async (data: string, file: string): Promise<AdminReply | null> => {
  const path = socketPathOf(data);
  if (path === null) return null;
  const socket = connect(path);
  const isThere = await new Promise<boolean>((resolveState) => {
    socket.once('connect', () => resolveState(true)).once('error', () => resolveState(false));
  });
  if (!isThere) return null;
  socket.write(`${JSON.stringify({ backup: resolve(file) })}\n`);
  return JSON.parse(await readLine(socket)) as AdminReply;
};
