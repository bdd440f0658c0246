// Rewrites the table of settings in README.md, between its two markers, from the table in the code, so that the two cannot
// disagree. With --check it changes nothing and fails if they do. Needs the build (`npm run build`).

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./support/repository.mjs";

const begin = "<!-- settings:begin, written by scripts/settings-table.mjs -->";
const end = "<!-- settings:end -->";

const { settingsTable } = await import(pathToFileURL(join(root, "dist/config.js")).href);
const path = join(root, "README.md");
const text = readFileSync(path, "utf8");
const from = text.indexOf(begin);
const to = text.indexOf(end);
if (from < 0 || to < from) {
  console.error(`README.md lacks the lines\n${begin}\n${end}`);
  process.exit(1);
}
const current = `${text.slice(0, from + begin.length)}\n\n${settingsTable()}\n\n${text.slice(to)}`;
if (current === text) process.exit(0);
if (process.argv.includes("--check")) {
  console.error(
    "README.md: the table of settings is out of date; run node scripts/settings-table.mjs",
  );
  process.exit(1);
}
writeFileSync(path, current);
