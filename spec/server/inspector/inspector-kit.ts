import { get } from 'node:http';
import { Subject, VirtualTimeScheduler } from 'rxjs';
import type { Clock } from '../../../lib/clock.js';
import type { ConnectionReport, ServerConnection } from '../../../lib/server/connections/server-connection.js';
import type { ServerEvent } from '../../../lib/server/index.js';
import { checkServerOptions } from '../../../lib/server/check-server-options.js';
import { createInspectorRoutes } from '../../../lib/server/inspector/inspector-routes.js';
import type { VisibleState } from '../../../lib/server/inspector/visible-state.js';
import type { InspectorAccess } from '../../../lib/server/listen-options.js';
import type { ServerOptions } from '../../../lib/server/server-options.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import type { RouteAnswer } from '../../../lib/transport/http-handler.js';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** Sends a GET to a port of this machine. */
export const request = (port: number, path: string, headers = {}): Promise<HttpAnswer> =>
  new Promise((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, headers }, (response) => {
      let text = '';
      response.on('data', (part: Buffer) => (text += part.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
    }).on('error', reject);
  });

export const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

/** Reads the state for a token. Throws when the answer is an error. */
export const readState = async (port: number, token: string): Promise<VisibleState> => {
  const { status, text } = await request(port, '/inspector/state', bearer(token));
  if (status !== 200) throw new Error(`${status} ${text}`);
  return JSON.parse(text) as VisibleState;
};

/** A bound session. */
export const createSessionReport = (realm: string, position = 0, head = 0) => ({
  ...{ realm, replica: `replica of ${realm}`, access: 'write' as const, position, head },
  ...{ historyBytes: 100 * head, subscriptions: null, watchedTypes: new Map<never, never>() },
});

/** A connection with a socket that has sent nothing. */
export const createReport = (
  connection: number,
  user: string,
  sessions: ConnectionReport['sessions'],
): {
  user: string;
  sessions: ConnectionReport['sessions'];
  socket: { messagesIn: number; bytesIn: number };
} & ConnectionReport => ({
  user,
  sessions,
  socket: {
    ...{ connection, address: `10.0.0.${connection}`, since: 0 },
    ...{ messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 },
  },
});

interface RoutesOptions extends Partial<Pick<ServerOptions, 'authenticate' | 'authorize'>> {
  readonly access?: InspectorAccess;
}

/** The routes of the inspector beside connections of which a spec decides, in virtual time. */
export const createRoutes = ({
  authenticate = (token) => ({ id: token }),
  authorize = () => 'read',
  access = { users: null },
}: RoutesOptions = {}) => {
  const scheduler = new VirtualTimeScheduler();
  const advance = (ms: number): void => {
    scheduler.schedule(() => undefined, ms);
    scheduler.flush();
  };
  const events: ServerEvent[] = [];
  const log = (event: ServerEvent): void => void events.push(event);
  const clock: Clock = { scheduler, now: () => scheduler.now(), random: () => 0 };
  const invalidTokens: string[] = [];
  const reads = { count: 0 };
  const reports = new Array<ConnectionReport>();
  const connections = {
    *[Symbol.iterator]() {
      reads.count += 1;
      for (const report of reports)
        yield { report: () => ({ ...report, socket: report.socket && { ...report.socket } }) } as ServerConnection;
    },
  } as ReadonlySet<ServerConnection>;
  const routes = createInspectorRoutes({
    core: { connections, logInvalidToken: (code) => void invalidTokens.push(code) },
    options: checkServerOptions({ storage: memoryStorage(), authenticate, authorize, clock, log }),
    access,
    trustProxy: false,
  });
  /** Answers a request; `null` while there is no answer. */
  const answer = (token: string, remoteAddress = '10.0.0.1'): { present: RouteAnswer | null } => {
    const answered: { present: RouteAnswer | null } = { present: null };
    const answer$ = routes({ path: '/inspector/state', headers: bearer(token), remoteAddress }) ?? new Subject();
    answer$.subscribe((present) => (answered.present = present));
    return answered;
  };
  /** Reads the state for a token. The functions of the spec must answer synchronously. */
  const state = (token = 'ann'): VisibleState => JSON.parse(answer(token).present?.text ?? '') as VisibleState;
  return { routes, answer, state, advance, clock, events, invalidTokens, reads, reports };
};
