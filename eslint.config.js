import { existsSync } from 'node:fs';
import prettier from 'eslint-config-prettier';
import rxjsX from 'eslint-plugin-rxjs-x';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'site/dist/',
      'demo/web/dist/',
      'site/.build/',
      'site/.pages/',
      'site/.cache/',
      '.tools/',
      '**/node_modules/',
      'coverage/',
      'angular/spec/.guide/',
    ],
  },
  // Rules about types need the packages of angular/, which `npm run build` installs, and of site/ (`npm run docs`).
  ...(existsSync('angular/node_modules') ? [] : [{ ignores: ['angular/'] }]),
  ...(existsSync('site/node_modules') ? [] : [{ ignores: ['site/'] }]),
  // The same holds for the task board, whose packages `npm run demo -- --web` installs.
  ...(existsSync('demo/web/node_modules/tidemark') ? [] : [{ ignores: ['demo/web/'] }]),
  // Those of recipes/ are installed by spec/site/recipes.system.spec.ts.
  ...(existsSync('recipes/node_modules') ? [] : [{ ignores: ['recipes/'] }]),
  {
    files: ['**/*.ts', '**/*.tsx'],
    extends: [...tseslint.configs.strictTypeChecked, ...tseslint.configs.stylisticTypeChecked, rxjsX.configs.strict],
    languageOptions: {
      parserOptions: {
        project: ['.', 'angular', 'site', 'demo/web', 'recipes', 'recipes/solid'].map(
          (folder) => `./${folder}/tsconfig.json`,
        ),
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      'max-lines': ['error', { max: 300, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/consistent-type-definitions': 'off',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'rxjs-x/finnish': 'off',
      // A stream that promised a value and has none is a defect: `EmptyError` says so, and a default would hide it.
      'rxjs-x/no-ignored-default-value': 'off',
      'rxjs-x/no-sharereplay': ['error', { allowConfig: false }],
      'rxjs-x/no-ignored-subscription': 'error',
      'rxjs-x/no-ignored-subscribe': 'error',
      // What was caught as unknown may go on as what it was.
      'rxjs-x/throw-error': ['error', { allowThrowingAny: false, allowThrowingUnknown: true }],
      'rxjs-x/prefer-observer': 'off',
      'rxjs-x/no-misused-observables': 'off',
    },
  },
  {
    files: [
      'spec/**/*.ts',
      '{angular,recipes}/spec/**/*.ts',
      'demo/**/*.ts',
      'bench/**/*.ts',
      'fuzz/**/*.ts',
      'sim/**/*.ts',
    ],
    rules: {
      'max-lines-per-function': 'off',
      // An error that a spec has no handler for fails the run, which is what it should do.
      'rxjs-x/no-ignored-error': 'off',
      'rxjs-x/no-ignored-subscribe': 'off',
      'rxjs-x/no-ignored-subscription': 'off',
      'rxjs-x/no-nested-subscribe': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
  {
    files: ['angular/**/*.ts'],
    // Injectors of Angular are instances of classes that it does not export.
    rules: { '@typescript-eslint/no-unsafe-class-instance-assignment': 'off' },
  },
  {
    files: ['recipes/**/*.{ts,tsx}'],
    rules: {
      // Recipes are short. RxJS reports an error without a handler as an uncaught error, which is what an app wants.
      'rxjs-x/no-ignored-error': 'off',
      'rxjs-x/no-implicit-any-catch': 'off',
      // React and Solid take event handlers that return promises.
      '@typescript-eslint/no-misused-promises': ['error', { checksVoidReturn: { attributes: false } }],
    },
  },
  prettier,
);
