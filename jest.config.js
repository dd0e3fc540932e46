/** Specs run as ES modules (`npm test` sets Node's flag for it), with the same compiler options as the library. */
export default {
  testTimeout: 30_000, // Hooks included, which build and start processes: on a machine with other work, too.
  testEnvironment: 'node',
  maxWorkers: '100%',
  roots: ['<rootDir>/lib', '<rootDir>/spec'],
  testMatch: ['<rootDir>/spec/**/*.spec.ts'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^#storage$': '<rootDir>/lib/storage/node-storage.ts',
    '^tidemark$': '<rootDir>/lib/index.ts',
    '^tidemark/(server|testing)$': '<rootDir>/lib/$1/index.ts',
  },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: 'tsconfig.json', useESM: true }] },
};
