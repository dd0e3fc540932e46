import type { Theme } from 'vitepress';
import DefaultTheme from 'vitepress/theme';
import ExampleBlock from './components/ExampleBlock.vue';
import SiteLayout from './components/SiteLayout.vue';
import './style.css';
import './playground.css';

export default {
  extends: DefaultTheme,
  Layout: SiteLayout,
  enhanceApp: ({ app }) => {
    app.component('ExampleBlock', ExampleBlock);
  },
} satisfies Theme;
