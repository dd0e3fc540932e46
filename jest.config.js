import { readTiers } from './scripts/test-tiers.js';

const { fast } = readTiers(import.meta.dirname);

const pathPattern = (path) => `/${path.replaceAll('.', '\\.')}$`;

/** Specs run as ES modules (the scripts of package.json set Node's flag), with the compiler options of the library. */
const project = {
  testEnvironment: 'node',
  roots: ['<rootDir>/lib', '<rootDir>/spec'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^#server/(.*)$': '<rootDir>/lib/server/node/$1.ts',
    '^#storage$': '<rootDir>/lib/storage/node-storage.ts',
    '^tidemark$': '<rootDir>/lib/index.ts',
    '^tidemark/(inspector|server|testing)$': '<rootDir>/lib/$1/index.ts',
  },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', useESM: true }] },
};

/** One project for each tier; scripts/test-tiers.js has the rule. A spec that is new in watch mode is in `node`. */
export default {
  maxWorkers: '100%',
  testTimeout: 30_000, // Applies to hooks too, which build the library and start processes on a busy machine.
  projects: [
    { ...project, displayName: 'fast', testMatch: fast.map((path) => `<rootDir>/${path}`) },
    {
      ...project,
      displayName: 'node',
      testMatch: ['<rootDir>/spec/**/*.spec.ts'],
      testPathIgnorePatterns: ['/node_modules/', '\\.system\\.spec\\.ts$', ...fast.map(pathPattern)],
    },
    { ...project, displayName: 'system', testMatch: ['<rootDir>/spec/**/*.system.spec.ts'] },
  ],
};
