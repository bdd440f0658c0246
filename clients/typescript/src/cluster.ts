// A cluster as operators see and change it, through the management listener of any of its nodes. What only the node that leads can
// do, or tell, is asked there once the first node has named it.

import {
  AcksMode,
  ClusterServiceDefinition,
  MemberRole,
  type StatusResponse,
  type MemberProgress as WireProgress,
} from "../gen/forebay/admin/v1/cluster_service.js";
import { type Choice, choiceOf } from "./choices.js";
import { type CallOptions, Connection } from "./connection.js";
import { millisecondsOf } from "./durations.js";
import { parseEndpoint } from "./endpoint.js";
import { ForebayError } from "./errors.js";

const { methods } = ClusterServiceDefinition;

const timeoutDefaultMs = 30_000;
/** The node that leads may be out of reach of who asks; then what the first one knows has to do. */
const leaderStatusMsMax = 2_000;

/** How many voters must have a record on disk before a call is answered: the leader alone, a majority, all. */
export type ClusterAcks = Choice<typeof AcksMode>;
/** What a member is doing; UNKNOWN when the node asked knows no more than that it is a member. */
export type ClusterMemberRole = Choice<typeof MemberRole>;

export interface ClusterAdminOptions {
  /** The management listener of a node, as `host:port`. Default: `127.0.0.1:7401`. */
  readonly endpoint?: string | undefined;
  /** The deadline of every call that names none, in milliseconds. Default: 30000. */
  readonly timeoutMs?: number | undefined;
}

/** How a cluster is doing, as `node` knows it. */
export interface ClusterStatus {
  readonly cluster: string;
  readonly groupId: string;
  /** The node that answered. */
  readonly node: string;
  /** The node that leads; undefined while nobody does. */
  readonly leader: string | undefined;
  /** How often somebody began to lead. */
  readonly epoch: bigint;
  readonly configurationVersion: bigint;
  /** Undefined for one that only a newer client can name. */
  readonly acks: ClusterAcks | undefined;
  /** The last record that is committed, as `node` knows. */
  readonly commitSeq: bigint;
  readonly members: readonly ClusterMember[];
  /** Nodes that registered and are no members. */
  readonly registeredNodes: readonly ClusterNode[];
}

export interface ClusterMember {
  readonly memberId: string;
  readonly node: string;
  readonly zone: string;
  /** Whether its disk counts and it may lead. */
  readonly isVoter: boolean;
  readonly role: ClusterMemberRole;
  readonly replicationEndpoint: string;
  readonly dataEndpoint: string;
  /** Undefined if it is not registered any more. */
  readonly managementEndpoint: string | undefined;
  /** Of other members known to the node that leads, undefined elsewhere. */
  readonly progress: ClusterMemberProgress | undefined;
}

export interface ClusterMemberProgress {
  readonly isConnected: boolean;
  /** The latest epoch it is known to follow; 0 if none is. */
  readonly epoch: bigint;
  /** Up to here its log is on its disk. */
  readonly durableSeq: bigint;
  /** Up to here its state is. */
  readonly appliedSeq: bigint;
  readonly lagRecordCount: bigint;
  readonly lagBytes: bigint;
  /** How long ago the first record it lacks was made. */
  readonly lagMs: number;
  /** How long ago it was heard of. */
  readonly silentMs: number;
  readonly isTakingCopy: boolean;
  readonly diskFreeBytes: bigint;
}

/** A node that may be added. */
export interface ClusterNode {
  readonly node: string;
  readonly zone: string;
  readonly memberId: string;
  readonly replicationEndpoint: string;
  /** It holds data of its own and cannot be added so. */
  readonly hasOwnData: boolean;
}

/**
 * Operates a cluster. Close it when done, or declare it with `await using`.
 *
 * ```ts
 * await using admin = new ClusterAdmin();
 * const { leader, members } = await admin.status();
 * ```
 */
export class ClusterAdmin implements AsyncDisposable {
  readonly #timeoutMs: number;
  readonly #connections = new Map<string, Connection>();
  readonly #first: Connection;

  /** @throws TypeError if the endpoint is none. */
  constructor({
    endpoint = "127.0.0.1:7401",
    timeoutMs = timeoutDefaultMs,
  }: ClusterAdminOptions = {}) {
    this.#timeoutMs = timeoutMs;
    this.#first = this.#connectionTo(parseEndpoint(endpoint));
  }

