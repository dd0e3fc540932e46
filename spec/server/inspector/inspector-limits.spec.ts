import ts from 'typescript';
import { NEVER, Subject } from 'rxjs';
import type { Access } from '../../../lib/server/index.js';
import { pageScript } from '../../../lib/server/inspector/page-script.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { createReport, createRoutes, createSessionReport } from './inspector-kit.js';

describe('the state of the inspector', () => {
  it('has rates since the last snapshot, which all readers of a second share', () => {
    const { state, reports, advance, reads } = createRoutes();
    const first = createReport(1, 'ann', [createSessionReport('team', 5, 10)]);
    reports.push(first);
    expect(reads.count).toBe(0);
    expect(state().totals).toMatchObject({ messagesIn: null, bytesIn: null, changesetsIn: null });
    advance(999);
    first.socket.messagesIn += 10;
    first.socket.bytesIn += 2_000;
    expect([state().totals.messagesIn, state('bob').totals.messagesIn, reads.count]).toEqual([null, null, 1]);
    advance(1_001);
    first.sessions = [createSessionReport('team', 10, 30)];
    reports.push(createReport(2, 'bob', [createSessionReport('new', 0, 7)]));
    expect(state()).toMatchObject({
      totals: { messagesIn: 5, messagesOut: 0, bytesIn: 1_000, changesetsIn: 10, connections: 2 },
      realms: {
        items: [
          { name: 'team', changesetsIn: 10, bytesIn: 1_000 },
          { name: 'new', changesetsIn: null },
        ],
      },
    });
    expect(reads.count).toBe(2);
  });

  it('has no rates after a pause without readers, over which they would be means', () => {
    const { state, reports, advance } = createRoutes();
    const one = createReport(1, 'ann', [createSessionReport('team', 5, 10)]);
    reports.push(one);
    state();
    one.socket.messagesIn += 18;
    advance(9_000);
    expect(state().totals.messagesIn).toBe(2);
    advance(10_000);
    expect(state().totals.messagesIn).toBeNull();
    one.socket.messagesIn += 5;
    advance(1_000);
    expect(state().totals.messagesIn).toBe(5);
  });

  it('is bounded, and says how much it left out', () => {
    const asked: string[] = [];
    const { state, reports } = createRoutes({
      authorize: (_, realm): Access => {
        asked.push(realm);
        return 'read';
      },
    });
    for (let connection = 1; connection <= 1_000; connection += 1) {
      const names = Array.from({ length: 50 }, (_, at) => (at === 0 ? `r${connection}` : `shared${at}`));
      reports.push(
        createReport(
          connection,
          'ann',
          names.map((name) => createSessionReport(name)),
        ),
      );
    }
    const { connections, realms, uncheckedRealms, totals } = state();
    // 49 realms of all connections, and those that are left of 500.
    expect([asked.length, uncheckedRealms, totals.realms]).toEqual([500, 549, 500]);
    expect([realms.items.length, realms.more]).toEqual([200, 300]);
    expect([connections.items.length, connections.more]).toEqual([200, 800]);
    for (const { sessions } of connections.items) expect(sessions.items.length).toBe(10);
    expect(JSON.stringify({ connections, realms }).length).toBeLessThan(400_000);
    state();
    expect(asked.length).toBe(500);
  });

  it('shows the connections with most bytes when there are too many', () => {
    const { state, reports } = createRoutes();
    for (let connection = 1; connection <= 300; connection += 1) {
      const report = createReport(connection, 'ann', [createSessionReport('team')]);
      report.socket.bytesIn = connection;
      reports.push(report);
    }
    expect(Math.min(...state().connections.items.map(({ number }) => number ?? 0))).toBe(101);
  });

  it('asks for access again after ten seconds, and shows no realm whose access is not known', () => {
    let access: Access | null = 'read';
    const { state, reports, advance, events } = createRoutes({
      authorize: () => {
        if (access === null) throw new Error('the database of rights is away');
        return access;
      },
    });
    reports.push(createReport(1, 'ann', [createSessionReport('team')]));
    expect(state().totals.realms).toBe(1);
    access = null;
    advance(serverLimits.inspectorAccessMs - 1);
    expect(state().totals.realms).toBe(1);
    advance(1);
    expect(state()).toMatchObject({ totals: { realms: 0, connections: 0 }, connections: { items: [] } });
    expect(events).toMatchObject([{ event: 'failed', realm: 'team', text: 'the database of rights is away' }]);
    access = 'write';
    expect(state().totals.realms).toBe(1);
    access = 'none';
    advance(serverLimits.inspectorAccessMs);
    expect(state().totals.realms).toBe(0);
  });

  it('ends with the token', () => {
    const { answer, advance, invalidTokens } = createRoutes({ authenticate: (id) => ({ id, expiresAt: 5_000 }) });
    expect(answer('ann').present?.status).toBe(200);
    advance(5_000);
    expect(JSON.parse(answer('ann').present?.text ?? '')).toEqual({
      code: 'token-expired',
      text: 'The token has expired. Enter another access token.',
    });
    expect(invalidTokens).toEqual([]);
  });
});

