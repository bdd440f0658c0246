// What operators ask of a cluster and what they are told, in words that those who know it (src/cluster) and those who speak with
// clients (src/rpc) share. Types alone: neither may import the other.

export type ClusterAcks = "async" | "quorum" | "all";

/** A change as an operator words it: by the name of a node, or by a member's id. */
export type AskedChange =
  | { readonly kind: "add"; readonly node: string }
  | { readonly kind: "promote" | "remove"; readonly member: string }
  | { readonly kind: "set_acks"; readonly acks: ClusterAcks }
  | { readonly kind: "hand_over"; readonly member: string | undefined };

export type AskedOutcome =
  | { readonly kind: "done"; readonly configurationVersion: number }
  | { readonly kind: "refused"; readonly why: string }
  | { readonly kind: "not_leader"; readonly leader: LeaderAddress | undefined }
  | { readonly kind: "member_not_found" | "node_not_registered"; readonly name: string }
  | { readonly kind: "etcd_unavailable" };

/** A node that does not take part yet. */
export interface Joining {
  readonly kind: "joining";
  /** The end of a sentence: for what. */
  readonly waitsFor: string;
}

export interface LeaderAddress {
  readonly node: string;
  readonly managementEndpoint: string;
}

export interface ClusterReport {
  readonly kind: "report";
  readonly cluster: string;
  readonly groupId: string;
  /** The node that answers. */
  readonly node: string;
  /** The node that leads; empty while nobody does. */
  readonly leader: string;
  readonly epoch: number;
  readonly configurationVersion: number;
  readonly acks: ClusterAcks;
  readonly commitSeq: number;
  readonly members: readonly MemberReport[];
  readonly registered: readonly RegisteredReport[];
}

export type MemberRoleName =
  | "unknown"
  | "leader"
  | "follower"
  | "candidate"
  | "quarantined"
  | "stopped";

export interface MemberReport {
  readonly id: string;
  readonly node: string;
  readonly zone: string;
  readonly isVoter: boolean;
  readonly role: MemberRoleName;
  readonly replicationEndpoint: string;
  readonly dataEndpoint: string;
  /** Empty if it is not registered any more. */
  readonly managementEndpoint: string;
  /** Of other members the node that leads knows it. */
  readonly progress: MemberProgressReport | undefined;
}

export interface MemberProgressReport {
  readonly isConnected: boolean;
  /** 0: none is known that it follows. */
  readonly epoch: number;
  readonly durableSeq: number;
  readonly appliedSeq: number;
  readonly lagRecords: number;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly silentMs: number;
  readonly isTakingCopy: boolean;
  readonly diskFreeBytes: number;
}

/** A node that may be added. */
export interface RegisteredReport {
  readonly id: string;
  readonly node: string;
  readonly zone: string;
  readonly replicationEndpoint: string;
  /** It would lose it by taking a copy. */
  readonly hasOwnData: boolean;
}