  /**
   * How the cluster is doing: as the node that leads knows it, if it can be reached, since it alone knows how far the others are.
   *
   * @throws ForebayError NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async status(options: CallOptions = {}): Promise<ClusterStatus> {
    const known = statusOf(await this.#first.unary(methods.status, {}, options));
    const leader = known.members.find(({ node }) => node === known.leader);
    if (known.node === known.leader || leader?.managementEndpoint === undefined) return known;
    try {
      const connection = this.#connectionTo(parseEndpoint(leader.managementEndpoint));
      const timeoutMs = leaderStatusMsMax;
      return statusOf(await connection.unary(methods.status, {}, { ...options, timeoutMs }));
    } catch (error) {
      if (error instanceof ForebayError) return known;
      throw error;
    }
  }

  /**
   * Lets a node that registered follow, without a vote.
   *
   * @throws ForebayError NODE_NOT_REGISTERED, CHANGE_REFUSED, NOT_LEADER, NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async addMember(node: string, options?: CallOptions): Promise<bigint> {
    return versionOf(
      await this.#atLeader((leader) => leader.unary(methods.addMember, { node }, options)),
    );
  }

  /**
   * Gives a member a vote, by the name of its node or its id.
   *
   * @throws ForebayError MEMBER_NOT_FOUND, CHANGE_REFUSED, NOT_LEADER, NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async promoteMember(member: string, options?: CallOptions): Promise<bigint> {
    return versionOf(
      await this.#atLeader((leader) => leader.unary(methods.promoteMember, { member }, options)),
    );
  }

  /**
   * Takes a member out for good, by the name of its node or its id.
   *
   * @throws ForebayError MEMBER_NOT_FOUND, CHANGE_REFUSED, NOT_LEADER, NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async removeMember(member: string, options?: CallOptions): Promise<bigint> {
    return versionOf(
      await this.#atLeader((leader) => leader.unary(methods.removeMember, { member }, options)),
    );
  }

  /**
   * Lets another voter lead: the one named, or the one whose log is the longest.
   *
   * @throws ForebayError MEMBER_NOT_FOUND, CHANGE_REFUSED, NOT_LEADER, NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async handOver(member?: string, options?: CallOptions): Promise<void> {
    const request = { member: member ?? "" };
    await this.#atLeader((leader) => leader.unary(methods.handOver, request, options));
  }

  /**
   * Says how many voters must have a record on disk before a call is answered.
   *
   * @throws ForebayError CHANGE_REFUSED, NOT_LEADER, NOT_IN_CLUSTER, NOT_TAKING_PART, ETCD_UNAVAILABLE.
   */
  async setAcks(acks: ClusterAcks, options?: CallOptions): Promise<bigint> {
    const request = { acks: AcksMode[acks] };
    return versionOf(
      await this.#atLeader((leader) => leader.unary(methods.setAcks, request, options)),
    );
  }

  close(): Promise<void> {
    for (const connection of this.#connections.values()) connection.close();
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Asks the first node, and the one it names if that one leads instead. A call that was refused so had no effect. */
  async #atLeader<Response>(ask: (leader: Connection) => Promise<Response>): Promise<Response> {
    try {
      return await ask(this.#first);
    } catch (error) {
      const endpoint = leaderEndpointOf(error);
      if (endpoint === undefined) throw error;
      return ask(this.#connectionTo(parseEndpoint(endpoint)));
    }
  }

  #connectionTo(endpoint: string): Connection {
    const known = this.#connections.get(endpoint);
    if (known !== undefined) return known;
    const timeoutMs = this.#timeoutMs;
    // Nothing is repeated: a change whose outcome was lost is looked at by whoever made it.
    const connection = new Connection({ endpoint, timeoutMs, retry: undefined });
    this.#connections.set(endpoint, connection);
    return connection;
  }
}

function leaderEndpointOf(error: unknown): string | undefined {
  if (!(error instanceof ForebayError) || error.reason !== "NOT_LEADER") return undefined;
  return error.metadata["management_endpoint"] || undefined;
}

const versionOf = ({ configurationVersion }: { readonly configurationVersion: bigint }): bigint =>
  configurationVersion;

function statusOf(response: StatusResponse): ClusterStatus {
  return {
    cluster: response.cluster,
    groupId: response.groupId,
    node: response.node,
    leader: response.leader || undefined,
    epoch: response.epoch,
    configurationVersion: response.configurationVersion,
    acks: choiceOf(AcksMode, response.acks),
    commitSeq: response.commitSeq,
    members: response.members.map((member) => ({
      memberId: member.memberId,
      node: member.node,
      zone: member.zone,
      isVoter: member.isVoter,
      role: choiceOf(MemberRole, member.role) ?? "UNKNOWN",
      replicationEndpoint: member.replicationEndpoint,
      dataEndpoint: member.dataEndpoint,
      managementEndpoint: member.managementEndpoint || undefined,
      progress: member.progress && progressOf(member.progress),
    })),
    registeredNodes: response.registeredNodes,
  };
}

function progressOf(progress: WireProgress): ClusterMemberProgress {
  return {
    isConnected: progress.isConnected,
    epoch: progress.epoch,
    durableSeq: progress.durableSeq,
    appliedSeq: progress.appliedSeq,
    lagRecordCount: progress.lagRecordCount,
    lagBytes: progress.lagBytes,
    lagMs: millisecondsOf(progress.lag) ?? 0,
    silentMs: millisecondsOf(progress.silence) ?? 0,
    isTakingCopy: progress.isTakingCopy,
    diskFreeBytes: progress.diskFreeBytes,
  };
}
