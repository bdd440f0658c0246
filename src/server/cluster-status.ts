// How a node of a cluster is doing, in the words of readiness and in the numbers of metrics.

import type { ClusterState } from "../edge/cluster-metrics.js";
import type { Readiness, ReadinessCheck } from "../edge/health.js";
import type { CopyProgress, MemberStatus } from "../replication/ports.js";
import type { PeerStatus } from "../replication/transport/peer-network.js";
import type { GroupView } from "./group-view.js";

/** How long a node may know no leader and still be called: an election takes less. */
const leaderlessMsMax = 10_000;

export type Standing =
  | { readonly kind: "joining"; readonly waitsFor: string }
  | {
      readonly kind: "member";
      readonly view: Pick<
        GroupView,
        "role" | "isRemoved" | "isWhole" | "leading" | "leader" | "leaderlessMs"
      >;
      readonly isStorageFull: boolean;
      /** The copy that is being taken. */
      readonly copy: CopyProgress | undefined;
    };

export function clusterReadiness(standing: Standing): Readiness {
  const checks =
    standing.kind === "joining"
      ? [{ name: "cluster", isPassed: false, detail: `waits for ${standing.waitsFor}` }]
      : [clusterCheck(standing), storageCheck(standing.isStorageFull)];
  const [cluster] = checks;
  // Receives and deletes go on with the storage full, so the node stays in service.
  return { isReady: cluster?.isPassed === true, checks };
}

function clusterCheck({ view, copy }: Extract<Standing, { kind: "member" }>): ReadinessCheck {
  const name = "cluster";
  const { role } = view;
  if (role.kind === "quarantined") {
    return { name, isPassed: false, detail: `quarantined: ${role.why}` };
  }
  if (role.kind === "stopped") return { name, isPassed: false, detail: "stopped" };
  if (view.isRemoved()) return { name, isPassed: false, detail: removedDetail };
  if (!view.isWhole || copy !== undefined) {
    const progress =
      copy === undefined ? "" : `: ${copy.bytesDone} of about ${copy.bytesEstimated} bytes`;
    return { name, isPassed: false, detail: `takes a copy of the state${progress}` };
  }
  const leaderlessMs = view.leaderlessMs();
  if (leaderlessMs > leaderlessMsMax) {
    const seconds = Math.floor(leaderlessMs / 1_000);
    return { name, isPassed: false, detail: `no leader for ${seconds} s` };
  }
  return { name, isPassed: true, detail: standingOf(view) };
}

const removedDetail =
  "removed from the cluster; to use this node again, start it with an empty data directory and run forebay cluster add";

function standingOf(view: Pick<GroupView, "role" | "leading" | "leader">): string {
  if (view.role.kind === "leader") {
    const { epoch } = view.role;
    return view.leading() === undefined ? `about to lead epoch ${epoch}` : `leads epoch ${epoch}`;
  }
  const leader = view.leader();
  return leader === undefined ? "waits for a leader" : `follows ${leader.node}`;
}

const storageCheck = (isFull: boolean): ReadinessCheck => ({
  name: "storage",
  isPassed: !isFull,
  ...(isFull && { detail: "full: sends are refused" }),
});

/** Before there is a member to ask. */
export const joiningState: ClusterState = {
  role: "joining",
  epoch: 0,
  commitSeq: 0,
  appliedSeq: 0,
  logRecords: 0,
  logBytes: 0,
  oldestReader: undefined,
  stalenessMs: undefined,
  followers: [],
  peers: [],
  copies: [],
};

/** What is to be known of a member beside its status. */
export interface MemberSurroundings {
  /** The place before the first record that its log still has. */
  readonly logBaseSeq: number;
  readonly peers: readonly PeerStatus[];
  readonly copies: readonly CopyProgress[];
}

export function clusterState(
  status: MemberStatus,
  { logBaseSeq, peers, copies }: MemberSurroundings,
): ClusterState {
  const { oldestReader } = status;
  const nodes = new Map(status.configuration.members.map(({ id, node }) => [id, node]));
  const nodeOf = (id: (typeof status)["id"]): string => nodes.get(id) ?? "_unknown";
  return {
    role: status.role.kind,
    epoch: status.promisedEpoch,
    commitSeq: status.commitSeq,
    appliedSeq: status.appliedSeq,
    logRecords: Math.max(0, status.logEnd.seq - logBaseSeq),
    logBytes: status.logBytes,
    oldestReader: oldestReader && { ...oldestReader, node: nodeOf(oldestReader.id) },
    stalenessMs: status.stalenessMs,
    followers: status.followers.map((follower) => ({ ...follower, node: nodeOf(follower.id) })),
    peers: peers.map(({ node, isUp }) => ({ node, isUp })),
    copies: copies.map(({ peer, ...progress }) => ({ ...progress, node: nodeOf(peer) })),
  };
}
