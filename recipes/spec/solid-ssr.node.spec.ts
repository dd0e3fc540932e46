import { createComponent, renderToString } from 'solid-js/web';
import { TaskList } from '../solid/task-list';
import { expectServerMarkup } from './server-markup';

it('on a server the recipe of Solid renders the first values, and subscribes to nothing', () =>
  expectServerMarkup(({ realm }) => renderToString(() => createComponent(TaskList, { realm }))));
