// A member of a replicated group: one of follower, candidate, leader or quarantined, and the parts that do the work of each. Here
// is only who does what: an epoch that has begun ends the roles of earlier ones. Messages are passed out in reception.ts.

import { assert } from "../base/assert.js";
import type { Epoch, LogSeq, MemberId } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { PeerMessage } from "../gen/forebay/replication/v1/replication_service.js";
import type { Configuration } from "../store/replica-disk.js";
import { Candidate } from "./candidate.js";
import { MemberContext } from "./context.js";
import { DurableSide } from "./durable.js";
import { Election } from "./election.js";
import { Follower } from "./follower.js";
import { followersOf, oldestReaderOf } from "./follower-status.js";
import { Handover } from "./handover.js";
import type { Inside } from "./inside.js";
import { Leader } from "./leader.js";
import { LogRetention } from "./log-retention.js";
import { Membership } from "./membership.js";
import type { Position } from "./message.js";
import { epochOf, isSameRole, type Office, roleOf } from "./office.js";
import type {
  ChangeResult,
  ConfigurationChange,
  CoordinatorView,
  Leadership,
  MemberParts,
  MemberStatus,
  ReplicationMember,
  Role,
} from "./ports.js";
import { Reception } from "./reception.js";
import { protocolRules, type Rules } from "./rules.js";
import { SnapshotReceiver } from "./snapshot-receiver.js";
import { messageFromWire } from "./wire.js";

/** A member over its ports. Its disk must hold a `MemberState`: it belongs to a group. */
export function createMember(parts: MemberParts, rules: Rules = protocolRules): ReplicationMember {
  return new Member(parts, rules);
}

class Member implements ReplicationMember, Inside {
  readonly context: MemberContext;
  readonly durable: DurableSide;
  readonly #follower: Follower;
  readonly #election: Election;
  readonly #receiver: SnapshotReceiver;
  readonly #retention: LogRetention;
  readonly #membership: Membership;
  readonly #handover: Handover;
  readonly #reception: Reception;
  #office: Office = { kind: "follower" };
  #toldRole: Role | undefined;
  #toldAppliedSeq: LogSeq;
  #toldConfiguration = 0;
  /** The epoch of the leader whose copy this member's state is, if it took one in this life. */
  #copyEpoch: Epoch | undefined;

