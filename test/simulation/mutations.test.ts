// That the simulator notices: each rule of the protocol is broken in turn, and some schedule must break a promise soon.

import { expect, test } from "vitest";
import { type MutationName, mutationOf, mutations } from "./mutations.js";
import { runSchedule } from "./run.js";
import { runOptions } from "./simulate.js";

/** Where the seeds begin, so that finding the one that shows it takes no longer than it must. */
const startAt: Partial<Record<MutationName, number>> = {};
const scheduleCountMax = 400;

for (const name of Object.keys(mutations) as MutationName[]) {
  test(`the simulator notices ${name}`, () => {
    const options = runOptions(mutationOf(name));
    const from = startAt[name] ?? 1;
    for (let seed = from; seed < from + scheduleCountMax; seed += 1) {
      if (runSchedule(seed, options).kind === "violation") return;
    }
    expect.fail(`Nothing was noticed in ${scheduleCountMax} schedules.`);
  });
}
