// The benchmark of Forebay: `npm run bench`. Every figure that counts is a ratio to something measured in the same run, in
// turn with it (rounds.ts): a no-op on the same server, an empty queue, one call after another, or RabbitMQ. Server and load
// are processes of their own. A target that is missed is reported as such and is no failure; the exit code is 1 only when
// something broke.
//
//   npm run bench                          everything, about a quarter of an hour, and 15 GB of disk meanwhile
//   npm run bench -- --smoke               everything, small, in two minutes: that it works, not how fast
//   npm run bench -- --only unary,batch    some of it
//   npm run bench -- --only replication    a cluster beside one node: rate, CPU of each node, latency; and a failover
//   npm run bench -- --only catchup        a node that lags behind, and a new one that copies 2 GB while others send
//   npm run bench -- --json bench.json     the same as JSON
//   npm run bench -- --profile             where the server's time goes while it sends
//   npm run bench -- --server other/dist/main.js    another build
//   npm run bench -- --dir /mnt/disk                another disk than that of temporary files
//   npm run bench -- --node-flags=--max-semi-space-size=64

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { cpus, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { BenchContext, Measurement } from "./measurement.js";
import { measureBatching } from "./measures/batching.js";
import { measureCache } from "./measures/cache.js";
import { measureCatchUp } from "./measures/catch-up.js";
import { measureChannels } from "./measures/channels.js";
import { measureDeepQueue } from "./measures/deep-queue.js";
import { measureFanOut, measureFilters } from "./measures/fan-out.js";
import { measureFifoCycle, measureGroups } from "./measures/fifo.js";
import { measureFullCycle } from "./measures/full-cycle.js";
import { measureLatency } from "./measures/latency.js";
import { measureReplication } from "./measures/replication.js";
import { measureScheduled } from "./measures/scheduled.js";
import { batchShape, measureShape, produceShape, unaryShape } from "./measures/sends.js";
import { measureSortedSets } from "./measures/sorted-sets.js";
import { measureTails } from "./measures/tails.js";
import { measureWebhooks } from "./measures/webhooks.js";
import { profileSends } from "./profile/profile.js";
import { jsonOf, type Measured, tableOf } from "./report.js";

const measurements: Readonly<Record<string, Measurement>> = {
  unary: measureShape(unaryShape),
  batch: measureShape(batchShape),
  produce: measureShape(produceShape),
  batching: measureBatching,
  cycle: measureFullCycle,
  deep: measureDeepQueue,
  latency: measureLatency,
  fifo: measureFifoCycle,
  groups: measureGroups,
  scheduled: measureScheduled,
  fanout: measureFanOut,
  filters: measureFilters,
  webhooks: measureWebhooks,
  tails: measureTails,
  cache: measureCache,
  "sorted-sets": measureSortedSets,
  channels: measureChannels,
  replication: measureReplication,
  catchup: measureCatchUp,
};

const builtServer = fileURLToPath(new URL("../../dist/main.js", import.meta.url));

const { values: options } = parseArgs({
  options: {
    smoke: { type: "boolean", default: false },
    profile: { type: "boolean", default: false },
    only: { type: "string", default: "" },
    json: { type: "string" },
    dir: { type: "string", default: tmpdir() },
    "node-flags": { type: "string", default: "" },
    help: { type: "boolean", default: false },
    server: { type: "string", default: builtServer },
  },
});

const usage = `npm run bench -- [options]
  --smoke             a few seconds each, small sizes: shows that everything runs
  --only <names>      of ${Object.keys(measurements).join(", ")}; separated by commas
  --json <file>       also writes the table as JSON
  --profile           profiles the server while it takes sends, and says where the time goes
  --dir <directory>   where the stores go: a directory on the disk to be measured
  --node-flags <text> flags for the server's node
  --server <file>     another build's dist/main.js, to compare`;

async function main(): Promise<void> {
  if (options.help) {
    console.log(usage);
    return;
  }
  const names = chosen(options.only);
  const directory = await mkdtemp(join(options.dir, "forebay-bench-"));
  const context: BenchContext = {
    directory,
    nodeFlags: options["node-flags"].split(" ").filter((flag) => flag !== ""),
    serverEntry: resolve(options.server),
    isSmoke: options.smoke,
    say: (line) => console.error(line),
  };
  try {
    if (options.profile) {
      await profileSends(context, names);
      return;
    }
    const all: Measured[] = [];
    for (const name of names) {
      const startedMs = performance.now();
      const measured = await measurements[name]?.(context);
      if (measured !== undefined) all.push(measured);
      context.say(`${name} took ${((performance.now() - startedMs) / 1_000).toFixed(1)} s`);
    }
    console.log(tableOf(all));
    for (const note of all.flatMap(({ notes }) => notes)) console.log(note);
    if (options.json !== undefined) await writeFile(options.json, jsonOf(all, aboutRun()));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function chosen(only: string): string[] {
  const known = Object.keys(measurements);
  if (only === "") return known;
  const names = only.split(",");
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    throw new Error(
      `There is no measurement ${unknown.join(", ")}; there are ${known.join(", ")}.`,
    );
  }
  return names;
}

const aboutRun = () => ({
  isSmoke: options.smoke,
  node: process.versions.node,
  processors: cpus().length,
  processor: cpus()[0]?.model ?? "unknown",
});

await main();
process.exit(0);
