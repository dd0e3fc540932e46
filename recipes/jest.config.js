/** Runs the recipes with the sources of the library. `npm test` in this folder runs them. */
const project = (isServer) => ({
  roots: ['<rootDir>/spec'],
  extensionsToTreatAsEsm: ['.ts', '.tsx', '.svelte', '.vue'],
  moduleFileExtensions: ['ts', 'tsx', 'js', 'mjs', 'cjs', 'json'],
  moduleNameMapper: {
    '^(\\.{1,2}/.*)\\.js$': '$1',
    '^#fp-ts/(.*)$': '<rootDir>/../node_modules/fp-ts/lib/$1.js',
    '^#server/(.*)$': `<rootDir>/../lib/server/${isServer ? 'node' : 'browser'}/$1.ts`,
    '^#storage$': `<rootDir>/../lib/storage/${isServer ? 'node' : 'browser'}-storage.ts`,
    '^rxjs$': '<rootDir>/../node_modules/rxjs/dist/cjs/index.js',
    '^tidemark$': '<rootDir>/../lib/index.ts',
    '^tidemark/server$': '<rootDir>/../lib/server/index.ts',
    '^tidemark/angular$': '<rootDir>/../angular/lib/index.ts',
    '^@angular/core$': '<rootDir>/node_modules/@angular/core/fesm2022/core.mjs',
  },
  transform: {
    'solid/.*\\.tsx$': ['<rootDir>/spec/compile.js', { isServer }],
    '\\.(svelte|vue)$': ['<rootDir>/spec/compile.js', { isServer }],
    '\\.tsx?$': ['ts-jest', { tsconfig: '<rootDir>/tsconfig.json', useESM: true }],
  },
});

export default {
  testTimeout: 30_000,
  projects: [
    {
      ...project(false),
      displayName: 'browser',
      testEnvironment: '<rootDir>/spec/browser-environment.js',
      // Bundlers define them.
      globals: {
        __VUE_OPTIONS_API__: true,
        __VUE_PROD_DEVTOOLS__: false,
        __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: false,
      },
      testEnvironmentOptions: { customExportConditions: ['browser'] },
      testMatch: ['<rootDir>/spec/**/*.spec.ts'],
      testPathIgnorePatterns: ['\\.node\\.spec\\.ts$'],
    },
    {
      ...project(true),
      displayName: 'server',
      testEnvironment: 'node',
      testMatch: ['<rootDir>/spec/**/*.node.spec.ts'],
    },
  ],
};
