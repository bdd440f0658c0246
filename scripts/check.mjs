// `npm run check`: everything that must hold before a commit, without the minutes-long crash tests. Goes on
// after a failure, so that one run shows all there is to mend.

import { setup } from "./setup.mjs";
import { run } from "./support/repository.mjs";

setup({ tools: true });

const steps = [
  ["format and lint", "lint"],
  ["types", "types"],
  ["import direction", "direction"],
  ["dead code", "deadcode"],
  ["contract: lint", "proto:lint"],
  ["contract: format", "proto:format"],
  ["contract: no breaking change", "proto:breaking"],
  ["generated code is current", "proto:current"],
  ["settings in the README are current", "settings:current"],
  ["tests", "test", "--", "--quick"],
];

const failed = [];
for (const [name, ...script] of steps) {
  const started = performance.now();
  const { status, stdout, stderr } = run("npm", ["run", "--silent", ...script], {
    output: "captured",
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${status === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
  if (status === 0) continue;
  failed.push(name);
  process.stdout.write(stdout + stderr);
}

if (failed.length > 0) {
  console.error(`\n${failed.length} of ${steps.length} failed: ${failed.join(", ")}.`);
  process.exit(1);
}
console.log(`\nAll ${steps.length} hold.`);
