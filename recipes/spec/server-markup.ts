import { createWorld, type World } from './realm-world';

/** Expects that a component shows the first values, and subscribes to nothing. */
export const expectServerMarkup = async (render: (world: World) => string | Promise<string>): Promise<void> => {
  const world = await createWorld();
  const html = await render(world);
  const { objects, status } = world.counts;
  await world.close();
  expect(html.replaceAll(/<[^>]*>/g, '').replaceAll(/\s+/g, ' ')).toMatch(/^ ?disconnected, 0 unsent ?done ?$/);
  expect([objects.total, status.total]).toEqual([0, 0]);
};
