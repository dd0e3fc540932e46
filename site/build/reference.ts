import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Application, Converter, ReflectionKind, type TypeDocOptions } from 'typedoc';
import { load, type PluginOptions } from 'typedoc-plugin-markdown';
import type { SidebarItem } from './pages.js';

/** The files that declare the public names, by their entry point. */
const entryPoints: Readonly<Record<string, string>> = {
  tidemark: 'lib/index.ts',
  'tidemark/angular': 'angular/lib/index.ts',
  'tidemark/inspector': 'lib/inspector/index.ts',
  'tidemark/server': 'lib/server/index.ts',
  'tidemark/testing': 'lib/testing/index.ts',
};

const optionsOf = (
  root: string,
  out: string,
  files: readonly string[],
): Partial<TypeDocOptions> & Partial<PluginOptions> => ({
  entryPoints: [...files],
  tsconfig: join(root, 'site', 'tsconfig.reference.json'),
  basePath: root,
  plugin: [load],
  name: 'API reference',
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  excludeExternals: true,
  skipErrorChecking: true,
  logLevel: 'Error',
  githubPages: false,
  out,
  router: 'member',
  entryFileName: 'index',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: 'table',
  indexFormat: 'table',
  expandParameters: true,
  pageTitleTemplates: { index: 'API reference', module: '`{rawName}`', member: '`{rawName}`' },
});

/** TypeDoc names a module by its folder. The site names it as an app imports it. */
const nameModules = (app: Application): void => {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
      const [name] = Object.entries(entryPoints).find(([, file]) => dirname(file) === module.name) ?? [];
      if (name === undefined) throw new Error(`TypeDoc has found a module with the name ${module.name}.`);
      module.name = name;
    }
  });
};

/** The folders of an entry point in the order of the sidebar, with their texts. */
const kinds: Readonly<Record<string, string>> = {
  functions: 'Functions',
  classes: 'Classes',
  interfaces: 'Interfaces',
  'type-aliases': 'Types',
  variables: 'Variables',
};

const readSidebar = (folder: string, entryPoint: string): SidebarItem => ({
  text: entryPoint,
  link: `/api/${entryPoint}/`,
  collapsed: true,
  items: Object.entries(kinds).flatMap(([kind, text]) => {
    const path = join(folder, entryPoint, kind);
    if (!existsSync(path)) return [];
    const names = readdirSync(path).map((name) => name.slice(0, -'.md'.length));
    const items = names.sort().map((name) => ({ text: name, link: `/api/${entryPoint}/${kind}/${name}` }));
    return [{ text, items }];
  }),
});

/** Writes the API reference to a folder of the site's pages, from the comments of the code. Returns its sidebar. */
export const writeReference = async (root: string, out: string): Promise<readonly SidebarItem[]> => {
  const folder = join(out, 'api');
  const files = Object.values(entryPoints).map((file) => join(root, file));
  const app = await Application.bootstrapWithPlugins(optionsOf(root, folder, files));
  nameModules(app);
  const project = await app.convert();
  if (!project) throw new Error('TypeDoc could not read the public names of the library.');
  await app.generateOutputs(project);
  return Object.keys(entryPoints).map((entryPoint) => readSidebar(folder, entryPoint));
};
