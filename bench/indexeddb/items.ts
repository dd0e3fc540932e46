/** An app with one type, the same on both sides and on the servers. */
export const schema = {
  Item: { primaryKey: 'id', properties: { id: 'string', title: 'string', done: 'bool', n: 'int' } },
} as const;

export interface Item {
  readonly id: string;
  readonly title: string;
  readonly done: boolean;
  readonly n: number;
}

export const createItem = (n: number): Item => ({
  id: `item-${n}`,
  title: `An item to be kept, ${n}`,
  done: n % 2 === 0,
  n,
});
