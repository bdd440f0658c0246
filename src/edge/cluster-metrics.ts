// What a node of a cluster counts beside what every node does: who leads, how far the others are behind, how long records take.
// Members are labelled by the names of their nodes, of which a cluster has a handful.

import { Counter, Histogram, type Registry } from "prom-client";
import { gauge } from "./gauge.js";

/** Read at each scrape. */
export interface ClusterState {
  /** As `leader`. */
  readonly role: string;
  readonly epoch: number;
  readonly commitSeq: number;
  readonly appliedSeq: number;
  /** Records that the log still holds. */
  readonly logRecords: number;
  readonly logBytes: number;
  /** A leader's view of who keeps the log from being let go of. */
  readonly oldestReader: OldestReader | undefined;
  /** How old this node's state is at most; undefined when it cannot tell. */
  readonly stalenessMs: number | undefined;
  /** A leader's view of all others; empty on other nodes. */
  readonly followers: readonly FollowerLag[];
  /** Ways to other nodes. */
  readonly peers: readonly PeerState[];
  /** Of copies that are being taken or given now. */
  readonly copies: readonly CopyState[];
}

export interface OldestReader {
  readonly node: string;
  readonly kind: "member" | "copy";
  /** It needs the log from after here on. */
  readonly seq: number;
  readonly ageMs: number;
}

export interface FollowerLag {
  readonly node: string;
  readonly lagRecords: number;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly roundTripMs: number;
}

export interface PeerState {
  readonly node: string;
  readonly isUp: boolean;
}

export interface CopyState {
  readonly node: string;
  readonly direction: "taking" | "giving";
  readonly bytesDone: number;
  readonly bytesEstimated: number;
}

export interface ClusterMetrics {
  /** A record reached as many disks as configured. */
  committed(elapsedMs: number): void;
  /** This node began to lead. */
  elected(): void;
  /** Confirmed to a caller in `async` mode, and then lost with a leader. */
  recordsLost(count: number): void;
}

const roles = ["leader", "follower", "candidate", "quarantined", "stopped", "joining"] as const;

const commitBucketsSeconds = [
  0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1, 2, 4,
];

export function createClusterMetrics(registry: Registry, read: () => ClusterState): ClusterMetrics {
  addPosition(registry, read);
  addOldestReader(registry, () => read().oldestReader);
  addFollowers(registry, () => read().followers);
  addCopies(registry, () => read().copies);
  gauge(registry, "cluster_peer_up", "1 while the way to a node is up.", ["node"], (metric) => {
    for (const { node, isUp } of read().peers) metric.set({ node }, isUp ? 1 : 0);
  });
  const commits = new Histogram({
    name: "forebay_cluster_commit_seconds",
    help: "From a record's hand-over until as many zones as configured have it on disk.",
    buckets: commitBucketsSeconds,
    registers: [registry],
  });
  const elections = new Counter({
    name: "forebay_cluster_elections_won_total",
    help: "How often this node began to lead.",
    registers: [registry],
  });
  const lost = new Counter({
    name: "forebay_cluster_acked_records_lost_total",
    help: "Records confirmed with acks=async and lost with a leader; always 0 with other modes.",
    registers: [registry],
  });
  return {
    committed: (elapsedMs) => commits.observe(elapsedMs / 1_000),
    elected: () => elections.inc(),
    recordsLost: (count) => lost.inc(count),
  };
}

function addPosition(registry: Registry, read: () => ClusterState): void {
  gauge(registry, "cluster_role", "1 for the role that this node has.", ["role"], (metric) => {
    const { role } = read();
    for (const each of roles) metric.set({ role: each }, each === role ? 1 : 0);
  });
  const numbers = {
    cluster_epoch: ["The last epoch that this node has promised.", "epoch"],
    cluster_commit_seq: ["The last record known to be committed.", "commitSeq"],
    cluster_applied_seq: ["The last record whose effects this node has.", "appliedSeq"],
    cluster_log_records: ["Records that this node's log holds.", "logRecords"],
    cluster_log_bytes: ["Bytes of the records that this node's log holds, about.", "logBytes"],
  } as const satisfies Record<string, readonly [help: string, key: keyof ClusterState]>;
  for (const [name, [help, key]] of Object.entries(numbers)) {
    gauge(registry, name, help, [], (metric) => metric.set(read()[key]));
  }
  const help = "How old this node's state is at most.";
  gauge(registry, "cluster_staleness_seconds", help, [], (metric) => {
    const { stalenessMs } = read();
    if (stalenessMs !== undefined) metric.set(stalenessMs / 1_000);
  });
}

/** Labelled by what it is: a member that lags, or a copy under way. */
function addOldestReader(registry: Registry, reader: () => OldestReader | undefined): void {
  const labels = ["node", "reader"] as const;
  const numbers = {
    cluster_log_oldest_reader_seq: ["From after where the log is still needed.", "seq", 1],
    cluster_log_oldest_reader_seconds: [
      "How long ago the log ended where it is still needed from.",
      "ageMs",
      1_000,
    ],
  } as const satisfies Record<string, readonly [string, keyof OldestReader, number]>;
  for (const [name, [help, key, divisor]] of Object.entries(numbers)) {
    gauge(registry, name, help, labels, (metric) => {
      const oldest = reader();
      if (oldest === undefined) return;
      metric.set({ node: oldest.node, reader: oldest.kind }, oldest[key] / divisor);
    });
  }
}

function addFollowers(registry: Registry, followers: () => readonly FollowerLag[]): void {
  const perFollower = {
    cluster_lag_records: ["Records that a node lacks, as the leader knows.", "lagRecords", 1],
    cluster_lag_bytes: ["Bytes of records that a node lacks.", "lagBytes", 1],
    cluster_lag_seconds: ["How far a node is behind the leader.", "lagMs", 1_000],
    cluster_round_trip_seconds: [
      "From a message to a node until its answer.",
      "roundTripMs",
      1_000,
    ],
  } as const satisfies Record<string, readonly [string, keyof FollowerLag, number]>;
  for (const [name, [help, key, divisor]] of Object.entries(perFollower)) {
    gauge(registry, name, help, ["node"], (metric) => {
      for (const follower of followers()) {
        metric.set({ node: follower.node }, follower[key] / divisor);
      }
    });
  }
}

function addCopies(registry: Registry, copies: () => readonly CopyState[]): void {
  const labels = ["node", "direction"] as const;
  gauge(registry, "cluster_copy_bytes", "Bytes of a copy that are done.", labels, (metric) => {
    for (const { node, direction, bytesDone } of copies()) {
      metric.set({ node, direction }, bytesDone);
    }
  });
  const help = "Bytes that a copy is expected to have.";
  gauge(registry, "cluster_copy_expected_bytes", help, labels, (metric) => {
    for (const { node, direction, bytesEstimated } of copies()) {
      metric.set({ node, direction }, bytesEstimated);
    }
  });
}
