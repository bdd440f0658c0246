// How fast a node gets what it lacks: one that stood still while others went on, from the log, and one with an empty disk, by a copy
// of the state. And what the copy does to those who send meanwhile. All nodes, etcd and the load share one machine and one disk, so
// the rates are lower bounds.

import { setTimeout as sleep } from "node:timers/promises";
import { ClusterAdmin, ForebayError } from "@forebay/client";
import { startLoad } from "../load/orders.js";
import type { WireHandlers } from "../load/wire.worker.js";
import {
  type BenchContext,
  bodyBytes,
  freshDirectory,
  type Measurement,
  queue,
  type WireLoad,
} from "../measurement.js";
import { type ForebayCluster, startCluster } from "../processes/cluster.js";
import { commitSeqOf, hasWholeLog, untilApplied } from "../processes/member-progress.js";
import type { Row } from "../report.js";
import { median, quantile } from "../rounds.js";

const measurement = "catchup";
const megabyte = 1_000_000;
/** Five of them in a call stay below the bound of a batch. */
const longBodyBytes = 200_000;
const longBodiesPerCall = 5;
const fillInFlight = 4;
const fillStepBytes = 20 * megabyte;
const fillFailuresMax = 20;
const fillPauseMs = 2_000;
/** Slow enough not to be what the machine is busy with. */
const paceMs = 10;
const newNode = "d";
const registeredMsMax = 30_000;
const lookMs = 100;

interface Sizes {
  readonly missedBytes: number;
  readonly missedRounds: number;
  readonly copiedBytes: number;
  readonly calmMs: number;
  /** Of sends beside the copy, one after another until it is done. */
  readonly busyMs: number;
  /** Less than is copied, so that an empty disk cannot be filled from the log. */
  readonly logBytesMax: number;
}

const sizesOf = ({ isSmoke }: BenchContext): Sizes =>
  isSmoke
    ? {
        missedBytes: 20 * megabyte,
        missedRounds: 1,
        copiedBytes: 100 * megabyte,
        calmMs: 1_000,
        busyMs: 250,
        logBytesMax: 32 * megabyte,
      }
    : {
        missedBytes: 300 * megabyte,
        missedRounds: 3,
        copiedBytes: 2_000 * megabyte,
        calmMs: 15_000,
        busyMs: 1_000,
        logBytesMax: 256 * megabyte,
      };

export const measureCatchUp: Measurement = async (context) => {
  const rows = await withCluster(context, {}, (cluster) => measureLag(context, cluster));
  if (rows === undefined) {
    return {
      measurement,
      rows: [],
      notes: ["etcd is not to be had here, so there is no cluster."],
    };
  }
  const limit = String(sizesOf(context).logBytesMax);
  const shortLog = {
    "log-keep-minutes": "0",
    "log-keep-bytes": limit,
    "log-bytes-max": limit,
  };
  rows.push(
    ...((await withCluster(context, shortLog, (cluster) => measureCopy(context, cluster))) ?? []),
  );
  const notes = ["All nodes, etcd and the load share one machine and its disk."];
  return { measurement, rows, notes };
};

async function withCluster(
  context: BenchContext,
  flags: Readonly<Record<string, string>>,
  work: (cluster: ForebayCluster) => Promise<Row[]>,
): Promise<Row[] | undefined> {
  await using cluster = await startCluster({
    entry: context.serverEntry,
    directory: freshDirectory(context, "cluster"),
    nodeFlags: context.nodeFlags,
    flags,
  });
  return cluster === undefined ? undefined : await work(cluster);
}

/** From when a follower goes on until it has applied all that was sent while it stood still; nothing is sent any more. */
async function measureLag(context: BenchContext, cluster: ForebayCluster): Promise<Row[]> {
  const { missedBytes, missedRounds } = sizesOf(context);
  const elapsed: number[] = [];
  for (let round = 0; round < missedRounds; round += 1) {
    const [follower] = await cluster.followers();
    if (follower === undefined) throw new Error("Nobody follows.");
    follower.pause();
    await fill(cluster, missedBytes);
    const target = await commitSeqOf(await cluster.leader());
    const resumedMs = performance.now();
    follower.resume();
    await untilApplied(follower, target);
    elapsed.push(performance.now() - resumedMs);
  }
  const elapsedMs = median(elapsed);
  const what = `${missedBytes / megabyte} MB of log to a follower that stood still`;
  return [
    { name: what, figure: missedBytes / megabyte / (elapsedMs / 1_000), unit: "MB/s" },
    { name: `${what}, until nothing lacks`, figure: elapsedMs / 1_000, unit: "s" },
  ];
}

