// Fails when the committed generated code is not what proto/ generates. Needs no git and changes nothing.

import { differences, generate } from "./generate.mjs";

const files = generate();
const changes = differences(files);
for (const { path, kind } of changes) console.error(`${kind}: ${path}`);
if (changes.length > 0) {
  console.error("Run `npm run proto` and commit the result with the proto change.");
  process.exit(1);
}
console.log(`${files.size} generated files are current.`);
