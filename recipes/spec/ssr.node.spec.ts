import { createElement } from 'react';
import { renderToString as renderReact } from 'react-dom/server';
import { render as renderSvelte } from 'svelte/server';
import { createSSRApp } from 'vue';
import { renderToString as renderVue } from 'vue/server-renderer';
import { TaskList as ReactList } from '../react/task-list';
import SvelteList from '../svelte/task-list.svelte';
import VueList from '../vue/task-list.vue';
import type { World } from './realm-world';
import { expectServerMarkup } from './server-markup';

describe('on a server', () => {
  it.each<[string, (world: World) => string | Promise<string>]>([
    ['React', ({ realm }) => renderReact(createElement(ReactList, { realm }))],
    ['Vue', ({ realm }) => renderVue(createSSRApp(VueList, { realm }))],
    ['Svelte', ({ realm }) => renderSvelte(SvelteList, { props: { realm } }).body],
  ])('the recipe of %s renders the first values, and subscribes to nothing', (_, render) => expectServerMarkup(render));
});
