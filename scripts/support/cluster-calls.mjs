// What a client calls of the cluster service: at a node alone, which has no cluster and says so, and at a node that is one by
// itself, where all of it is answered. Asked of a `Session` of scripts/conformance.mjs.

import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { etcdAbsence, findEtcd, startEtcd } from "./etcd.mjs";
import { freePort } from "./free-port.mjs";
import { root } from "./repository.mjs";
import { startServer } from "./server.mjs";

export const clusterService = "forebay.admin.v1.ClusterService";

const cluster = "conformance";
const node = "a";
const zone = "zone-a";
const nobody = "nobody";
/** As often as a node that starts may still have to register. */
const beginAttemptsMax = 60;
const beginAgainMs = 200;

/** A node that is a whole cluster, with an etcd of one member; undefined, and why is said, where there is no etcd to be had. */
export async function startClusterOfOne() {
  const program = findEtcd((text) => console.log(text));
  if (program === undefined) {
    console.error(etcdAbsence);
    return undefined;
  }
  const etcd = await startEtcd(program);
  try {
    const replicationAddress = `127.0.0.1:${await freePort()}`;
    const known = ["--cluster-name", cluster, "--cluster-etcd-endpoints", etcd.endpoints.join()];
    const own = ["--node-name", node, "--zone", zone, "--replication-listen", replicationAddress];
    // It is ready once it leads, and leads once the cluster has begun.
    const starting = startServer([...known, ...own]);
    const [started, begun] = await Promise.allSettled([starting, beginCluster(known)]);
    if (started.status === "rejected") throw started.reason;
    const server = started.value;
    const stop = async () => {
      await server.stop();
      await etcd.stop();
    };
    if (begun.status === "fulfilled") return { ...server, stop, replicationAddress };
    await server.stop();
    throw begun.reason;
  } catch (error) {
    await etcd.stop();
    throw error;
  }
}

/** Refused until the node has registered. */
async function beginCluster(known) {
  const program = join(root, "dist/main.js");
  for (let attempt = 1; ; attempt += 1) {
    const args = [program, "cluster", "init", "--yes", ...known];
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    if (status === 0) return;
    if (attempt === beginAttemptsMax) throw new Error(`The cluster did not begin: ${stderr}`);
    await sleep(beginAgainMs);
  }
}

/** Every call that is well formed is answered alike; what is wrong with the others is told also here. */
export async function callClusterAlone(session) {
  for (const [method, request] of [
    ["Status", {}],
    ["AddMember", { node }],
    ["PromoteMember", { member: node }],
    ["RemoveMember", { member: node }],
    ["HandOver", {}],
    ["HandOver", { member: node }],
    ["SetAcks", { acks: "ACKS_MODE_ALL" }],
  ]) {
    await session.refused(method, request, "FAILED_PRECONDITION", "NOT_IN_CLUSTER");
  }
  await refuseMalformed(session);
}

/** What a cluster of one answers; a tool leaves it as it was, for the next one. */
export async function callClusterOfOne(session, server) {
  await session.ok("Status", {}, statusOf(server, "ACKS_MODE_QUORUM"));
  // All is so already.
  const { configurationVersion } = await session.ok("AddMember", { node });
  await session.ok("PromoteMember", { member: node }, { configurationVersion });
  const later = String(BigInt(configurationVersion) + 1n);
  await session.ok("SetAcks", { acks: "ACKS_MODE_ALL" }, { configurationVersion: later });
  const status = { ...statusOf(server, "ACKS_MODE_ALL"), configurationVersion: later };
  const { members } = await session.ok("Status", {}, status);
  await session.ok("SetAcks", { acks: "ACKS_MODE_QUORUM" });
  // A member is named by its id as well.
  await session.ok("PromoteMember", { member: members[0].memberId });

  for (const [method, request] of [
    ["RemoveMember", { member: node }],
    ["HandOver", {}],
    ["HandOver", { member: node }],
  ]) {
    await session.refused(method, request, "FAILED_PRECONDITION", "CHANGE_REFUSED");
  }
  await session.refused("AddMember", { node: nobody }, "NOT_FOUND", "NODE_NOT_REGISTERED", {
    ResourceInfo: { resourceType: "node", resourceName: nobody },
  });
  for (const method of ["PromoteMember", "RemoveMember", "HandOver"]) {
    await session.refused(method, { member: nobody }, "NOT_FOUND", "MEMBER_NOT_FOUND", {
      ResourceInfo: { resourceType: "member", resourceName: nobody },
    });
  }
  await refuseMalformed(session);
}

const statusOf = ({ address, managementAddress, replicationAddress }, acks) => ({
  cluster,
  node,
  leader: node,
  epoch: "1",
  acks,
  members: [
    {
      node,
      zone,
      isVoter: true,
      role: "MEMBER_ROLE_LEADER",
      replicationEndpoint: replicationAddress,
      dataEndpoint: address,
      managementEndpoint: managementAddress,
      progress: { isConnected: true, epoch: "1", lagRecordCount: "0", isTakingCopy: false },
    },
  ],
  registeredNodes: [],
});

async function refuseMalformed(session) {
  for (const [method, request, field] of [
    ["AddMember", { node: "A b" }, "node"],
    ["PromoteMember", {}, "member"],
    ["RemoveMember", {}, "member"],
    ["HandOver", { member: "A b" }, "member"],
    ["SetAcks", {}, "acks"],
  ]) {
    await session.refused(method, request, "INVALID_ARGUMENT", "INVALID_PARAMETER", {
      BadRequest: { fieldViolations: [{ field }] },
    });
  }
}
