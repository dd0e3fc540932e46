/** Specs of the bindings, with the sources of the library. `npm test` in this folder runs them. */
const project = {
  roots: ['<rootDir>/spec'],
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^#server/(.*)$': '<rootDir>/../lib/server/node/$1.ts',
    '^#storage$': '<rootDir>/../lib/storage/node-storage.ts',
    '^tidemark$': '<rootDir>/../lib/index.ts',
    '^tidemark/(server|testing)$': '<rootDir>/../lib/$1/index.ts',
    '^tidemark/angular$': '<rootDir>/lib/index.ts',
  },
  transform: { '^.+\\.ts$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.json', useESM: true }] },
};

export default {
  testTimeout: 30_000,
  projects: [
    {
      ...project,
      displayName: 'browser',
      testEnvironment: '<rootDir>/spec/browser-environment.js',
      testEnvironmentOptions: { customExportConditions: ['node', 'node-addons'] },
      testMatch: ['<rootDir>/spec/**/*.spec.ts'],
      testPathIgnorePatterns: ['\\.node\\.spec\\.ts$'],
    },
    { ...project, displayName: 'node', testEnvironment: 'node', testMatch: ['<rootDir>/spec/**/*.node.spec.ts'] },
  ],
};
