import { catchError, defer, finalize, map, type Observable, of, switchMap, throwError } from 'rxjs';
import { messageOf } from '../../model/errors.js';
import { clientAddressOf } from '../../transport/client-address.js';
import type { RouteAnswer, RouteRequest, Routes } from '../../transport/http-handler.js';
import { allowAnyone } from '../auth/access.js';
import type { CheckedServerOptions } from '../check-server-options.js';
import { createAddressRates } from '../connections/address-rates.js';
import { isForwarded } from '../http/http-routes.js';
import { createFailedEvent } from '../http/server-events.js';
import type { InspectorAccess } from '../listen-options.js';
import type { ServerCore } from '../server-core.js';
import { TokenRejectedError } from '../server-errors.js';
import { serverLimits } from '../server-limits.js';
import { pageHtml } from './page-html.js';
import { pageScript } from './page-script.js';
import { pageStyle } from './page-style.js';
import { createServerSnapshots } from './server-snapshot.js';
import { candidatesOf, toVisibleState } from './visible-state.js';
import { createVisitors, type Visitor } from './visitors.js';

export interface InspectorPorts {
  readonly core: Pick<ServerCore, 'connections' | 'logInvalidToken'>;
  readonly options: Pick<CheckedServerOptions, 'authenticate' | 'authorize' | 'clock' | 'log'>;
  readonly access: InspectorAccess;
  readonly trustProxy: boolean;
}

/** A request that is answered with an error. */
class InspectorError extends Error {
  override readonly name = 'InspectorError';
  constructor(
    readonly status: 401 | 403 | 429 | 503,
    readonly code: string,
    text: string,
  ) {
    super(text);
  }
}

/** Headers of all answers: other sites can neither embed nor read them, and nothing is loaded from other sites. */
const guardHeaders = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
};

const fileAnswerOf = (type: string, text: string): Observable<RouteAnswer> =>
  of({ status: 200, contentType: `text/${type}; charset=utf-8`, text, headers: guardHeaders });

const jsonAnswerOf = (status: number, value: unknown, headers: Record<string, string> = {}): RouteAnswer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  text: JSON.stringify(value),
  headers: { ...guardHeaders, ...headers },
});

const extraHeadersOf = (status: number): Record<string, string> => {
  if (status === 401) return { 'WWW-Authenticate': 'Bearer realm="tidemark inspector"' };
  return status === 429 || status === 503 ? { 'Retry-After': '1' } : {};
};

const loopbackPattern = /^(?:::ffff:)?127\.|^::1$/;
const localHostPattern = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/i;

/**
 * Whether a program or page of this machine sends the request. The name of the host is checked too: otherwise a page of
 * another site could have its name resolved to this machine, and read the answer.
 */
const isLocal = ({ headers, remoteAddress }: RouteRequest): boolean =>
  loopbackPattern.test(remoteAddress) && !isForwarded(headers) && localHostPattern.test(String(headers['host']));

const tokenOf = ({ headers }: RouteRequest): string => {
  const [, token] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? [];
  if (token !== undefined) return token;
  throw new InspectorError(401, 'token-missing', 'Enter an access token of this server.');
};

/** Turns an error of `authenticate` into an answer. */
const toTokenError = ({ core, options }: InspectorPorts, thrown: unknown): InspectorError => {
  if (!(thrown instanceof TokenRejectedError)) {
    options.log(createFailedEvent(null, thrown));
    return new InspectorError(
      503,
      'not-checked',
      'The token could not be checked. The log of the server has the reason.',
    );
  }
  if (thrown.code !== 'token-expired') core.logInvalidToken(thrown.code);
  return new InspectorError(401, thrown.code, `${thrown.message} Enter another access token.`);
};

/** Emits the visitor of a request once. Errors with an `InspectorError`. */
const createAdmission = (ports: InspectorPorts): ((request: RouteRequest) => Observable<Visitor>) => {
  const { options, access } = ports;
  const visit = createVisitors(options);
  const admitLocal = (request: RouteRequest): Observable<Visitor> => {
    if (isLocal(request)) return visit('');
    throw new InspectorError(
      403,
      'not-local',
      'This server checks no tokens, so the inspector is for this machine only. Open it as http://localhost.',
    );
  };
  const checkUser = ({ user }: Visitor): void => {
    if (access.users !== null && !access.users.includes(user.id))
      throw new InspectorError(403, 'user-not-listed', 'The user of this token may not use the inspector.');
  };
  return (request) =>
    defer(() =>
      options.authenticate === allowAnyone
        ? admitLocal(request)
        : visit(tokenOf(request)).pipe(
            catchError((thrown: unknown) => throwError(() => toTokenError(ports, thrown))),
            map((visitor) => {
              checkUser(visitor);
              return visitor;
            }),
          ),
    );
};

/** Limits the requests of an address, and those that wait at once. */
const createRequestLimit = ({ options: { clock }, trustProxy }: InspectorPorts) => {
  const { inspectorRequestsPerSecondMax, inspectorRequestsAtOnceMax } = serverLimits;
  const mayRequest = createAddressRates(inspectorRequestsPerSecondMax, clock.now);
  let waiting = 0;
  return <A>({ headers, remoteAddress }: RouteRequest, answer$: Observable<A>): Observable<A> =>
    defer(() => {
      if (!mayRequest(clientAddressOf({ headers, socket: { remoteAddress } }, trustProxy)))
        throw new InspectorError(429, 'too-many-requests', 'Too many requests came from this address. Wait a second.');
      if (waiting >= inspectorRequestsAtOnceMax)
        throw new InspectorError(503, 'busy', 'Too many requests are waiting. Try again in a second.');
      waiting += 1;
      return answer$.pipe(finalize(() => (waiting -= 1)));
    });
};

/**
 * Creates the routes of the inspector: a page without data, and its data for users with a token. The data is that of
 * realms that `authorize` lets the user read.
 */
export const createInspectorRoutes = (ports: InspectorPorts): Routes => {
  const { core, options, access } = ports;
  const takeSnapshot = createServerSnapshots(core.connections, options.clock);
  const admit = createAdmission(ports);
  const limit = createRequestLimit(ports);
  const isOpen = options.authenticate === allowAnyone;

  const readState = ({ user, readableOf }: Visitor): Observable<RouteAnswer> => {
    const snapshot = takeSnapshot();
    const { items, more } = candidatesOf(snapshot);
    const reader = { user: isOpen ? null : user.id, seesUsers: isOpen || access.users !== null };
    return readableOf(items).pipe(
      map((readable) => jsonAnswerOf(200, toVisibleState(snapshot, { ...reader, readable }, more))),
    );
  };
  const toErrorAnswer = (thrown: unknown): Observable<RouteAnswer> => {
    if (!(thrown instanceof InspectorError)) throw thrown;
    const { status, code } = thrown;
    return of(jsonAnswerOf(status, { code, text: messageOf(thrown) }, extraHeadersOf(status)));
  };

  return (request) => {
    switch (request.path) {
      case '/inspector':
        return fileAnswerOf('html', pageHtml);
      case '/inspector/page.css':
        return fileAnswerOf('css', pageStyle);
      case '/inspector/page.js':
        return fileAnswerOf('javascript', pageScript);
      case '/inspector/state':
        return limit(request, admit(request).pipe(switchMap(readState))).pipe(catchError(toErrorAnswer));
      default:
        return null;
    }
  };
};
