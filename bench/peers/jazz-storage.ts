import { loadInstalled } from './load-installed.js';

interface Statement {
  readonly run: (parameters: unknown) => unknown;
  readonly all: (parameters: unknown) => unknown;
  readonly get: (parameters: unknown) => unknown;
}
interface Database {
  readonly pragma: (text: string, options?: { simple: boolean }) => unknown;
  readonly prepare: (sql: string) => Statement;
  readonly transaction: (callback: () => unknown) => () => unknown;
  readonly close: () => unknown;
}
interface BetterSqlite {
  readonly default: new (file: string) => Database;
}
interface CojsonStorage {
  readonly getSqliteStorage: (driver: object) => unknown;
}

/** Opens the SQLite storage of Jazz, in WAL mode, with prepared statements. */
export const openJazzStorage = async (file: string): Promise<{ storage: unknown; close: () => void }> => {
  const { default: SqliteDatabase } = await loadInstalled<BetterSqlite>('better-sqlite3');
  const { getSqliteStorage } = await loadInstalled<CojsonStorage>('cojson/dist/storage/index.js');
  const database = new SqliteDatabase(file);
  database.pragma('journal_mode = WAL');
  const statements = new Map<string, Statement>();
  const prepare = (sql: string): Statement => {
    const statement = statements.get(sql) ?? database.prepare(sql);
    statements.set(sql, statement);
    return statement;
  };
  const close = (): void => {
    database.close();
  };
  const storage = getSqliteStorage({
    run: (sql: string, parameters: unknown) => {
      prepare(sql).run(parameters);
    },
    query: (sql: string, parameters: unknown) => prepare(sql).all(parameters),
    get: (sql: string, parameters: unknown) => prepare(sql).get(parameters),
    transaction: (callback: () => unknown) => database.transaction(callback)(),
    closeDb: close,
    getMigrationVersion: () => database.pragma('user_version', { simple: true }),
    saveMigrationVersion: (version: number) => {
      database.pragma(`user_version = ${version}`);
    },
  });
  return { storage, close };
};
