import { createSignal, For } from 'solid-js';
import type { TaskRealm } from '../schema';
import { fromStream } from './from-stream';

export const TaskList = (props: { readonly realm: TaskRealm }) => {
  const [done, setDone] = createSignal(false);
  const tasks = fromStream(() => props.realm.objects$('Task', { where: { done: done() }, sort: { title: 1 } }), []);
  const status = fromStream(() => props.realm.session.status$, null);
  const finish = (id: string) => props.realm.write((tx) => tx.update('Task', id, { done: true }));
  return (
    <>
      <p>
        {status()?.connection.state ?? 'disconnected'}, {status()?.pending.changesets ?? 0} unsent
      </p>
      <label>
        <input type="checkbox" checked={done()} onChange={() => setDone(!done())} /> done
      </label>
      <ul>
        <For each={tasks()}>
          {(task) => (
            <li>
              <button onClick={() => finish(task.id)}>{task.title}</button>
            </li>
          )}
        </For>
      </ul>
    </>
  );
};
