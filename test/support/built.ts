// The product as it is built (`npm test` builds before it runs): for tests of processes, which start it as its users do.

import { existsSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The absolute path of a file of the build, as `main.js`. */
export function builtPath(path: string): string {
  const absolute = fileURLToPath(new URL(`../../dist/${path}`, import.meta.url));
  if (!existsSync(absolute)) throw new Error(`There is no ${absolute}; run npm run build first.`);
  return absolute;
}

/** The same as JavaScript writes it after `from`. */
export const builtModule = (path: string): string =>
  JSON.stringify(pathToFileURL(builtPath(path)).href);
