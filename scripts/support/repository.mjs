// What every script of this folder shares: where the repository is, how to list its files, how to run a tool.
// Plain JavaScript without dependencies, so that it runs on a fresh clone, before anything is installed.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The JSON report of the last whole `npm test`. `npm run scenarios` and CI read it. */
export const testResultsPath = join(root, "node_modules/.cache/forebay/test-results.json");

/** The same of the last whole `npm run test:crash`. */
export const crashResultsPath = join(root, "node_modules/.cache/forebay/crash-results.json");

/** The same for a run narrowed by arguments, which says nothing about the rest. */
export const partialTestResultsPath = join(
  root,
  "node_modules/.cache/forebay/test-results.partial.json",
);

/** Every file below a folder, as sorted paths relative to `base`; none if the folder is absent. */
export function filesBelow(folder, base = root) {
  const start = join(base, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(base, join(entry.parentPath, entry.name)))
    .sort();
}

/** Changes when a file is added, removed or written to. Reads no contents, so it costs milliseconds. */
export function fingerprint(paths) {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { size, mtimeMs } = statSync(join(root, path));
    hash.update(`${path}\0${size}\0${mtimeMs}\n`);
  }
  return hash.digest("hex");
}

/** The executable of an installed package, by the name of its command. */
export function binary(name) {
  return join(root, "node_modules/.bin", name);
}

/** Runs a command, in the root unless told otherwise, and waits. Its output is shown, or returned with `output: "captured"`. */
export function run(command, args, { output = "shown", folder = root } = {}) {
  const result = spawnSync(command, args, {
    cwd: folder,
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
    stdio: output === "shown" ? "inherit" : ["ignore", "pipe", "pipe"],
  });
  if (result.error) throw result.error;
  return {
    // A command ended by a signal has failed too.
    status: result.status ?? 1,
    stdout: result.stdout ?? "",
    stderr: result.stderr ?? "",
  };
}
