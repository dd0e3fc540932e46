/* What the specs import from files that are not TypeScript. vue-tsc and svelte-check check these files themselves. */
declare module '*.vue' {
  import type { Component } from 'vue';
  const component: Component;
  export default component;
}
declare module '*.svelte' {
  import type { Component } from 'svelte';
  import type { TaskRealm } from './schema';
  const component: Component<{ realm: TaskRealm }>;
  export default component;
}
