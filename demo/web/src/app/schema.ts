/** The object types of the board. The program that serves the page writes the first tasks with it. */
export const schema = {
  Task: {
    primaryKey: 'id',
    properties: {
      id: 'string',
      title: 'string',
      /** One of the ids of `columns`. */
      column: 'string',
      /** When the task came into its column, milliseconds since the epoch. A column has its latest task on top. */
      movedAt: 'int',
      /** A counter, so that the votes of two devices add up, also when both were offline. */
      votes: 'counter',
    },
  },
} as const;
