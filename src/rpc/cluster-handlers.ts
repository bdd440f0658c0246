// The cluster service at the wire: what operators ask, over what the node's part in the cluster answers.

import { status } from "@grpc/grpc-js";
import { isClusterName } from "../base/cluster-names.js";
import type {
  AskedChange,
  AskedOutcome,
  ClusterAcks,
  ClusterReport,
  Joining,
  LeaderAddress,
  MemberProgressReport,
  MemberReport,
  MemberRoleName,
  RegisteredReport,
} from "../base/cluster-report.js";
import {
  AcksMode,
  type ClusterMember,
  type ClusterServiceDefinition,
  type MemberProgress,
  MemberRole,
  type RegisteredNode,
  type StatusResponse,
} from "../gen/forebay/admin/v1/cluster_service.js";
import type { ServiceHandlers } from "./call.js";
import { duration } from "./render.js";
import { WireFault } from "./status-details.js";
import { Violations } from "./violations.js";

export type ClusterHandlers = ServiceHandlers<typeof ClusterServiceDefinition>;

/** A node's part in its cluster; `Administration` of src/cluster is one. */
export interface ClusterPort {
  /** Undefined when etcd does not answer. */
  report(): Promise<ClusterReport | Joining | undefined>;
  change(asked: AskedChange): Promise<AskedOutcome | Joining>;
}

/** `port` is undefined on a node that runs alone. */
export function createClusterHandlers(port: ClusterPort | undefined): ClusterHandlers {
  const change = async (asked: AskedChange): Promise<{ readonly configurationVersion: bigint }> => {
    const outcome = await inCluster(port).change(asked);
    if (outcome.kind !== "done") throw faultOf(outcome);
    return { configurationVersion: BigInt(outcome.configurationVersion) };
  };
  return {
    status: async () => {
      const report = await inCluster(port).report();
      if (report === undefined) throw faultOf({ kind: "etcd_unavailable" });
      if (report.kind === "joining") throw faultOf(report);
      return renderReport(report);
    },
    addMember: ({ node }) => change({ kind: "add", node: parseNode(node) }),
    promoteMember: ({ member }) => change({ kind: "promote", member: parseMember(member) }),
    removeMember: ({ member }) => change({ kind: "remove", member: parseMember(member) }),
    handOver: async ({ member }) => {
      const target = member === "" ? undefined : parseMember(member);
      await change({ kind: "hand_over", member: target });
      return {};
    },
    setAcks: ({ acks }) => change({ kind: "set_acks", acks: parseAcks(acks) }),
  };
}

function inCluster(port: ClusterPort | undefined): ClusterPort {
  if (port !== undefined) return port;
  throw new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "NOT_IN_CLUSTER",
    message: "This node runs alone. To have a cluster, set cluster_name and what goes with it.",
    retryAfterMs: "never",
  });
}

function faultOf(outcome: Exclude<AskedOutcome | Joining, { readonly kind: "done" }>): WireFault {
  switch (outcome.kind) {
    case "refused":
      return new WireFault({
        code: status.FAILED_PRECONDITION,
        reason: "CHANGE_REFUSED",
        message: outcome.why,
      });
    case "not_leader":
      return notLeader(outcome.leader);
    case "member_not_found":
      return new WireFault({
        code: status.NOT_FOUND,
        reason: "MEMBER_NOT_FOUND",
        message: `The cluster has no member "${outcome.name}". Status lists those it has.`,
        metadata: { member: outcome.name },
        resource: { type: "member", name: outcome.name },
      });
    case "node_not_registered":
      return new WireFault({
        code: status.NOT_FOUND,
        reason: "NODE_NOT_REGISTERED",
        message: `No node "${outcome.name}" has registered. Start it with the same cluster_name and cluster_etcd_endpoints, and add it then.`,
        metadata: { node: outcome.name },
        resource: { type: "node", name: outcome.name },
      });
    case "joining":
      return new WireFault({
        code: status.FAILED_PRECONDITION,
        reason: "NOT_TAKING_PART",
        message: `This node does not take part yet. It waits for ${outcome.waitsFor}.`,
        metadata: { waits_for: outcome.waitsFor },
      });
    case "etcd_unavailable":
      return new WireFault({
        code: status.UNAVAILABLE,
        reason: "ETCD_UNAVAILABLE",
        message: "etcd does not answer, so nobody can tell what is so. Try again.",
        retryAfterMs: 1_000,
      });
  }
}

