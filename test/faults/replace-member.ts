// What an operator does when a node's disk is spoilt or gone: the member is removed, and the node comes back with an empty data
// directory as a new one.

import { mkdirSync, rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import type { Cluster } from "./cluster.js";
import type { ClusterNode } from "./cluster-node.js";

const registeredMsMax = 30_000;

/** Resolves once the new member votes. */
export async function replaceMember(cluster: Cluster, node: ClusterNode): Promise<void> {
  await addAnew(cluster, node);
  await cluster.caughtUp(node);
  await cluster.administer((admin) => admin.promoteMember(node.name));
}

/** Resolves once the new member may follow. */
export async function addAnew(cluster: Cluster, node: ClusterNode): Promise<void> {
  await node.kill();
  await cluster.administer((admin) => admin.removeMember(node.name));
  await addEmpty(cluster, node);
}

/** As `addAnew`, of a node that is no member any more. */
export async function addEmpty(cluster: Cluster, node: ClusterNode): Promise<void> {
  rmSync(node.plan.dataDirectory, { recursive: true, force: true });
  mkdirSync(node.plan.dataDirectory);
  node.start();
  await registered(node);
  await cluster.administer((admin) => admin.addMember(node.name));
}

async function registered(node: ClusterNode): Promise<void> {
  const giveUpMs = performance.now() + registeredMsMax;
  while (!node.program.output.includes('"registered"')) {
    if (performance.now() > giveUpMs) throw new Error(`${node.name} does not register.`);
    await sleep(100);
  }
}
