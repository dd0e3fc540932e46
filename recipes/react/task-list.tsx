import { useState } from 'react';
import type { TaskRealm } from '../schema';
import { useStream } from './use-stream';

export const TaskList = ({ realm }: { readonly realm: TaskRealm }) => {
  const [done, setDone] = useState(false);
  const tasks = useStream(() => realm.objects$('Task', { where: { done }, sort: { title: 1 } }), [], [realm, done]);
  const status = useStream(() => realm.session.status$, null, [realm]);
  const finish = (id: string) => realm.write((tx) => tx.update('Task', id, { done: true }));
  return (
    <>
      <p>
        {status?.connection.state ?? 'disconnected'}, {status?.pending.changesets ?? 0} unsent
      </p>
      <label>
        <input type="checkbox" checked={done} onChange={() => setDone(!done)} /> done
      </label>
      <ul>
        {tasks.map(({ id, title }) => (
          <li key={id}>
            <button onClick={() => finish(id)}>{title}</button>
          </li>
        ))}
      </ul>
    </>
  );
};