function notLeader(leader: LeaderAddress | undefined): WireFault {
  const fields = { code: status.UNAVAILABLE, reason: "NOT_LEADER", retryAfterMs: 1_000 };
  if (leader === undefined) {
    return new WireFault({ ...fields, message: "No node leads at the moment. Try again." });
  }
  const { node, managementEndpoint } = leader;
  return new WireFault({
    ...fields,
    message: `Node "${node}" leads, and this call is for it: ask at ${managementEndpoint}.`,
    metadata: { leader: node, management_endpoint: managementEndpoint },
  });
}

function parseNode(text: string): string {
  const violations = new Violations();
  if (!isClusterName(text)) {
    violations.add("INVALID_PARAMETER", "node", "must be 1 to 63 of a-z, 0-9 and -");
  }
  violations.throwIfAny();
  return text;
}

/** A node's name or a member's id, which has the same characters. */
function parseMember(text: string): string {
  const violations = new Violations();
  if (!isClusterName(text)) {
    violations.add(
      "INVALID_PARAMETER",
      "member",
      "must be the name of a node or the id of a member",
    );
  }
  violations.throwIfAny();
  return text;
}

const acksByWire: Readonly<Record<AcksMode, ClusterAcks | undefined>> = {
  [AcksMode.UNSPECIFIED]: undefined,
  [AcksMode.ASYNC]: "async",
  [AcksMode.QUORUM]: "quorum",
  [AcksMode.ALL]: "all",
};

const acksToWire = { async: AcksMode.ASYNC, quorum: AcksMode.QUORUM, all: AcksMode.ALL } as const;

function parseAcks(given: AcksMode): ClusterAcks {
  const violations = new Violations();
  const acks = acksByWire[given];
  if (acks === undefined) {
    violations.add("INVALID_PARAMETER", "acks", "must be ASYNC, QUORUM or ALL");
  }
  violations.throwIfAny();
  return acks ?? "quorum";
}

const roles = {
  unknown: MemberRole.UNKNOWN,
  leader: MemberRole.LEADER,
  follower: MemberRole.FOLLOWER,
  candidate: MemberRole.CANDIDATE,
  quarantined: MemberRole.QUARANTINED,
  stopped: MemberRole.STOPPED,
} as const satisfies Readonly<Record<MemberRoleName, MemberRole>>;

function renderReport(report: ClusterReport): StatusResponse {
  return {
    cluster: report.cluster,
    groupId: report.groupId,
    node: report.node,
    leader: report.leader,
    epoch: BigInt(report.epoch),
    configurationVersion: BigInt(report.configurationVersion),
    acks: acksToWire[report.acks],
    commitSeq: BigInt(report.commitSeq),
    members: report.members.map(renderMember),
    registeredNodes: report.registered.map(renderRegistered),
  };
}

function renderMember(member: MemberReport): ClusterMember {
  return {
    memberId: member.id,
    node: member.node,
    zone: member.zone,
    isVoter: member.isVoter,
    role: roles[member.role],
    replicationEndpoint: member.replicationEndpoint,
    dataEndpoint: member.dataEndpoint,
    managementEndpoint: member.managementEndpoint,
    progress: member.progress && renderProgress(member.progress),
  };
}

function renderProgress(progress: MemberProgressReport): MemberProgress {
  return {
    isConnected: progress.isConnected,
    epoch: BigInt(progress.epoch),
    durableSeq: BigInt(progress.durableSeq),
    appliedSeq: BigInt(progress.appliedSeq),
    lagRecordCount: BigInt(progress.lagRecords),
    lagBytes: BigInt(progress.lagBytes),
    lag: duration(Math.round(progress.lagMs)),
    silence: duration(Math.round(progress.silentMs)),
    isTakingCopy: progress.isTakingCopy,
    diskFreeBytes: BigInt(progress.diskFreeBytes),
  };
}

const renderRegistered = (registered: RegisteredReport): RegisteredNode => ({
  node: registered.node,
  zone: registered.zone,
  memberId: registered.id,
  replicationEndpoint: registered.replicationEndpoint,
  hasOwnData: registered.hasOwnData,
});
