import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.cwd();
const page = readFileSync(join(root, 'docs', 'recipes.md'), 'utf8');
/** The blocks whose fence names a file, such as "```tsx recipes/schema.ts". */
const blocks = [...page.matchAll(/^```\w+ (recipes\/\S+)\n([\s\S]*?)^```$/gm)].map(([, path = '', text = '']) => ({
  path,
  text,
}));
const bindings = ['react/use-stream.ts', 'vue/use-stream.ts', 'svelte/from-stream.ts', 'solid/from-stream.ts'];

describe('docs/recipes.md', () => {
  it('shows every recipe', () => {
    const folders = ['react', 'vue', 'svelte', 'solid', 'ngrx', 'capacitor'];
    const files = folders.flatMap((folder) =>
      readdirSync(join(root, 'recipes', folder))
        .filter((name) => !name.endsWith('.json'))
        .map((name) => `recipes/${folder}/${name}`),
    );
    expect(blocks.map(({ path }) => path).sort()).toEqual([...files, 'recipes/schema.ts'].sort());
  });

  it.each(blocks)('has the text of $path word for word', ({ path, text }) => {
    expect(existsSync(join(root, path)) && text).toBe(readFileSync(join(root, path), 'utf8'));
  });

  it('shows no other code than these files, and sketches', () => {
    const fences = [...page.matchAll(/^```(.+)$/gm)].map(([, fence = '']) => fence);
    expect(fences.filter((fence) => !fence.includes(' recipes/') && fence !== 'ts sketch')).toEqual([]);
  });

  it.each(bindings)('has a binding of at most 30 lines: %s', (path) => {
    const { length } = readFileSync(join(root, 'recipes', path), 'utf8')
      .trimEnd()
      .split('\n');
    expect(length).toBeLessThanOrEqual(30);
  });
});
