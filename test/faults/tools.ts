// Where the programs of a run are, as scripts/faults.mjs left them.

import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** A program of this folder, as it is built. */
export function toolPath(name: string): string {
  const path = fileURLToPath(new URL(`../../dist-tools/test/faults/${name}`, import.meta.url));
  if (!existsSync(path)) throw new Error(`There is no ${path}; run npm run build first.`);
  return path;
}

/** etcd's program. */
export function etcdProgram(): string {
  const program = process.env["ETCD"];
  if (program === undefined) throw new Error("Run this by `npm run test:faults`.");
  return program;
}
