import { firstValueFrom, of } from 'rxjs';
import { fakeSession, status } from '../../lib/testing/index.js';

describe('a status for a test', () => {
  it('field report F-6: is made from the parts that the test is about', async () => {
    expect(status()).toEqual(fakeSession().status);
    const made = status({ sync: 'paused', connection: 'connected', pending: { changesets: 3 }, lastSyncedAt: 5 });
    expect(made).toEqual({
      sync: 'paused',
      connection: { state: 'connected', since: 0, roundTripMs: null },
      pending: { changesets: 3, bytes: 0 },
      downloaded: { version: 0, behind: null },
      lastSyncedAt: 5,
      stalledSince: null,
    });
    const reason = { kind: 'logged-out' } as const;
    const connection = { state: 'disconnected', reason, attempt: 0, retryAt: null } as const;
    expect(status({ connection }).connection).toBe(connection);
    const session = fakeSession({ status$: of(made) });
    expect(await firstValueFrom(session.syncState$)).toBe('paused');
  });

  it('field report F-6: rejects parts that a status does not have', () => {
    expect(() => status({ conection: 'connected' } as never)).toThrow('parts');
    expect(() => status({ pending: { changeset: 1 } } as never)).toThrow(
      'parts.pending must be a record with only the names changesets, bytes',
    );
    expect(() => status({ downloaded: { behnd: 1 } } as never)).toThrow(
      'parts.downloaded must be a record with only the names version',
    );
    for (const connection of ['online', 'toString', {}, { state: 'on' }, null])
      expect(() => status({ connection } as never)).toThrow(
        'parts.connection must be disconnected, connecting, connected',
      );
  });
});
