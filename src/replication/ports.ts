// What the replication protocol asks of the world, and nothing else does it touch: no timer, socket, file, clock or chance of its
// own. So the very same code runs over LMDB, gRPC and etcd, and in a simulator that crashes it at any step.
//
// All ports call back, none returns a promise: between two calls into the protocol nothing of it runs, which makes a simulated
// run repeatable and a real one easy to reason about. A port never calls back from within the call that asked.

import type { Epoch, EpochMs, LogSeq, MemberId } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { PeerMessage } from "../gen/forebay/replication/v1/replication_service.js";
import type {
  AcksMode,
  Configuration,
  GroupMember,
  LogPosition,
  ReplicaDisk,
  StateChange,
} from "../store/replica-disk.js";

/** Messages to members. May lose, delay, repeat and reorder them; never spoils one. */
export interface Network {
  send(to: MemberId, message: PeerMessage): void;
  /** False while so much is on its way to a member that more would only pile up; `Member.networkReady` tells when it ended. */
  isReady(to: MemberId): boolean;
}

/** What the coordinator (etcd) knows of the group. */
export interface CoordinatorView {
  /** The last epoch minted; 0 before the first. */
  readonly epoch: Epoch;
  /** Who holds `epoch`, while its lease lives. */
  readonly leader: MemberId | undefined;
  readonly configuration: Configuration;
  /** A member that should campaign before others do, for a while. */
  readonly hint: MemberId | undefined;
}

export type CampaignResult =
  | { readonly kind: "won"; readonly epoch: Epoch }
  | { readonly kind: "lost"; readonly view: CoordinatorView }
  /** No answer in time: it may have been won; the lease, if there is one, is given back. */
  | { readonly kind: "unavailable" };

/** Mints epochs and keeps the lease. Its answers are the truth of some moment between question and answer. */
export interface Coordinator {
  /** The latest view heard of; undefined before the first. `Member.coordinatorChanged` tells of every later one. */
  view(): CoordinatorView | undefined;
  /** A view read now, by a linearizable read; undefined when the coordinator does not answer. */
  confirm(done: (view: CoordinatorView | undefined) => void): void;
  /** Rule E1: takes epoch `after` + 1 if nobody holds one and `after` is the last. Keeps the lease alive from then on. */
  campaign(after: Epoch, done: (result: CampaignResult) => void): void;
  /** As `campaign`, in the place of the living holder of `from`, who asked for it. */
  takeOver(from: Epoch, done: (result: CampaignResult) => void): void;
  /** Until when, in monotonic milliseconds, the lease of this member's epoch surely lives, its margin already taken off. */
  leaseDeadlineMs(): number;
  /**
   * False after this process stood still, until a renewal sent since then is answered: its clock may have stood still as well, and
   * then the deadline is later than it seems. No reason to step down, but nothing may be read under such a lease alone.
   */
  isLeaseProven(): boolean;
  /** Gives the lease back, and says who might take it. */
  resign(hint: MemberId | undefined): void;
  /** Stores a configuration if this member still holds `epoch` and `configuration.version` - 1 is the present one. */
  changeConfiguration(
    epoch: Epoch,
    configuration: Configuration,
    done: (result: "stored" | "refused" | "unavailable") => void,
  ): void;
}

export interface MemberClock {
  /** Elapsed milliseconds; stands still for nothing but a suspended machine. */
  monotonicMs(): number;
  wallMs(): number;
  setTimer(delayMs: number, fire: () => void): Timer;
}

export interface MemberSettings {
  /** Between two heartbeats to a member that has nothing to be sent. */
  readonly heartbeatMs: number;
  /** A leader that a majority did not answer for this long resigns. */
  readonly voterSilenceMsMax: number;
  /** Before its deadline a candidate must have its promises, or it gives up. */
  readonly leaseMarginMs: number;
  /** How long to let a more advanced voter go first. */
  readonly yieldMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** Bytes on their way to one member. */
  readonly windowBytesMax: number;
  /** Of mutations in one record, unless one command has more. */
  readonly recordBytesMax: number;
  readonly sliceBytesMax: number;
  /** A clock further from the median of its peers than this does not campaign. */
  readonly clockSkewMsMax: number;
  /** The log is kept at least so long, */
  readonly logKeepMs: number;
  /** at least so much of it, */
  readonly logKeepBytes: number;
  /** and never more than this; a member that needs more gets a copy of the state. */
  readonly logBytesMax: number;
  /** Records trimmed in one batch. */
  readonly trimCountMax: number;
}

export type Role =
  | { readonly kind: "follower"; readonly leader: MemberId | undefined }
  | { readonly kind: "candidate"; readonly epoch: Epoch }
  | { readonly kind: "leader"; readonly epoch: Epoch }
  /** It met what can only be corruption, and takes part in nothing until it is rebuilt. */
  | { readonly kind: "quarantined"; readonly why: string }
  | { readonly kind: "stopped" };

