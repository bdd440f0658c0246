// What operators ask of a node about its cluster, answered from what the member, and etcd, know. The calls that come here are in
// src/rpc/cluster-handlers.ts, which knows this by its shape.

import type { GroupId, MemberId } from "../base/brands.js";
import type {
  AskedChange,
  AskedOutcome,
  ClusterReport,
  LeaderAddress,
  MemberProgressReport,
  MemberReport,
  MemberRoleName,
} from "../base/cluster-report.js";
import type {
  ChangeResult,
  ConfigurationChange,
  FollowerStatus,
  MemberStatus,
  ReplicationMember,
} from "../replication/ports.js";
import type { Configuration, GroupMember } from "../store/replica-disk.js";
import { type ClusterFacts, registeredMembers } from "./cluster-facts.js";
import type { RegisteredMember } from "./documents.js";
import { asEtcdFault } from "./etcd-fault.js";
import type { ClusterRegistry } from "./registry.js";

export interface AdministrationParts {
  readonly cluster: string;
  readonly node: string;
  readonly groupId: GroupId;
  readonly member: Pick<ReplicationMember, "status" | "changeConfiguration" | "handOver">;
  readonly registry: Pick<ClusterRegistry, "facts">;
  readonly diskFreeBytes: () => number;
}

export class Administration {
  readonly #parts: AdministrationParts;

  constructor(parts: AdministrationParts) {
    this.#parts = parts;
  }

  /** Undefined when etcd does not answer: half of the truth would look like the whole. */
  async report(): Promise<ClusterReport | undefined> {
    const facts = await this.#facts();
    if (facts === undefined) return undefined;
    const { cluster, node, groupId, member } = this.#parts;
    const status = member.status();
    const { members } = status.configuration;
    const leading = leaderOf(status, facts);
    return {
      kind: "report",
      cluster,
      groupId,
      node,
      leader: members.find(({ id }) => id === leading)?.node ?? "",
      epoch: facts.epoch,
      configurationVersion: status.configuration.version,
      acks: status.configuration.acks,
      commitSeq: status.commitSeq,
      members: [...members].sort(byNode).map((one) => this.#memberReport(one, status, facts)),
      registered: [...registeredMembers(facts)]
        .filter(({ id }) => !members.some((one) => one.id === id))
        .sort(byNode),
    };
  }

  async change(asked: AskedChange): Promise<AskedOutcome> {
    const facts = await this.#facts();
    if (facts === undefined) return { kind: "etcd_unavailable" };
    const status = this.#parts.member.status();
    if (status.role.kind !== "leader") {
      return { kind: "not_leader", leader: addressOf(leaderOf(status, facts), facts) };
    }
    if (asked.kind === "hand_over") return this.#handOver(asked.member, status.configuration);
    const planned = planChange(asked, status.configuration, facts);
    if (planned.kind !== "change") return planned;
    const { change } = planned;
    return outcomeOf(
      await new Promise<ChangeResult>((resolve) =>
        this.#parts.member.changeConfiguration(change, resolve),
      ),
    );
  }

  async #handOver(name: string | undefined, configuration: Configuration): Promise<AskedOutcome> {
    const target = name === undefined ? undefined : memberNamed(name, configuration);
    if (name !== undefined && target === undefined) return { kind: "member_not_found", name };
    return outcomeOf(
      await new Promise<ChangeResult>((resolve) =>
        this.#parts.member.handOver(target?.id, resolve),
      ),
    );
  }

  async #facts(): Promise<ClusterFacts | undefined> {
    try {
      return await this.#parts.registry.facts();
    } catch (error) {
      asEtcdFault(error);
      return undefined;
    }
  }

  #memberReport(one: GroupMember, status: MemberStatus, facts: ClusterFacts): MemberReport {
    const follower = status.followers.find(({ id }) => id === one.id);
    const isSelf = one.id === status.id;
    return {
      id: one.id,
      node: one.node,
      zone: one.zone,
      isVoter: one.isVoter,
      role: isSelf ? status.role.kind : roleOf(one.id, follower, leaderOf(status, facts)),
      replicationEndpoint: one.replicationEndpoint,
      dataEndpoint: one.dataEndpoint,
      managementEndpoint: facts.members.get(one.id)?.managementEndpoint ?? "",
      progress: isSelf
        ? ownProgress(status, this.#parts.diskFreeBytes())
        : follower && followerProgress(follower, status),
    };
  }
}

