// That the simulator notices: each rule of the protocol is broken in turn, and some schedule must break a promise soon.

import { expect, test } from "vitest";
import { type MutationName, mutationOf, mutations } from "./mutations.js";
import { runSchedule } from "./run.js";
import { runOptions } from "./simulate.js";

/** A little before a seed that shows it, where that takes long from the first; any other would do later. */
const startAt: Partial<Record<MutationName, number>> = {
  "old-epochs-not-fenced": 135,
  "applied-records-truncated": 130,
  "epochs-not-compared": 20,
  "copy-without-its-log": 80,
  "lease-not-checked": 30,
  "forgotten-epochs-trusted": 45,
};
const scheduleCountMax = 400;
/** Far more than that takes: machines that test are busy. */
const timeoutMs = 300_000;

for (const name of Object.keys(mutations) as MutationName[]) {
  test(
    `the simulator notices ${name}`,
    () => {
      const options = runOptions(mutationOf(name));
      const from = startAt[name] ?? 1;
      for (let seed = from; seed < from + scheduleCountMax; seed += 1) {
        if (runSchedule(seed, options).kind === "violation") return;
      }
      expect.fail(`Nothing was noticed in ${scheduleCountMax} schedules.`);
    },
    timeoutMs,
  );
}
