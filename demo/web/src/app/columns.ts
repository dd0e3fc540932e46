export interface Column {
  readonly id: string;
  readonly name: string;
}

/** The columns of the board, from left to right. */
export const columns: readonly Column[] = [
  { id: 'todo', name: 'To do' },
  { id: 'doing', name: 'In progress' },
  { id: 'done', name: 'Done' },
];

/** The column beside another one, or `undefined` at the edge of the board. */
export const columnBeside = (id: string, step: -1 | 1): Column | undefined =>
  columns[columns.findIndex((column) => column.id === id) + step];