  constructor(parts: MemberParts, rules: Rules) {
    this.context = new MemberContext(parts, rules);
    const state = parts.disk.load();
    assert(state !== undefined, "a member's disk belongs to a group");
    assert(state.memberId === parts.id, "a disk belongs to the member that it was made for");
    this.durable = new DurableSide(this.context, state, {
      stored: () => this.#stored(),
      configurationChanged: () => this.#configurationChanged(),
    });
    this.context.bind(
      () => this.durable.flush(),
      (error) => this.#thrown(error),
    );
    this.#toldAppliedSeq = state.appliedSeq;
    this.#follower = new Follower(this);
    this.#receiver = new SnapshotReceiver(this, (offer) => {
      this.#copyEpoch = offer.epoch;
      this.#follower.copied(offer.startSeq);
    });
    this.#election = new Election(this, {
      isLeaderless: () => this.#isLeaderless(),
      leaderClockOffset: () => this.#follower.leaderClockOffset(),
      won: (of) => this.#campaignWon(of),
    });
    this.#retention = new LogRetention(this, () => this.#leader()?.neededFrom());
    this.#membership = new Membership(this, () => this.#leader());
    this.#handover = new Handover(this, () => this.#leader());
    this.#reception = new Reception(this, {
      office: () => this.#office,
      follower: this.#follower,
      election: this.#election,
      receiver: this.#receiver,
      handover: this.#handover,
      followed: () => this.#tellRole(),
    });
  }

  start(): void {
    this.context.guarded(() => {
      this.#tellRole();
      this.#retention.begin();
      this.#releaseOldLease();
      this.#election.consider();
    });
  }

  receive(from: MemberId, peerMessage: PeerMessage): void {
    this.context.guarded(() => {
      if (this.#office.kind === "quarantined") return;
      const message = messageFromWire(peerMessage);
      if (message !== undefined) this.#reception.take(from, message);
    });
  }

  networkReady(to: MemberId): void {
    this.context.guarded(() => {
      if (this.#office.kind === "leader") this.#office.leader.networkReady(to);
      if (this.#office.kind === "candidate") this.#office.candidate.networkReady(to);
    });
  }

  coordinatorChanged(view: CoordinatorView): void {
    this.context.guarded(() => {
      this.heardOf(view.epoch);
      this.#releaseOldLease();
      this.#configurationChanged();
      this.#membership.coordinatorChanged(view);
      this.#tellRole();
      this.#election.consider();
    });
  }

  status(): MemberStatus {
    const { stored, planned } = this.durable;
    const leader = this.#leader();
    return {
      id: this.context.id,
      role: this.#role(),
      promisedEpoch: stored.promisedEpoch,
      logEnd: stored.logEnd,
      commitSeq: leader?.commitSeq ?? maxSeq(this.#follower.commitSeq, stored.appliedSeq),
      appliedSeq: stored.appliedSeq,
      configuration: leader === undefined ? this.configuration() : planned.configuration,
      followers: leader === undefined ? [] : followersOf(leader),
      logBytes: this.#retention.bytes,
      oldestReader: leader === undefined ? undefined : oldestReaderOf(leader, this.#retention),
      stalenessMs: leader === undefined ? this.#follower.stalenessMs : 0,
    };
  }

  leadership(): Leadership | undefined {
    return this.#leader();
  }

  changeConfiguration(change: ConfigurationChange, done: (result: ChangeResult) => void): void {
    this.context.guarded(() => this.#membership.change(change, done));
  }

  handOver(target: MemberId | undefined, done: (result: ChangeResult) => void): void {
    this.context.guarded(() => this.#handover.begin(target, done));
  }

  spoilt(why: string): void {
    this.context.guarded(() => {
      if (this.#office.kind !== "quarantined") this.quarantine(why);
    });
  }

  stop(): void {
    this.#office = { kind: "stopped" };
    this.context.end();
  }

  // What the parts ask of each other.

  configuration(): Configuration {
    const own = this.durable.planned.configuration;
    const known = this.context.parts.coordinator.view()?.configuration;
    return known !== undefined && known.version > own.version ? known : own;
  }

  position(): Position {
    const { stored } = this.durable;
    return {
      promisedEpoch: stored.promisedEpoch,
      lastEpoch: stored.logEnd.epoch,
      lastSeq: stored.logEnd.seq,
      lastChain: stored.logEnd.chain,
      appliedSeq: this.isCopyTorn(stored.promisedEpoch) ? stored.wholeFrom : stored.appliedSeq,
      logFirstSeq: (stored.logBase.seq + 1) as LogSeq,
      epochBegins: stored.epochBegins,
      configVersion: stored.configuration.version,
      mayLead: stored.appliedSeq >= stored.wholeFrom,
      wallMs: this.context.wallMs(),
      diskFreeBytes: this.context.parts.disk.freeBytes(),
    };
  }

  isCopyTorn(of: Epoch): boolean {
    const { appliedSeq, wholeFrom, configuration } = this.durable.stored;
    return appliedSeq < wholeFrom && configuration.acks === "async" && this.#copyEpoch !== of;
  }

  heardOf(of: Epoch): void {
    this.#election.heardOf(of);
    if (of <= epochOf(this.#office) || !this.#holdsEpoch()) return;
    this.#leaveOffice("a later epoch has begun");
    this.context.parts.coordinator.resign(undefined);
  }

  #holdsEpoch(): boolean {
    return this.#office.kind === "candidate" || this.#office.kind === "leader";
  }

  resign(why: string, hint: MemberId | undefined): void {
    this.#leaveOffice(why);
    this.context.parts.coordinator.resign(hint);
    this.#election.backOff(this.context.backoffMs());
    this.#tellRole();
  }

  quarantine(why: string): void {
    const holdsEpoch = this.#holdsEpoch();
    this.#leaveOffice(why);
    this.#receiver.end();
    if (holdsEpoch) this.context.parts.coordinator.resign(undefined);
    this.durable.halt();
    this.#office = { kind: "quarantined", why };
    this.#tellRole();
  }

  leads(of: Epoch): void {
    assert(epochOf(this.#office) === of, "only who holds an epoch leads it");
    this.#tellRole();
  }

  // Roles.

  #leader(): Leader | undefined {
    return this.#office.kind === "leader" && this.#office.leader.isAnnounced
      ? this.#office.leader
      : undefined;
  }

  #campaignWon(of: Epoch): void {
    this.#leaveOffice("it holds a later epoch");
    this.#receiver.end();
    this.#follower.turnTo(of, this.context.id);
    const candidate = new Candidate(this, of, (positions) => this.#takeOffice(of, positions));
    this.#office = { kind: "candidate", candidate };
    this.#tellRole();
    candidate.begin();
  }

  #takeOffice(of: Epoch, positions: ReadonlyMap<MemberId, Position>): void {
    const leader = new Leader(this, of);
    this.#office = { kind: "leader", leader };
    leader.begin(positions);
  }

  #leaveOffice(why: string): void {
    const left = this.#office;
    if (left.kind !== "candidate" && left.kind !== "leader") return;
    this.#office = { kind: "follower" };
    if (left.kind === "candidate") left.candidate.end();
    else left.leader.end(why);
    this.#membership.ended(why);
    this.#handover.ended();
    this.#tellRole();
    this.#election.consider();
  }

  /** A lease of this member's id that it does not lead under is of an earlier life: nobody may lead that epoch again. */
  #releaseOldLease(): void {
    const view = this.context.parts.coordinator.view();
    if (view?.leader !== this.context.id || this.#election.isCampaigning) return;
    if (this.#office.kind === "follower") this.context.parts.coordinator.resign(undefined);
  }

  #isLeaderless(): boolean {
    const { voterSilenceMsMax } = this.context.parts.settings;
    if (this.#office.kind !== "follower") return false;
    const leader = this.context.parts.coordinator.view()?.leader;
    return leader === undefined || !this.#follower.hasHeardWithin(voterSilenceMsMax);
  }

  #role(): Role {
    const known = this.#follower.leader ?? this.context.parts.coordinator.view()?.leader;
    return roleOf(this.#office, known === this.context.id ? undefined : known);
  }

  #tellRole(): void {
    const role = this.#role();
    if (this.#toldRole !== undefined && isSameRole(role, this.#toldRole)) return;
    this.#toldRole = role;
    this.context.tell(() => this.context.parts.observer.roleChanged(role));
  }

  // What became durable, and what broke.

  #stored(): void {
    if (this.#office.kind === "quarantined" || this.#office.kind === "stopped") return;
    const { appliedSeq } = this.durable.stored;
    if (appliedSeq !== this.#toldAppliedSeq) {
      this.#toldAppliedSeq = appliedSeq;
      this.context.tell(() => this.context.parts.observer.applied(appliedSeq));
    }
    this.#retention.stored();
    if (this.#office.kind === "candidate") this.#office.candidate.stored();
    else if (this.#office.kind === "leader") {
      this.#office.leader.stored();
      this.#handover.advance();
    } else this.#follower.stored();
  }

  committed(_seq: LogSeq): void {
    this.#membership.advance();
  }

  #configurationChanged(): void {
    const configuration = this.configuration();
    if (configuration.version === this.#toldConfiguration) return;
    this.#toldConfiguration = configuration.version;
    this.context.tell(() => this.context.parts.observer.configurationChanged(configuration));
  }

  /** Corruption on this member's own disk is for the others to mend; anything else is a bug, and ends the process. */
  #thrown(error: unknown): void {
    if (error instanceof RecordCorrupt && this.#office.kind !== "quarantined") {
      this.context.guarded(() => this.quarantine(error.message));
      return;
    }
    this.context.end();
    const { observer } = this.context.parts;
    observer.failed(error instanceof Error ? error : new Error(String(error)));
  }
}

const maxSeq = (one: LogSeq, other: LogSeq): LogSeq => (one > other ? one : other);
