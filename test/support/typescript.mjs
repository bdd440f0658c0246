// Lets a child process of a test run the TypeScript sources as they are: `node --import <this file> program.ts`. Tests that
// kill a process, or put it on a failing disk, then test the same code as all others, never an older build of it.
//
// What a source was compiled to is kept by its content, because a test may start the same program twenty times.

import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { register } from "node:module";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";

// Node loads this file twice: where it is imported, and on the thread that serves the hooks below.
if (isMainThread) register(import.meta.url);

const cache = new URL("../../node_modules/.cache/forebay/typescript/", import.meta.url);

/** A sibling is imported by the name it will have when compiled. */
export async function resolve(specifier, context, next) {
  if (context.parentURL?.endsWith(".ts") && /^\.{1,2}\/.*\.js$/.test(specifier)) {
    return await next(specifier.replace(/\.js$/, ".ts"), context);
  }
  return await next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.endsWith(".ts")) return await next(url, context);
  const text = await readFile(fileURLToPath(url), "utf8");
  const compiled = new URL(
    `${createHash("sha256").update(url).update(text).digest("hex")}.js`,
    cache,
  );
  try {
    return { format: "module", source: await readFile(compiled), shortCircuit: true };
  } catch {
    const source = await compile(url, text);
    await mkdir(cache, { recursive: true });
    // Another process may be at the same: each writes its own file, and the last name wins.
    const own = new URL(`${compiled.href}.${process.pid}`);
    await writeFile(own, source);
    await rename(own, compiled);
    return { format: "module", source, shortCircuit: true };
  }
}

async function compile(url, text) {
  const { default: ts } = await import("typescript");
  const { outputText } = ts.transpileModule(text, {
    fileName: fileURLToPath(url),
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
      inlineSourceMap: true,
    },
  });
  return outputText;
}
