// The course of most tests here: a cluster under load, one fault for a while, its mending, and the verdict.

import type { Cluster } from "./cluster.js";
import { type Expectation, FaultRun, type RunOptions } from "./fault-run.js";
import type { Fault } from "./faults.js";
import { seed } from "./seed.js";

/** Short, so that a run does not take long; the protocol's other times do not depend on it. */
export const leaseSeconds = 3;
/** For a whole test, with the start of its cluster on a busy machine. */
export const timeout = 180_000;

const warmUpMs = 3_000;
/** Longer than the bound within which a cluster that was mended has to serve. */
const coolDownMs = leaseSeconds * 1_000 + 4_000;

export interface OneFault extends Expectation, Partial<RunOptions> {
  readonly fault: Fault;
  readonly lastsMs: number;
  /** Looks at the cluster before it is mended. */
  readonly before?: (cluster: Cluster) => Promise<void>;
  /** Looks at the cluster when it has been mended for a while. */
  readonly after?: (cluster: Cluster) => Promise<void>;
}

export async function tryFault(course: OneFault): Promise<void> {
  const { fault, lastsMs, before, after, outageMsMax, ...options } = course;
  await FaultRun.use({ seed, leaseSeconds, hasStreams: false, ...options }, async (run) => {
    await run.work(warmUpMs);
    const mend = await fault(run.cluster);
    await run.work(lastsMs);
    await before?.(run.cluster);
    await mend();
    run.mended();
    await run.work(coolDownMs);
    await after?.(run.cluster);
    await run.finish("outageMsMax" in course ? { outageMsMax } : {});
  });
}
