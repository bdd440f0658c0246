// Which node answers a call. The leader answers everything. Another node answers reads whose caller said how fresh they must be,
// when its state is; everything else it passes on to the leader, once.

import type { Metadata } from "@grpc/grpc-js";
import type { Clock } from "../base/clock.js";
import type { ArrivedCall, CallRouter, Placement } from "../edge/call-router.js";
import { forwardedKey } from "../edge/cluster-metadata.js";
import type { Forwarder, LeadingNode } from "../edge/forwarder.js";
import type { CallContext } from "../rpc/call.js";
import { memberRemoved, noLeader, notLeader, positionUnknown } from "../rpc/leader-faults.js";
import { type Consistency, type Position, positionText } from "../rpc/parse-consistency.js";
import { type LeaderTenure, leaderTrailers, type ReplicaTenure } from "./tenure.js";

/** What the router has to know of this node and its group; looked up for every call. */
export interface GroupFacts {
  /** While this node leads and serves. */
  leading(): LeaderTenure | undefined;
  /** While this node follows with a state that is whole. */
  reading(): ReplicaTenure | undefined;
  /** Where the leader takes calls: undefined when none is known. */
  leaderEndpoint(): string | undefined;
  /** As `leaderEndpoint`, as nodes know it. */
  leader(): LeadingNode | undefined;
  /** Whether the leader is this very node, perhaps not serving yet. */
  isLeaderHere(): boolean;
  /** Whether this node's member was removed from the cluster. */
  isRemoved(): boolean;
  /** Up to where this node's state is. */
  appliedSeq(): number;
  /** Of how long ago this node's state is at most; undefined when it cannot tell. */
  stalenessMs(): number | undefined;
  /** Whether a position is of this group's history, as far as this node has it. */
  isOfHistory(position: Position): boolean;
  /** Calls back after something was applied; returns what forgets that. */
  onApplied(react: () => void): () => void;
  /** Resolves with whether a majority confirmed, after this call, that this node leads. */
  confirmLeading(): Promise<boolean>;
}

/** How long a read waits for its position here before the leader is asked. */
const positionWaitMs = 200;

export class ClusterRouter implements CallRouter {
  readonly #facts: GroupFacts;
  readonly #clock: Clock;
  readonly #forwarderTo: (leader: LeadingNode) => Forwarder;

  constructor(facts: GroupFacts, clock: Clock, forwarderTo: (leader: LeadingNode) => Forwarder) {
    this.#facts = facts;
    this.#clock = clock;
    this.#forwarderTo = forwarderTo;
  }

  place({ path, consistency, context }: ArrivedCall): Placement | Promise<Placement> {
    const leading = this.#facts.leading();
    if (leading !== undefined) return this.#placeLeading(leading, consistency);
    // Its state is one that nobody updates, and who leads is no longer told to it for sure.
    if (this.#facts.isRemoved()) return { kind: "nowhere", fault: memberRemoved() };
    const reading = consistency === undefined ? undefined : this.#facts.reading();
    if (consistency === undefined || reading?.handlerOf(path) === undefined) {
      return this.#passOn(context);
    }
    return this.#placeRead(reading, consistency, context);
  }

  trailers(): Metadata {
    return leaderTrailers(this.#facts.leaderEndpoint());
  }

  #placeLeading(
    tenure: LeaderTenure,
    consistency: Consistency | undefined,
  ): Placement | Promise<Placement> {
    const here: Placement = { kind: "here", tenure };
    switch (consistency?.kind) {
      case "leader_quorum":
        return this.#facts
          .confirmLeading()
          .then((isLeading) => (isLeading ? here : { kind: "nowhere", fault: noLeader() }));
      case "at_least":
        return this.#isKnown(consistency.position, tenure.records.position().seq)
          ? here
          : { kind: "nowhere", fault: positionUnknown(positionText(consistency.position)) };
      case undefined:
      case "leader_lease":
      case "bounded":
      case "any":
        return here;
    }
  }

  #placeRead(
    tenure: ReplicaTenure,
    consistency: Consistency,
    context: CallContext,
  ): Placement | Promise<Placement> {
    const here: Placement = { kind: "here", tenure };
    switch (consistency.kind) {
      case "any":
        return here;
      case "bounded": {
        const stalenessMs = this.#facts.stalenessMs();
        const isFresh = stalenessMs !== undefined && stalenessMs <= consistency.stalenessMsMax;
        return isFresh ? here : this.#passOn(context);
      }
      case "at_least":
        return this.#placeAtLeast(tenure, consistency.position, context);
      case "leader_lease":
      case "leader_quorum":
        return this.#passOn(context);
    }
  }

  async #placeAtLeast(
    tenure: ReplicaTenure,
    position: Position,
    context: CallContext,
  ): Promise<Placement> {
    // The leader knows of a position that this node never comes to.
    if (!(await this.#hasApplied(position.seq))) return this.#passOn(context);
    if (this.#isKnown(position, this.#facts.appliedSeq())) return { kind: "here", tenure };
    return { kind: "nowhere", fault: positionUnknown(positionText(position)) };
  }

  /** Whether a position is one of the committed history up to `committedSeq`. */
  #isKnown(position: Position, committedSeq: number): boolean {
    return position.seq <= committedSeq && this.#facts.isOfHistory(position);
  }

  #hasApplied(seq: number): Promise<boolean> {
    if (this.#facts.appliedSeq() >= seq) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (): void => {
        forget();
        timer.cancel();
        resolve(this.#facts.appliedSeq() >= seq);
      };
      const forget = this.#facts.onApplied(() => {
        if (this.#facts.appliedSeq() >= seq) settle();
      });
      const timer = this.#clock.setTimer(positionWaitMs, settle);
    });
  }

  #passOn(context: CallContext): Placement {
    // Passed on once and no more, or two nodes that each take the other for the leader would pass it on for ever.
    if (context.metadata(forwardedKey) !== undefined)
      return { kind: "nowhere", fault: notLeader() };
    const leader = this.#facts.isLeaderHere() ? undefined : this.#facts.leader();
    if (leader === undefined) return { kind: "nowhere", fault: noLeader() };
    return { kind: "elsewhere", forwarder: this.#forwarderTo(leader) };
  }
}
