import { until } from '../../angular/spec/until';
import { createWorld, milk, type World } from './realm-world';

/** Renders the component of a recipe synchronously, and returns what removes it. */
export type Mount = (world: World, root: HTMLElement) => () => void;

const textOf = (element: Element | null): string => element?.textContent.replaceAll(/\s+/g, ' ').trim() ?? '';

/** Returns the texts of the component: the status, and the titles. Empty without the component. */
export const shown = (): string =>
  [document.querySelector('p'), ...document.querySelectorAll('li')].map(textOf).join(' | ');
const checkbox = (): HTMLInputElement => document.querySelector<HTMLInputElement>('input[type=checkbox]')!;

/** A world and a place in the page for each spec. The session of the world is connected, and has nothing to upload. */
export const useWorld = () => {
  const context = {} as { world: World; root: HTMLElement };
  beforeEach(async () => {
    context.world = await createWorld();
    const { session } = context.world.realm;
    await until(() => session.connectionState === 'connected' && session.status.pending.changesets === 0);
    context.root = document.createElement('main');
    document.body.replaceChildren(context.root);
  });
  afterEach(() => context.world.close());
  return context;
};

/** Describes the contract of every recipe of a framework. */
export const describeRecipe = (name: string, mount: Mount): void =>
  describe(name, () => {
    const context = useWorld();
    let unmount: () => void;
    beforeEach(() => {
      unmount = mount(context.world, context.root);
    });
    afterEach(() => {
      if (shown() !== '') unmount();
    });

    it('shows objects and status in its first rendering', () => {
      expect(shown()).toBe('connected, 0 unsent | Buy milk');
    });

    it('shows a change of another device, and subscribes once to each stream', async () => {
      await context.world.other.write((tx) => tx.create('Task', { id: 'cat', title: 'Adopt a cat', done: false }));
      await until(() => shown().endsWith('unsent | Adopt a cat | Buy milk'));
      const { objects, status } = context.world.counts;
      expect([objects.present, status.present]).toEqual([1, 1]);
    });

    it('shows that it is offline, how much is unsent, and that it is back', async () => {
      context.world.setOnline(false);
      await until(() => shown().startsWith('disconnected, 0 unsent'));
      document.querySelector('button')!.click();
      await until(() => shown() === 'disconnected, 1 unsent');
      context.world.setOnline(true);
      await until(() => shown() === 'connected, 0 unsent');
      await until(() => context.world.other.get('Task', 'milk')?.done === true);
    });

    it('shows the result of another query, and ends the old one', async () => {
      checkbox().click();
      await until(() => shown().endsWith('unsent | Bake bread'));
      await until(() => context.world.counts.objects.present === 1);
      await context.world.other.write((tx) => tx.update('Task', milk.id, { done: true }));
      await until(() => shown().endsWith('unsent | Bake bread | Buy milk'));
    });

    it('keeps the elements of objects that did not change', async () => {
      const before = document.querySelector('li');
      await context.world.other.write((tx) => tx.create('Task', { id: 'cat', title: 'Adopt a cat', done: false }));
      await until(() => document.querySelectorAll('li').length === 2);
      expect(document.querySelectorAll('li')[1]).toBe(before);
    });

    it('releases its subscriptions when it goes away', async () => {
      const { objects, status } = context.world.counts;
      expect([objects.present, status.present]).toEqual([1, 1]);
      unmount();
      await until(() => objects.present === 0 && status.present === 0);
      expect(shown()).toBe('');
    });

    it('keeps showing the last objects when the realm is closed', async () => {
      await context.world.realm.close();
      expect(shown()).toContain('Buy milk');
    });
  });
