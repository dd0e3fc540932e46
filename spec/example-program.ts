import ts from 'typescript';

/**
 * Compiles the text of a program to the body of an asynchronous function with the parameters `modules`, `console`,
 * `fetch` and `runStep`. The function logs each value together with the comment beside it, and runs the steps of the
 * given comments.
 */
export const toProgramBody = (text: string, comments: readonly string[]): string => {
  const runnable = text
    .replace(/^( *)console\.log\((.*)\); \/\/ (.*)$/gm, '$1console.log($2, ($3));')
    .replace(/^\/\/ (.*)$/gm, (line, comment: string) =>
      comments.includes(comment) ? `await runStep(${JSON.stringify(comment)});` : line,
    );
  const { outputText } = ts.transpileModule(runnable, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  });
  return outputText.replace(/^import (\{[^}]*\}) from ('[^']*');$/gm, 'const $1 = modules[$2];');
};
