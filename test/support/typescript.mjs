// Lets a child process of a test run the TypeScript sources as they are: `node --import <this file> program.ts`. Tests that
// kill a process, or put it on a failing disk, then test the same code as all others, never an older build of it.

import { readFile } from "node:fs/promises";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import ts from "typescript";

// Node loads this file twice: where it is imported, and on the thread that serves the hooks below.
if (isMainThread) register(import.meta.url);

/** A sibling is imported by the name it will have when compiled. */
export async function resolve(specifier, context, next) {
  if (context.parentURL?.endsWith(".ts") && /^\.{1,2}\/.*\.js$/.test(specifier)) {
    return await next(specifier.replace(/\.js$/, ".ts"), context);
  }
  return await next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return await next(url, context);
  const { outputText } = ts.transpileModule(await readFile(fileURLToPath(url), "utf8"), {
    fileName: fileURLToPath(url),
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  });
  return { format: "module", source: outputText, shortCircuit: true };
}
