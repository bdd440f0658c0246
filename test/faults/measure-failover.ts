// How long a cluster does not serve when its leader is killed, and when it hands over: from the kill to the first send that is
// acknowledged, and the longest time between two acknowledgements around a handover. The only client is the probe.
//
//   npm run test:faults -- --measure

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { nowMs } from "../crash/history.js";
import { lengthOf, longestOutage } from "./checkers/availability.js";
import { readProbeHistory, type Wrote } from "./checkers/cluster-history.js";
import { Cluster } from "./cluster.js";
import type { ProbePlan } from "./probe-plan.js";
import { toolPath } from "./tools.js";

const leasesSeconds = [5, 3] as const;
const roundCount = Number(process.env["FAULTS_ROUNDS"] ?? 20);
const queue = "probed";
/** Around a handover; nothing else happens then. */
const handoverMs = 4_000;
const calmMs = 1_000;

export async function main(): Promise<void> {
  for (const leaseSeconds of leasesSeconds) await measure(leaseSeconds);
}

async function measure(leaseSeconds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "forebay-measure-"));
  const cluster = await Cluster.start(folder, { leaseSeconds });
  try {
    const { endpoint } = await cluster.leader();
    await using client = new ForebayClient({ endpoint });
    await client.createQueue(queue);
    const [load = 0] = loadavg();
    console.log(`Lease ${leaseSeconds} s, ${roundCount} rounds, load of the machine ${load}:`);
    await killLeaders(cluster, join(folder, "kills.jsonl"));
    await handOver(cluster, join(folder, "handovers.jsonl"));
  } finally {
    await cluster.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function killLeaders(cluster: Cluster, historyPath: string): Promise<void> {
  const killedMs: number[] = [];
  await whileProbing(cluster, historyPath, async () => {
    for (let round = 0; round < roundCount; round += 1) {
      const leader = await cluster.leader();
      await sleep(calmMs);
      killedMs.push(nowMs());
      await leader.kill();
      await cluster.leader();
      await sleep(calmMs);
      leader.start();
      await cluster.caughtUp(leader);
    }
  });
  const writes = acknowledgedIn(historyPath);
  // One asked for before the kill may still be answered.
  const firstAfter = (atMs: number) => writes.find(({ startedMs }) => startedMs > atMs);
  tell(
    "from the kill of the leader to the first send",
    killedMs.map((atMs) => (firstAfter(atMs)?.endedMs ?? Number.POSITIVE_INFINITY) - atMs),
  );
}

async function handOver(cluster: Cluster, historyPath: string): Promise<void> {
  const beganMs: number[] = [];
  await whileProbing(cluster, historyPath, async () => {
    for (let round = 0; round < roundCount; round += 1) {
      await sleep(calmMs);
      beganMs.push(nowMs());
      await cluster.administer((admin) => admin.handOver());
      await sleep(handoverMs);
      await Promise.all(cluster.nodes.map((node) => cluster.caughtUp(node)));
    }
  });
  const writes = acknowledgedIn(historyPath);
  const pauses = beganMs.map((fromMs) =>
    lengthOf(longestOutage(writes, { fromMs, untilMs: fromMs + handoverMs })),
  );
  tell("longest pause at a handover", pauses);
  const calm = beganMs.map((fromMs) =>
    lengthOf(longestOutage(writes, { fromMs: fromMs - calmMs, untilMs: fromMs })),
  );
  tell("for comparison, in the second before each", calm);
}

async function whileProbing(
  cluster: Cluster,
  historyPath: string,
  act: () => Promise<void>,
): Promise<void> {
  const plan: ProbePlan = {
    nodes: cluster.nodes.map(({ name, endpoint }) => ({ name, endpoint })),
    queues: [queue],
    seed: 1,
    historyPath,
    readerCount: 0,
    pauseMs: 2,
  };
  const probe = spawn(process.execPath, [toolPath("probe.worker.js"), JSON.stringify(plan)], {
    env: { PATH: process.env["PATH"] },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const exited = once(probe, "exit");
  try {
    await sleep(2 * calmMs);
    await act();
  } finally {
    probe.kill("SIGTERM");
    await exited;
  }
}

const acknowledgedIn = (historyPath: string): readonly Wrote[] =>
  readProbeHistory(historyPath)
    .filter((event) => event.kind === "wrote")
    .filter(({ outcome }) => outcome === "ok");

function tell(what: string, spansMs: readonly number[]): void {
  const sorted = spansMs.map(Math.round).sort((one, other) => one - other);
  const median = sorted[Math.floor(sorted.length / 2)];
  console.log(`  ${what}: median ${median} ms, worst ${sorted.at(-1)} ms (${sorted.join(" ")})`);
}