async function measureCopy(context: BenchContext, cluster: ForebayCluster): Promise<Row[]> {
  const { copiedBytes, calmMs, busyMs } = sizesOf(context);
  await fill(cluster, copiedBytes);
  await using load = await connectedLoad(cluster);
  const node = await cluster.startNode(newNode);
  // Its start is no part of what is measured, nor what is left to do of the messages before.
  await sleep(calmMs / 3);
  const before = await pacedSends(load, calmMs);

  const leader = await cluster.leader();
  if (await hasWholeLog(leader)) throw new Error("All of it is in the log, so nothing is copied.");
  const addedMs = performance.now();
  await addMember(leader.managementAddress, newNode);
  const target = await commitSeqOf(leader);
  let arrivedMs: number | undefined;
  const arrived = untilApplied(node, target).then(() => {
    arrivedMs = performance.now();
  });
  const during: number[] = [];
  while (arrivedMs === undefined) during.push(...(await pacedSends(load, busyMs)));
  await arrived;
  const elapsedMs = arrivedMs - addedMs;
  const size = `${copiedBytes / megabyte} MB`;
  return [
    {
      name: `copy of ${size} to a new member, beside ${1_000 / paceMs} sends/s`,
      figure: copiedBytes / megabyte / (elapsedMs / 1_000),
      unit: "MB/s",
    },
    { name: `copy of ${size}, until nothing lacks`, figure: elapsedMs / 1_000, unit: "s" },
    ...[50, 99, 100].map((percentile): Row => {
      const [ours, peers] = [during, before].map((each) => quantile(each, percentile / 100)) as [
        number,
        number,
      ];
      const name = percentile === 100 ? "max" : `p${percentile}`;
      return {
        name: `SendMessage while ${size} are copied, ${name}`,
        figure: ours,
        unit: "ms",
        peer: { name: "before it", figure: peers },
      };
    }),
  ];
}

async function connectedLoad(cluster: ForebayCluster): Promise<WireLoad> {
  const { address } = await cluster.leader();
  const load = startLoad<WireHandlers>("wire");
  await load.order("connect", { address });
  await load.order("createQueue", { queue });
  return load;
}

/** Where a machine is too busy for so much, the disks get time, and what was refused is sent again, to whoever leads. */
async function fill(cluster: ForebayCluster, bytes: number): Promise<void> {
  let load = await connectedLoad(cluster);
  let failureCount = 0;
  for (let leftBytes = bytes; leftBytes > 0; ) {
    try {
      await sendLong(load, Math.min(leftBytes, fillStepBytes));
      leftBytes -= fillStepBytes;
    } catch (error) {
      failureCount += 1;
      if (failureCount > fillFailuresMax) throw error;
      await load[Symbol.asyncDispose]();
      await sleep(fillPauseMs);
      load = await connectedLoad(cluster);
    }
  }
  await load[Symbol.asyncDispose]();
}

const sendLong = (load: WireLoad, bytes: number) =>
  load.order("sendBatches", {
    service: "queue",
    queue,
    bodyBytes: longBodyBytes,
    entryCount: longBodiesPerCall,
    inFlight: fillInFlight,
    until: { kind: "count", count: Math.ceil(bytes / (longBodyBytes * longBodiesPerCall)) },
  });

async function pacedSends(load: WireLoad, forMs: number): Promise<readonly number[]> {
  const { latenciesMs } = await load.order("sendPaced", {
    queue,
    bodyBytes,
    everyMs: paceMs,
    forMs,
  });
  return [...latenciesMs];
}

/** Retried until the node has registered. */
async function addMember(endpoint: string, node: string): Promise<void> {
  const admin = new ClusterAdmin({ endpoint });
  const endMs = performance.now() + registeredMsMax;
  try {
    for (;;) {
      try {
        await admin.addMember(node);
        return;
      } catch (error) {
        if (!(error instanceof ForebayError) || performance.now() > endMs) throw error;
        await sleep(lookMs);
      }
    }
  } finally {
    await admin.close();
  }
}
