// `npm run simulate`: the replication protocol through many simulated schedules of crashes, cuts and clocks that go wrong. What it
// takes is told in test/simulation/simulate.ts, which runs here as it stands, compiled on the fly.

import "../test/support/typescript.mjs";
import { setup } from "./setup.mjs";

setup({ installOnly: true });
const { main } = await import("../test/simulation/simulate.ts");
process.exitCode = main(process.argv.slice(2));
