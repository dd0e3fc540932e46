import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readGuidePrograms } from './guide-programs.js';
import { runCommand } from './run-command.js';

/** An Angular app in a folder of its own, made from the programs of the guide. */
export interface GuideApp {
  /** The folder with `index.html` after a build. */
  readonly site: string;
  /** Builds the app for a server at this port. Returns the output of `ng build`. */
  readonly build: (port: number) => string;
  readonly remove: () => void;
}

/** The file that `ng new` writes. It is not in the workspace, because it is no part of this project. */
const mainProgram = `import { bootstrapApplication } from '@angular/platform-browser';
import { App } from './app/app';
import { appConfig } from './app/app.config';

bootstrapApplication(App, appConfig).catch((error: unknown) => console.error(error));
`;

/** Makes the app in an empty folder, with the packed library. Needs a build of the library. */
export const createGuideApp = (root: string): GuideApp => {
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-angular-'));
  cpSync(join(root, 'spec', 'angular', 'workspace'), folder, { recursive: true });
  runCommand(folder, 'npm', 'ci', '--prefer-offline', '--no-audit', '--no-fund');
  const [{ filename }] = JSON.parse(
    runCommand(root, 'npm', 'pack', '--json', '--silent', '--ignore-scripts', '--pack-destination', folder),
  ) as [{ filename: string }];
  const options = ['--prefer-offline', '--no-audit', '--no-fund', '--no-save', '--ignore-scripts'];
  runCommand(folder, 'npm', 'install', ...options, `./${filename}`);
  mkdirSync(join(folder, 'src', 'app'));
  writeFileSync(join(folder, 'src', 'main.ts'), mainProgram);
  return {
    site: join(folder, 'dist', 'browser'),
    build: (port) => {
      for (const { name, text } of readGuidePrograms(root))
        writeFileSync(join(folder, 'src', 'app', name), text.replace('localhost:8787', `localhost:${port}`));
      return runCommand(folder, join(folder, 'node_modules', '.bin', 'ng'), 'build');
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
};
