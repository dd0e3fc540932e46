import { existsSync, readFileSync } from 'node:fs';
import { createImportReader, readSpecs, readTiers, slowSpecs, tierOf, type Tier } from '../scripts/test-tiers.js';

const root = process.cwd();
const tiers = readTiers(root);
const readImports = createImportReader(root);

describe('test tiers', () => {
  it('have each spec once', () => {
    const all = Object.values(tiers).flat();
    expect(all.sort()).toEqual(readSpecs(root));
  });

  it('give every spec that drives a browser the ending .system.spec.ts', () => {
    const needBrowser = readSpecs(root).filter((spec) => readImports(spec).includes('playwright-core'));
    expect(needBrowser.length).toBeGreaterThan(0);
    expect(needBrowser.filter((spec) => !tiers.system.includes(spec))).toEqual([]);
  });

  it('give every spec that starts an installed program the ending .system.spec.ts', () => {
    // Every Unix has mkfifo; ps is for a Unix without /proc.
    const starts = /\b(?:spawn|spawnSync|execFile|execFileSync|exec|execSync)\(\s*['"`](?!mkfifo\b|ps\b)/;
    const startsProgram = (file: string): boolean => file.endsWith('.ts') && starts.test(readFileSync(file, 'utf8'));
    const needProgram = readSpecs(root).filter((spec) => [spec, ...readImports(spec)].some(startsProgram));
    expect(needProgram).toContain('spec/cli/nginx.system.spec.ts');
    expect(needProgram.filter((spec) => !tiers.system.includes(spec))).toEqual([]);
  });

  it('keep servers that listen out of the fast tier', () => {
    expect(tiers.fast.filter((spec) => readFileSync(spec, 'utf8').includes('.listen({'))).toEqual([]);
  });

  it('name only specs that exist as slow, and only those that would be fast', () => {
    expect(slowSpecs.filter((spec) => !existsSync(spec))).toEqual([]);
    const outside = slowSpecs.filter((spec) => tierOf(`${spec}.other`, readImports(spec)) !== 'fast');
    expect(outside).toEqual([]);
    expect(new Set(slowSpecs).size).toBe(slowSpecs.length);
  });

  it.each<readonly [string, readonly string[], Tier]>([
    ['spec/a.spec.ts', ['rxjs'], 'fast'],
    ['spec/a.spec.ts', ['node:fs'], 'node'],
    ['spec/a.spec.ts', ['ws'], 'node'],
    ['spec/a.system.spec.ts', ['rxjs'], 'system'],
  ])('put %s with imports %j into %s', (spec, modules, tier) => {
    expect(tierOf(spec, modules)).toBe(tier);
  });
});
