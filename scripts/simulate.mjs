// `npm run simulate`: the replication protocol through many simulated schedules of crashes, cuts and clocks that go wrong. What it
// takes is told in test/simulation/simulate.ts, which runs here as it stands, compiled on the fly.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";
import { root } from "./support/repository.mjs";

setup({ installOnly: true });
const loader = pathToFileURL(join(root, "test/support/typescript.mjs")).href;
const program = pathToFileURL(join(root, "test/simulation/simulate.ts")).href;
const { status } = spawnSync(
  process.execPath,
  [
    ...["--import", loader, "--input-type=module", "--eval"],
    `import { main } from ${JSON.stringify(program)}; process.exitCode = main(process.argv.slice(1));`,
    ...["--", ...process.argv.slice(2)],
  ],
  { stdio: "inherit" },
);
process.exitCode = status ?? 1;