/** What the member tells the rest of the node; calls must not call back into it. */
export interface MemberObserver {
  roleChanged(role: Role): void;
  /** The group's configuration changed, in force or in the log. */
  configurationChanged(configuration: Configuration): void;
  /** Records up to here are applied to this node's state. */
  applied(seq: LogSeq): void;
  /** Progress of a copy being taken or given, for metrics. */
  copyProgress(progress: CopyProgress): void;
  /** Acknowledged in `async` mode and then lost with a leader. */
  recordsLost(count: number): void;
  /** An invariant of the protocol broke, or the disk failed: the process must end. */
  failed(error: Error): void;
}

export interface CopyProgress {
  readonly direction: "taking" | "giving";
  readonly peer: MemberId;
  readonly bytesDone: number;
  readonly bytesEstimated: number;
  readonly isDone: boolean;
}

export interface MemberParts {
  readonly id: MemberId;
  readonly disk: ReplicaDisk;
  readonly network: Network;
  readonly coordinator: Coordinator;
  readonly clock: MemberClock;
  /** From 0 (inclusive) to 1 (exclusive). */
  readonly random: () => number;
  readonly settings: MemberSettings;
  readonly observer: MemberObserver;
}

/** What becomes of a record that the leader was given. */
export interface AppendProgress {
  stored(): void;
  committed(seq: LogSeq): void;
  applied(): void;
  failed(error: Error): void;
}

/** How a member that follows is doing, as its leader sees it. */
export interface FollowerStatus {
  readonly id: MemberId;
  readonly isConnected: boolean;
  readonly durableSeq: LogSeq;
  readonly appliedSeq: LogSeq;
  readonly lagRecords: number;
  readonly lagBytes: number;
  readonly lagMs: number;
  readonly roundTripMs: number;
  /** Since it was last heard of, or since this member leads. */
  readonly silentMs: number;
  readonly diskFreeBytes: number;
  readonly isTakingCopy: boolean;
}

/** Who still needs a part of the leader's log, from after `seq` on. */
export interface LogReader {
  readonly id: MemberId;
  readonly kind: "member" | "copy";
  readonly seq: LogSeq;
  /** How long ago the log ended there. */
  readonly ageMs: number;
}

export interface MemberStatus {
  readonly id: MemberId;
  readonly role: Role;
  readonly promisedEpoch: Epoch;
  readonly logEnd: LogPosition;
  readonly commitSeq: LogSeq;
  readonly appliedSeq: LogSeq;
  readonly configuration: Configuration;
  /** Of all other members, known to a leader only. */
  readonly followers: readonly FollowerStatus[];
  /** What the log holds; of what was there before the start an estimate. */
  readonly logBytes: number;
  /** Who keeps the log from being let go of; known to a leader only. */
  readonly oldestReader: LogReader | undefined;
  /** A follower's bound on how old its state is; undefined when it has heard of no leader. A leader's is 0. */
  readonly stalenessMs: number | undefined;
}

/** What a serving node asks of the member that leads; all of it throws `LeadershipLost` or calls `failed` once it does not. */
export interface Leadership {
  readonly epoch: Epoch;
  /** Takes the changes of one record; the next one only after `stored`. */
  append(changes: readonly StateChange[], leaderTime: EpochMs, progress: AppendProgress): LogSeq;
  /** Whether the lease still proves that nobody else leads. */
  mayAnswer(): boolean;
  /** Calls back once a majority has confirmed, after this call, that no later epoch had begun. */
  confirm(done: (isConfirmed: boolean) => void): void;
  /** Calls back once `count` voters, this one among them, have `seq` on disk; false when leadership ends before. */
  whenDurable(seq: LogSeq, count: number, done: (isDurable: boolean) => void): void;
  /** How many voters have `seq` on disk now. */
  durableCount(seq: LogSeq): number;
}

/** The member itself, as its node uses it. */
export interface ReplicationMember {
  start(): void;
  receive(from: MemberId, message: PeerMessage): void;
  /** The way to a member came up, or has room again. */
  networkReady(to: MemberId): void;
  coordinatorChanged(view: CoordinatorView): void;
  status(): MemberStatus;
  /** While the role is leader. */
  leadership(): Leadership | undefined;
  /** Leader: adds, removes or promotes one member, or changes acks. One change at a time. */
  changeConfiguration(change: ConfigurationChange, done: (result: ChangeResult) => void): void;
  /** Leader: takes no more records, waits for what it has and lets a voter take over, the most advanced if none is named. */
  handOver(target: MemberId | undefined, done: (result: ChangeResult) => void): void;
  /** What this member has is not what it stored: it takes part in nothing until it is rebuilt. */
  spoilt(why: string): void;
  /** Ends at once; nothing is called back after it. */
  stop(): void;
}

export type ConfigurationChange =
  | { readonly kind: "add_learner"; readonly member: GroupMember }
  | { readonly kind: "promote"; readonly id: MemberId }
  | { readonly kind: "remove"; readonly id: MemberId }
  | { readonly kind: "set_acks"; readonly acks: AcksMode }
  /** The same member at other addresses. */
  | { readonly kind: "move"; readonly member: GroupMember };

export type ChangeResult =
  | { readonly kind: "done"; readonly configuration: Configuration }
  /** In words for an operator: what stands in the way and what to do. */
  | { readonly kind: "refused"; readonly why: string };
