// `npm start`: makes the clone runnable, then serves in this very process, so that signals reach the server
// directly; package.json says `exec` for the same reason, since sh would stay in between and die alone.
// Arguments after `npm start --` go to `forebay serve`.

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";
import { root } from "./support/repository.mjs";

setup();

const entry = join(root, "dist/main.js");
process.argv.splice(1, 1, entry, "serve");
await import(pathToFileURL(entry).href);
