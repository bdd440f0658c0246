// The program of one process of a soak (scripts/soak.mjs): works until its share is done, then drains and says what it found.

import { families } from "./families.js";
import type { SoakEvent, SoakPlan } from "./plan.js";
import { Worker } from "./worker.js";

const progressMs = 100;

const plan: SoakPlan = JSON.parse(process.argv[2] ?? "");
const worker = new Worker(plan);
const tell = (event: SoakEvent): void => {
  process.send?.(event);
};

const { work, end } = await families[plan.family](worker);
const timer = setInterval(
  () => tell({ event: "progress", operations: worker.operations }),
  progressMs,
);
await work();
tell({ event: "progress", operations: worker.operations });
// Only when nothing is killed any more.
await new Promise<void>((resolve) => {
  process.once("message", () => resolve());
});
// The server is there; the connection to it may not be made again yet.
await worker.untilBack();
await end();
clearInterval(timer);
await worker.client.close();
const { ledger, counts } = worker;
tell({
  event: "result",
  result: {
    operations: counts,
    acknowledged: ledger.count("ok"),
    unknown: ledger.count("unknown"),
    violations: ledger.violations,
  },
});
process.disconnect?.();
