/** The objects of the measurements that select some of many. */
export const taskSchema = {
  Task: {
    primaryKey: 'id',
    properties: { id: 'string', title: 'string', list: 'string', owner: 'string', done: 'bool', due: 'double' },
  },
} as const;

/** The properties that filters of the measurements name. */
export const watchedNames = ['list', 'owner', 'done'] as const;

export const taskKeyOf = (index: number): string => `task-${(index * 7_919) % 1_000_003}`;

/** Returns the values of a task, without its key. The tasks of a list are spread over all keys. */
export const taskValuesOf = (index: number, lists: number) => ({
  title: `Buy the thing number ${index}`,
  list: `list-${index % lists}`,
  owner: `user-${index % 997}`,
  done: index % 2 === 0,
  due: 1_700_000_000_000 + index,
});

/** The name of a realm with this many tasks. */
export const realmOf = (tasks: number): string => `tasks-${tasks}`;
