import babel from '@babel/core';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import solid from 'babel-preset-solid';
import typescript from '@babel/preset-typescript';
import { compile as compileSvelte } from 'svelte/compiler';
import ts from 'typescript';
import { compileScript, parse } from 'vue/compiler-sfc';

/* Compiles the components of the recipes as the plugins of Vite do, for a browser or for a server. */
const own = readFileSync(fileURLToPath(import.meta.url), 'utf8');

const compilers = {
  '.svelte': (source, filename, isServer) => {
    const { js, warnings } = compileSvelte(source, { filename, generate: isServer ? 'server' : 'client', dev: true });
    if (warnings.length > 0) throw new Error(warnings.map(({ message }) => message).join('\n'));
    return js.code;
  },
  '.vue': (source, filename, isServer) => {
    const { descriptor, errors } = parse(source, { filename });
    if (errors.length > 0) throw errors[0];
    const templateOptions = { ssr: isServer, ssrCssVars: [] };
    const { content } = compileScript(descriptor, { id: 'recipe', inlineTemplate: true, templateOptions });
    const compilerOptions = {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
    };
    return ts.transpileModule(content, { compilerOptions }).outputText;
  },
  '.tsx': (source, filename, isServer) => {
    const presets = [[solid, { generate: isServer ? 'ssr' : 'dom', hydratable: true }], typescript];
    return babel.transformSync(source, { filename, presets, babelrc: false, configFile: false }).code;
  },
};

export default {
  createTransformer: ({ isServer }) => ({
    getCacheKey: (source, filename) => createHash('sha1').update(`${own}${source}${filename}${isServer}`).digest('hex'),
    process: (source, filename) => {
      const [, compile] = Object.entries(compilers).find(([ending]) => filename.endsWith(ending));
      return { code: compile(source, filename, isServer) };
    },
  }),
};