describe('requests to the inspector', () => {
  it('are limited for each address', () => {
    const { answer, advance } = createRoutes();
    const statuses = Array.from({ length: 12 }, () => answer('ann').present?.status);
    expect(statuses).toEqual([...Array<number>(10).fill(200), 429, 429]);
    expect(answer('ann').present?.headers).toMatchObject({ 'Retry-After': '1' });
    expect(answer('ann', '10.0.0.2').present?.status).toBe(200);
    advance(1_000);
    expect(answer('ann').present?.status).toBe(200);
  });

  it('wait for authenticate and authorize in a small number', () => {
    const { answer } = createRoutes({ authenticate: () => NEVER });
    const waiting = Array.from({ length: 40 }, (_, at) => answer('ann', `10.0.1.${at}`).present?.status);
    expect(waiting.filter((status) => status === undefined).length).toBe(serverLimits.inspectorRequestsAtOnceMax);
    expect(waiting.at(-1)).toBe(503);
  });

  it('ask authorize for a few realms at once', () => {
    const asked: Subject<Access>[] = [];
    const { answer, reports } = createRoutes({
      authorize: () => {
        const access = new Subject<Access>();
        asked.push(access);
        return access;
      },
    });
    for (let at = 0; at < 40; at += 1) reports.push(createReport(at, 'ann', [createSessionReport(`r${at}`)]));
    const answered = answer('ann');
    expect(asked.length).toBe(serverLimits.inspectorAccessAtOnceMax);
    for (const access of asked) access.next('read'); // Those that follow are asked meanwhile.
    expect([asked.length, answered.present?.status]).toEqual([40, 200]);
  });
});

describe('the script of the page', () => {
  it('has no type errors', () => {
    const name = '/page.js';
    const options: ts.CompilerOptions = {
      ...{ allowJs: true, checkJs: true, noEmit: true, strict: true, noImplicitAny: false, strictNullChecks: false },
      ...{
        target: ts.ScriptTarget.ES2022,
        lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
        types: [],
      },
    };
    const host = ts.createCompilerHost(options);
    const [getSourceFile, fileExists, readFile] = [
      host.getSourceFile.bind(host),
      host.fileExists.bind(host),
      host.readFile.bind(host),
    ];
    host.getSourceFile = (file, ...rest) =>
      file === name ? ts.createSourceFile(file, pageScript, ts.ScriptTarget.ES2022) : getSourceFile(file, ...rest);
    host.fileExists = (file) => file === name || fileExists(file);
    host.readFile = (file) => (file === name ? pageScript : readFile(file));
    const program = ts.createProgram([name], options, host);
    const messages = ts
      .getPreEmitDiagnostics(program)
      .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
    expect(messages).toEqual([]);
  });
});
