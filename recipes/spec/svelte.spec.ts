import { flushSync, mount, unmount } from 'svelte';
import { fromStream } from '../svelte/from-stream';
import TaskList from '../svelte/task-list.svelte';
import { describeRecipe, useWorld } from './recipe-contract';

describeRecipe('the Svelte recipe', ({ realm }, target) => {
  const app = flushSync(() => mount(TaskList, { target, props: { realm } }));
  return () => void unmount(app);
});

describe('the Svelte recipe', () => {
  const context = useWorld();

  it('has the present value outside of an effect, and keeps no subscription', async () => {
    const { realm, counts } = context.world;
    const tasks = fromStream(realm.objects$('Task', { where: { done: true } }), []);
    expect(tasks.current.map(({ title }) => title)).toEqual(['Bake bread']);
    await realm.write((tx) => tx.update('Task', 'milk', { done: true }));
    expect(tasks.current.map(({ title }) => title)).toEqual(['Bake bread', 'Buy milk']);
    expect(counts.objects.present).toBe(0);
  });
});
