import { createComponent, render } from 'solid-js/web';
import { createMemo, createRoot, createSignal } from 'solid-js';
import { fromStream } from '../solid/from-stream';
import { TaskList } from '../solid/task-list';
import { describeRecipe, useWorld } from './recipe-contract';

describeRecipe('the Solid recipe', ({ realm }, root) => render(() => createComponent(TaskList, { realm }), root));

describe('the Solid recipe', () => {
  const context = useWorld();

  it('has the result of another query at once, until its owner is disposed', () => {
    const { realm, counts } = context.world;
    const [done, setDone] = createSignal(false);
    const { all, dispose } = createRoot((dispose) => {
      const tasks = fromStream(() => realm.objects$('Task', { where: { done: done() } }), []);
      return { dispose, all: createMemo(() => [done(), ...tasks().map(({ title }) => title)]) };
    });
    expect(all()).toEqual([false, 'Buy milk']);
    setDone(true);
    expect(all()).toEqual([true, 'Bake bread']);
    expect(counts.objects.present).toBe(1);
    dispose();
    expect(counts.objects.present).toBe(0);
  });
});