/** Itself, if it leads; otherwise whom etcd names. */
const leaderOf = (status: MemberStatus, { leader }: ClusterFacts): MemberId | undefined =>
  status.role.kind === "leader" ? status.id : leader?.memberId;

function addressOf(id: MemberId | undefined, facts: ClusterFacts): LeaderAddress | undefined {
  const registered = id && facts.members.get(id);
  return registered && { node: registered.node, managementEndpoint: registered.managementEndpoint };
}

/** Of a member that is not the one that answers. */
function roleOf(
  id: MemberId,
  follower: FollowerStatus | undefined,
  leading: MemberId | undefined,
): MemberRoleName {
  if (id === leading) return "leader";
  return follower?.isConnected === true ? "follower" : "unknown";
}

/** The node that leads lacks nothing; how far another one is behind, that one alone cannot know. */
function ownProgress(
  status: MemberStatus,
  diskFreeBytes: number,
): MemberProgressReport | undefined {
  if (status.role.kind !== "leader") return undefined;
  return {
    isConnected: true,
    epoch: status.promisedEpoch,
    durableSeq: status.logEnd.seq,
    appliedSeq: status.appliedSeq,
    lagRecords: 0,
    lagBytes: 0,
    lagMs: 0,
    silentMs: 0,
    isTakingCopy: false,
    diskFreeBytes,
  };
}

function followerProgress(follower: FollowerStatus, status: MemberStatus): MemberProgressReport {
  return {
    isConnected: follower.isConnected,
    // Who answers a leader has promised its epoch.
    epoch: follower.isConnected ? status.promisedEpoch : 0,
    durableSeq: follower.durableSeq,
    appliedSeq: follower.appliedSeq,
    lagRecords: follower.lagRecords,
    lagBytes: follower.lagBytes,
    lagMs: follower.lagMs,
    silentMs: follower.silentMs,
    isTakingCopy: follower.isTakingCopy,
    diskFreeBytes: follower.diskFreeBytes,
  };
}

type PlannedChange =
  | { readonly kind: "change"; readonly change: ConfigurationChange }
  | AskedOutcome;

/** The change that is asked for; `done` when everything is so already, which makes asking twice harmless. */
function planChange(
  asked: Exclude<AskedChange, { readonly kind: "hand_over" }>,
  configuration: Configuration,
  facts: ClusterFacts,
): PlannedChange {
  const done = { kind: "done", configurationVersion: configuration.version } as const;
  if (asked.kind === "set_acks") {
    if (configuration.acks === asked.acks) return done;
    return { kind: "change", change: { kind: "set_acks", acks: asked.acks } };
  }
  if (asked.kind === "add") return planAdd(asked.node, configuration, facts);
  const member = memberNamed(asked.member, configuration);
  if (member === undefined) return { kind: "member_not_found", name: asked.member };
  if (asked.kind === "promote" && member.isVoter) return done;
  return { kind: "change", change: { kind: asked.kind, id: member.id } };
}

function planAdd(node: string, configuration: Configuration, facts: ClusterFacts): PlannedChange {
  const id = facts.nodes.get(node);
  const registered = id && facts.members.get(id);
  if (registered === undefined) return { kind: "node_not_registered", name: node };
  if (configuration.members.some((one) => one.id === id)) {
    return { kind: "done", configurationVersion: configuration.version };
  }
  if (registered.hasOwnData) {
    return {
      kind: "refused",
      why: `Node "${node}" holds data of its own, which a copy of the cluster's would replace. Start it with an empty data directory, and move its messages over first if they matter.`,
    };
  }
  return { kind: "change", change: { kind: "add_learner", member: learnerOf(registered) } };
}

const learnerOf = (registered: RegisteredMember): GroupMember => ({
  id: registered.id,
  node: registered.node,
  zone: registered.zone,
  isVoter: false,
  replicationEndpoint: registered.replicationEndpoint,
  dataEndpoint: registered.dataEndpoint,
});

const memberNamed = (name: string, { members }: Configuration): GroupMember | undefined =>
  members.find(({ node, id }) => node === name || id === name);

const outcomeOf = (result: ChangeResult): AskedOutcome =>
  result.kind === "done"
    ? { kind: "done", configurationVersion: result.configuration.version }
    : result;

const byNode = (one: { readonly node: string }, other: { readonly node: string }): number =>
  one.node < other.node ? -1 : 1;
