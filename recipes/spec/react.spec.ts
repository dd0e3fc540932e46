import { jest } from '@jest/globals';
import {
  Component,
  createElement,
  type FunctionComponent,
  type ReactNode,
  startTransition,
  StrictMode,
  Suspense,
  use,
  useLayoutEffect,
} from 'react';
import { flushSync } from 'react-dom';
import { createRoot, hydrateRoot, type Root } from 'react-dom/client';
import { renderToString } from 'react-dom/server.node';
import { TaskList } from '../react/task-list';
import { useStream } from '../react/use-stream';
import { until } from '../../angular/spec/until';
import { milk } from './realm-world';
import { describeRecipe, shown, useWorld } from './recipe-contract';

const mount = (node: ReactNode, root: HTMLElement) => {
  const app = createRoot(root);
  flushSync(() => app.render(node));
  return () => flushSync(() => app.unmount());
};
describeRecipe('the React recipe', ({ realm }, root) => mount(createElement(TaskList, { realm }), root));
describeRecipe('the React recipe in StrictMode', ({ realm }, root) =>
  mount(createElement(StrictMode, null, createElement(TaskList, { realm })), root),
);

describe('the React recipe', () => {
  const context = useWorld();
  let app: Root;
  let errors: jest.SpiedFunction<typeof console.error>;
  beforeEach(() => {
    app = createRoot(context.root);
    errors = jest.spyOn(console, 'error').mockImplementation(() => undefined);
  });
  afterEach(() => {
    app.unmount();
    errors.mockRestore();
  });
  const titlesOf = () =>
    useStream(() => context.world.realm.objects$('Task'), [], [])
      .map(({ title }) => title)
      .join();

  it('renders again only for a change', async () => {
    const rendered: string[] = [];
    const Titles = () => {
      rendered.push(titlesOf());
      return null;
    };
    app.render(createElement(Titles));
    await until(() => rendered.length === 1);
    await context.world.other.write((tx) => tx.update('Task', milk.id, { title: 'Buy oat milk' }));
    await until(() => rendered.length === 2);
    expect(rendered).toEqual(['Bake bread,Buy milk', 'Bake bread,Buy oat milk']);
    expect(context.world.counts.objects.total).toBe(1);
    expect(errors).not.toHaveBeenCalled();
  });

  it('subscribes once for each query', async () => {
    app.render(createElement(TaskList, { realm: context.world.realm }));
    await until(() => shown().endsWith('Buy milk'));
    document.querySelector('input')!.click();
    await until(() => shown().endsWith('Bake bread'));
    const { objects } = context.world.counts;
    expect([objects.present, objects.total]).toEqual([1, 2]);
  });

  it('never shows two states at once, also when objects change during a long rendering', async () => {
    const commits: string[][] = [];
    const Slow = () => {
      const end = performance.now() + 4;
      while (performance.now() < end);
      return createElement('i', null, titlesOf());
    };
    const Page = () => {
      useLayoutEffect(() => void commits.push([...document.querySelectorAll('i')].map((each) => each.innerHTML)));
      return Array.from({ length: 40 }, (_, key) => createElement(Slow, { key }));
    };
    const { objects } = context.world.counts;
    startTransition(() => app.render(createElement(Page)));
    await until(() => objects.total > 5);
    expect(commits).toEqual([]);
    await context.world.realm.write((tx) => tx.update('Task', milk.id, { title: 'Buy oat milk' }));
    await until(() => commits.length > 0);
    expect(commits.map((titles) => [...new Set(titles)])).toEqual([['Bake bread,Buy oat milk']]);
  });

  it('ends the subscription of a rendering that React abandons', async () => {
    const { objects } = context.world.counts;
    const never = new Promise<string>(() => undefined);
    const Suspended: FunctionComponent = () => titlesOf() + use(never);
    app.render(createElement(Suspense, null, createElement(Suspended)));
    await until(() => objects.present > 0);
    app.unmount();
    await until(() => objects.present === 0);
  });

  it('gives the error of a query to the next error boundary', async () => {
    class Boundary extends Component<{ readonly children: ReactNode }, { readonly message: string | null }> {
      override readonly state: { readonly message: string | null } = { message: null };
      static getDerivedStateFromError = ({ message }: Error) => ({ message });
      override render = () => this.state.message ?? this.props.children;
    }
    const Broken = () =>
      useStream(() => context.world.realm.objects$('Tusk' as 'Task'), [], []).map(({ title }) => title);
    app.render(createElement(Boundary, null, createElement(Broken)));
    await until(() => document.body.textContent.includes('Tusk'));
  });

  it('continues the markup of a server, which subscribed to nothing', async () => {
    const { realm, counts } = context.world;
    const node = createElement(TaskList, { realm });
    app.unmount();
    context.root.innerHTML = renderToString(node);
    expect(shown()).toBe('disconnected, 0 unsent');
    expect([counts.objects.total, counts.status.total]).toEqual([0, 0]);
    const recoverable: unknown[] = [];
    app = hydrateRoot(context.root, node, { onRecoverableError: (error) => recoverable.push(error) });
    await until(() => shown() === 'connected, 0 unsent | Buy milk');
    expect(recoverable).toEqual([]);
    expect(errors).not.toHaveBeenCalled();
  });
});
