import { computed, createApp, effectScope, ref } from 'vue';
import TaskList from '../vue/task-list.vue';
import { useStream } from '../vue/use-stream';
import { describeRecipe, useWorld } from './recipe-contract';

describeRecipe('the Vue recipe', ({ realm }, root) => {
  const app = createApp(TaskList, { realm });
  app.mount(root);
  return () => app.unmount();
});

describe('the Vue recipe', () => {
  const context = useWorld();

  it('has the result of another query at once, also outside of a component, until its scope is disposed', () => {
    const { realm, counts } = context.world;
    const scope = effectScope();
    const done = ref(false);
    const tasks = scope.run(() => useStream(() => realm.objects$('Task', { where: { done: done.value } }), []))!;
    const all = computed(() => [done.value, ...tasks.value.map(({ title }) => title)]);
    expect(all.value).toEqual([false, 'Buy milk']);
    done.value = true;
    expect(all.value).toEqual([true, 'Bake bread']);
    expect(counts.objects.present).toBe(1);
    scope.stop();
    expect(counts.objects.present).toBe(0);
  });
});
