import '@angular/compiler';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NgModule, provideZonelessChangeDetection } from '@angular/core';
import { TestBed } from '@angular/core/testing';
import { BrowserTestingModule, platformBrowserTesting } from '@angular/platform-browser/testing';
import { readGuidePrograms } from '../../spec/angular/guide-programs.js';

/* Runs the test of the guide, word for word. As `ng test` does, it prepares the TestBed first. */
const here = dirname(fileURLToPath(import.meta.url));
const folder = join(here, '.guide-test');
mkdirSync(folder, { recursive: true });
// A file that is named *.spec.ts would be a spec of this folder, if a run is killed before it removes the file.
for (const { name, text } of readGuidePrograms(join(here, '..', '..')))
  writeFileSync(join(folder, name.replace('app.spec.ts', 'test-of-app.ts')), text);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The default since Angular 21. */
@NgModule({ providers: [provideZonelessChangeDetection()] })
// eslint-disable-next-line @typescript-eslint/no-extraneous-class -- Angular reads its decorator only.
class ZonelessModule {}

TestBed.initTestEnvironment([BrowserTestingModule, ZonelessModule], platformBrowserTesting());
const load = (name: string): Promise<unknown> => import(`./.guide-test/${name}`);
await load('test-of-app');
