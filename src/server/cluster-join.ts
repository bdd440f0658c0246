// How a node comes to take part: it puts itself into etcd, unless the rules refuse it, and waits until its cluster has begun.

import { type Clock, sleep } from "../base/clock.js";
import type { Log } from "../base/log.js";
import { OperatorFault } from "../base/operator-fault.js";
import type { ClusterFacts } from "../cluster/cluster-facts.js";
import { EtcdFault } from "../cluster/etcd-fault.js";
import type { ClusterRegistry } from "../cluster/registry.js";
import type { NodeDescription, OwnStore } from "../cluster/start-rules.js";

/** Between two looks at etcd, for what has not happened yet. */
const lookMs = 1_000;

export interface JoinParts {
  readonly registry: ClusterRegistry;
  readonly own: OwnStore;
  readonly node: NodeDescription;
  readonly clock: Clock;
  readonly log: Log;
  readonly isStopped: () => boolean;
  /** What the node waits for, for whoever asks why it is not ready. */
  readonly waitsFor: (what: string) => void;
}

/** Registers the node, for as long as etcd takes to answer. Throws an OperatorFault when it may not take part. */
export async function register(parts: JoinParts): Promise<void> {
  const { registry, own, node, log } = parts;
  const decision = await untilAnswered(parts, () => registry.register(own, node));
  if (decision === undefined) return;
  if (decision.kind === "refuse") throw new OperatorFault(decision.why);
  if (decision.kind === "register") {
    log.info({ cluster: node.cluster, node: node.node, member: own.memberId }, "registered");
  }
}

export type BegunCluster = ClusterFacts &
  Required<{ readonly [Key in "groupId" | "configuration"]: NonNullable<ClusterFacts[Key]> }>;

/** Resolves once somebody has begun the cluster; undefined when the node stops before. */
export async function clusterBegun(parts: JoinParts): Promise<BegunCluster | undefined> {
  const { registry, node, clock, log } = parts;
  let isTold = false;
  while (!parts.isStopped()) {
    const facts = await untilAnswered(parts, () => registry.facts());
    if (facts?.groupId !== undefined && facts.configuration !== undefined) {
      return { ...facts, groupId: facts.groupId, configuration: facts.configuration };
    }
    parts.waitsFor("the cluster to be begun: run `forebay cluster init` once all nodes are up");
    if (!isTold) log.info({ cluster: node.cluster }, "waiting for `forebay cluster init`");
    isTold = true;
    await sleep(clock, lookMs);
  }
  return undefined;
}

/** Asks etcd until it answers; undefined when the node stops before. */
async function untilAnswered<Answer>(
  { clock, log, isStopped, waitsFor }: JoinParts,
  ask: () => Promise<Answer>,
): Promise<Answer | undefined> {
  let isTold = false;
  while (!isStopped()) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof EtcdFault)) throw error;
      waitsFor("etcd, which does not answer");
      if (!isTold) log.warn({ err: error }, "etcd does not answer; asking on");
      isTold = true;
      await sleep(clock, lookMs);
    }
  }
  return undefined;
}
