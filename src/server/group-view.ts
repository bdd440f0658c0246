// What the router and the readiness of a node ask about its group, answered from its member, its disk and its terms.

import type { Clock } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import type { Log } from "../base/log.js";
import type { Config } from "../config/settings.js";
import { keptCertificate } from "../delivery/signing-keys.js";
import type { Coordinator, ReplicationMember, Role } from "../replication/ports.js";
import { leadershipLost } from "../rpc/leader-faults.js";
import type { Position } from "../rpc/parse-consistency.js";
import type { Configuration, GroupMember } from "../store/replica-disk.js";
import type { ReplicaStore } from "../store/replica-store.js";
import type { GroupFacts } from "./cluster-router.js";
import { groupSecret } from "./group-secret.js";
import type { LeadershipTerms } from "./leadership-terms.js";
import { replicaHandlers } from "./replica-handlers.js";
import { ReplicaReader } from "./replica-reader.js";
import { type LeaderTenure, ReplicaTenure } from "./tenure.js";

export interface GroupViewParts {
  readonly replica: ReplicaStore;
  readonly member: () => Pick<ReplicationMember, "leadership" | "status">;
  readonly coordinator: Pick<Coordinator, "view">;
  /** Whether etcd has said that this member was removed. */
  readonly isRemoved: () => boolean;
  readonly terms: LeadershipTerms;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly config: Config;
  readonly log: Log;
  /** Where this node takes calls, as others are told. */
  readonly endpoint: string;
}

export class GroupView implements GroupFacts {
  readonly #parts: GroupViewParts;
  readonly #reader: ReplicaReader;
  readonly #waiting = new Set<() => void>();
  #role: Role = { kind: "follower", leader: undefined };
  #appliedSeq: number;
  #reading: ReplicaTenure | undefined;
  #leaderlessSinceMs: number | undefined;

  constructor(parts: GroupViewParts) {
    const { replica, clock, ids, log } = parts;
    this.#parts = parts;
    this.#appliedSeq = replica.disk.load()?.appliedSeq ?? 0;
    this.#leaderlessSinceMs = clock.monotonicMs();
    this.#reader = new ReplicaReader({
      store: replica.store,
      clock,
      ids,
      appliedInView: replica.appliedInView,
      corruptRowPassed: (corrupt) => log.error({ err: corrupt }, "stored value is corrupt"),
    });
  }

  get role(): Role {
    return this.#role;
  }

  roleChanged(role: Role): void {
    this.#role = role;
    const mayRead = role.kind === "follower" || role.kind === "candidate";
    if (!mayRead) {
      this.#reading?.end(leadershipLost());
      this.#reading = undefined;
    }
  }

  applied(seq: number): void {
    this.#appliedSeq = seq;
    for (const react of [...this.#waiting]) react();
  }

  get configuration(): Configuration {
    return this.#parts.member().status().configuration;
  }

  leading(): LeaderTenure | undefined {
    return this.#parts.terms.tenure;
  }

  reading(): ReplicaTenure | undefined {
    const { kind } = this.#role;
    if ((kind !== "follower" && kind !== "candidate") || !this.isWhole) return undefined;
    this.#reading ??= this.#makeReading();
    return this.#reading;
  }

  /** PEM, of those that this node's state has. */
  async certificate(name: string): Promise<string | undefined> {
    if (this.reading() === undefined) return undefined;
    return await keptCertificate({ engine: this.#reader, clock: this.#parts.clock }, name);
  }

  /** Whether the state is no unfinished copy. */
  get isWhole(): boolean {
    const state = this.#parts.replica.disk.load();
    return state !== undefined && state.appliedSeq >= state.wholeFrom;
  }

  #makeReading(): ReplicaTenure | undefined {
    const { replica, clock, config } = this.#parts;
    const secret = groupSecret(replica.store);
    if (secret === undefined) return undefined;
    const handlers = replicaHandlers({ reader: this.#reader, clock, config, secret });
    return new ReplicaTenure(
      handlers,
      () => this.#position(),
      () => this.leaderEndpoint(),
    );
  }

  /** At or after what any answer has shown. */
  #position(): Position {
    const seq = Math.max(this.#appliedSeq, this.#reader.seenSeq);
    return { epoch: this.#epochAt(seq) ?? 0, seq };
  }

  leaderEndpoint(): string | undefined {
    return this.isLeaderHere() ? this.#parts.endpoint : this.leader()?.dataEndpoint;
  }

  leader(): GroupMember | undefined {
    if (this.#role.kind === "quarantined" || this.#role.kind === "stopped") return undefined;
    const heard = this.#role.kind === "follower" ? this.#role.leader : undefined;
    const { id: here, configuration } = this.#parts.member().status();
    // Before a new leader was heard of, etcd may know it.
    const leader = this.isLeaderHere() ? here : (heard ?? this.#parts.coordinator.view()?.leader);
    return configuration.members.find(({ id }) => id === leader);
  }

  isLeaderHere(): boolean {
    return this.#role.kind === "leader";
  }

  isRemoved(): boolean {
    return this.#parts.isRemoved();
  }

  appliedSeq(): number {
    return this.#appliedSeq;
  }

  stalenessMs(): number | undefined {
    return this.#parts.member().status().stalenessMs;
  }

  isOfHistory({ epoch, seq }: Position): boolean {
    if (seq === 0) return true;
    const known = this.#epochAt(seq);
    if (known !== undefined) return known === epoch;
    // Before the log that is still kept: of one of the epochs up to its first.
    const [first] = this.#parts.replica.disk.load()?.epochBegins ?? [];
    return first !== undefined && epoch <= first.epoch;
  }

  /** Undefined before the epochs that this node still knows of. */
  #epochAt(seq: number): number | undefined {
    const begins = this.#parts.replica.disk.load()?.epochBegins ?? [];
    return begins.findLast(({ firstSeq }) => firstSeq <= seq)?.epoch;
  }

  onApplied(react: () => void): () => void {
    this.#waiting.add(react);
    return () => this.#waiting.delete(react);
  }

  confirmLeading(): Promise<boolean> {
    const leadership = this.#parts.member().leadership();
    if (leadership === undefined) return Promise.resolve(false);
    return new Promise((resolve) => leadership.confirm(resolve));
  }

  /** For how long no leader has been known here. */
  leaderlessMs(): number {
    const nowMs = this.#parts.clock.monotonicMs();
    if (
      this.leading() !== undefined ||
      (!this.isLeaderHere() && this.leaderEndpoint() !== undefined)
    ) {
      this.#leaderlessSinceMs = undefined;
      return 0;
    }
    this.#leaderlessSinceMs ??= nowMs;
    return nowMs - this.#leaderlessSinceMs;
  }
}
