import { EMPTY, lastValueFrom, of, toArray } from 'rxjs';
import { decodeScopes, encodeScopes, type ScopeRecord } from '../../../lib/server/scope/scope-records.js';
import { checkScope } from '../../../lib/server/scope/scope.js';
import type { EnteredScope } from '../../../lib/server/scope/user-scopes.js';
import { UserScopes } from '../../../lib/server/scope/user-scopes.js';
import { decodeValue } from '../../../lib/model/msgpack.js';
import { serverLimits } from '../../../lib/server/server-limits.js';
import { memoryStorage } from '../../../lib/storage/memory.js';
import { openTeam } from '../history/indexed-history.js';
import type { VisibleObjects } from '../../../lib/server/index.js';

/** The scopes of one user, over a history that a spec moves. */
const createUser = () => {
  let stored: readonly ScopeRecord[] = [];
  let drawn = 0;
  const log = { head: 0, floor: 0 };
  const history = {
    log,
    readScopes: () => of(stored),
    writeScopes: (_: string, records: readonly ScopeRecord[]) => {
      const decoded = decodeValue(encodeScopes(records));
      stored = decodeScopes('scopes', 'right' in decoded ? decoded.right : undefined);
      return EMPTY;
    },
  };
  const open = () => new UserScopes(history as never, { random: () => (drawn = (drawn + 0.618034) % 1) });
  let scopes = open();
  return {
    log,
    stored: () => stored,
    restart: () => (scopes = open()),
    enter: (visible: VisibleObjects, id: string | null = null, downloadedTo = 0): EnteredScope => {
      let entered: EnteredScope | undefined;
      scopes.enter('ann', checkScope(visible, null), { id, downloadedTo }).subscribe((each) => (entered = each));
      if (entered === undefined) throw new Error('no scope');
      return entered;
    },
    forget: (id: string | null) => scopes.forget('ann', id).subscribe(),
  };
};

const inTeam = (team: string): VisibleObjects => ({ Task: { team } });

describe('the scopes of a user', () => {
  it('are one object for all sessions with the same scope', () => {
    const { enter } = createUser();
    const { scope } = enter(inTeam('x'));
    expect(enter(inTeam('x')).scope).toBe(scope);
  });

  it('are kept as long as the history has what follows them', () => {
    const { log, stored, enter } = createUser();
    const id = enter(inTeam('x')).scope?.id ?? '';
    log.head = 5;
    enter(inTeam('y'));
    log.floor = 5;
    expect(enter(inTeam('z'), id, 5).stored?.id).toBe(id);
    log.floor = 6;
    expect(enter(inTeam('w'), id, 5).stored).toBeNull();
    expect(stored().map(({ until }) => until)).toEqual([null]);
  });

  it('are limited in number and in bytes, and the present one is always kept', () => {
    const { stored, enter } = createUser();
    const { scopesPerUserMax, scopesBytesMax } = serverLimits;
    for (let at = 0; at < 2 * scopesPerUserMax; at += 1) enter(inTeam(String(at)));
    expect(stored()).toHaveLength(scopesPerUserMax);
    const large: VisibleObjects = Object.fromEntries(
      Array.from({ length: 6 }, (_, at) => [`T${at}`, { team: 'x'.repeat(scopesBytesMax / 5) }]),
    );
    enter(large);
    expect(stored()).toHaveLength(1);
    enter(inTeam('x'));
    expect(stored()).toHaveLength(1);
  });

  it('have an id for everything, when a device that saw everything has lost an object', () => {
    const { log, stored, enter, forget, restart } = createUser();
    expect(enter(true)).toEqual({ scope: null, stored: null });
    expect(stored()).toEqual([]);
    enter(inTeam('y'));
    forget(null);
    restart();
    for (let at = 0; at < 2 * serverLimits.scopesPerUserMax; at += 1) enter(inTeam(String(at)));
    Object.assign(log, { head: 9, floor: 9 });
    enter(inTeam('y'));
    const { scope } = enter(true);
    expect(scope?.hasState({ type: 'Any', key: 'k' }, {} as never)).toBe(false);
    expect(enter(true).scope?.id).toBe(scope?.id);
    expect(enter(true, scope?.id ?? '', 9).stored?.id).toBe(scope?.id);
  });

  it('are removed from the storage with the last one', async () => {
    const storage = memoryStorage();
    const history = await openTeam(storage);
    const keys = async (): Promise<readonly string[]> =>
      (await lastValueFrom(storage.range({ from: '', to: '~', limit: 1_000, bytesMax: 1_000_000 }).pipe(toArray())))
        .flat()
        .flatMap(([key]) => (key.includes('scopes') ? [key] : []));
    const scopes = new UserScopes(history, { random: () => 0.5 });
    const entered$ = scopes.enter('ann', checkScope(inTeam('x'), null), { id: null, downloadedTo: 0 });
    const { scope } = await lastValueFrom(entered$);
    expect(await keys()).toHaveLength(1);
    await lastValueFrom(scopes.forget('ann', scope?.id ?? ''), { defaultValue: null });
    expect(await keys()).toEqual([]);
  });
});
