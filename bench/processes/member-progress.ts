// How far the members of a cluster are, by what each of them tells of itself, so that a follower that answers nobody is not asked
// of another one.

import { setTimeout as sleep } from "node:timers/promises";
import type { ForebayServer } from "./forebay.js";

const lookMs = 20;
const arriveMsMax = 600_000;

/** The last record that a leader knows to be committed. */
export const commitSeqOf = async (node: ForebayServer): Promise<number> =>
  gauge(await node.metrics(), "forebay_cluster_commit_seq") ?? 0;

/** Resolves once a node has applied a record and is taking no copy. */
export async function untilApplied(node: ForebayServer, seq: number): Promise<void> {
  const endMs = performance.now() + arriveMsMax;
  while (performance.now() < endMs) {
    const metrics = await node.metrics();
    const isTakingCopy = /^forebay_cluster_copy_bytes\{.*direction="taking"/m.test(metrics);
    const appliedSeq = gauge(metrics, "forebay_cluster_applied_seq") ?? 0;
    if (!isTakingCopy && appliedSeq >= seq) return;
    await sleep(lookMs);
  }
  throw new Error(`A node did not get to record ${seq} within ${arriveMsMax} ms.`);
}

/** Whether a node's log still begins with the first record. */
export async function hasWholeLog(node: ForebayServer): Promise<boolean> {
  const metrics = await node.metrics();
  const recordCount = gauge(metrics, "forebay_cluster_log_records") ?? 0;
  return recordCount >= (gauge(metrics, "forebay_cluster_commit_seq") ?? 0);
}

function gauge(metrics: string, name: string): number | undefined {
  const text = new RegExp(`^${name} (\\S+)$`, "m").exec(metrics)?.[1];
  return text === undefined ? undefined : Number(text);
}
