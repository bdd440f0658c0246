// What an operator does to a group meanwhile: hands leadership over, adds learners, promotes and removes members, changes how
// many disks must have a record. It asks whoever leads, and asks for what makes no sense as well.

import type { ConfigurationChange } from "../../src/replication/ports.js";
import type { GroupMember } from "../../src/store/replica-disk.js";
import type { SimulatedNode } from "./node.js";
import type { Prng } from "./prng.js";
import type { OperatorWeights } from "./schedule.js";
import { pickWeighted } from "./weighted.js";
import type { World } from "./world.js";

const nodeCountMax = 8;
const memberCountMax = 6;

export class Operator {
  readonly #world: World;
  readonly #prng: Prng;
  #isOver = false;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
    this.#next();
  }

  end(): void {
    this.#isOver = true;
  }

  #next(): void {
    const { events, schedule } = this.#world;
    events.after(this.#prng.span(schedule.operatorEveryMs), () => {
      if (this.#isOver) return;
      const leader = this.#prng.pickIfAny(this.#world.leaders());
      const operation = pickWeighted(this.#prng, schedule.operations);
      if (leader !== undefined && operation !== undefined) this.#do(operation, leader);
      this.#next();
    });
  }

  #do(operation: keyof OperatorWeights, leader: SimulatedNode): void {
    if (operation === "handOver") {
      this.#handOver(leader);
      return;
    }
    const change = this.#change(operation, leader);
    if (change === undefined) return;
    const { trace } = this.#world;
    trace.note(
      () =>
        `operator asks ${leader.name}: ${operation} ${"id" in change ? change.id.slice(0, 4) : ""}`,
    );
    leader.ask((member) =>
      member.changeConfiguration(change, (result) => {
        trace.note(
          () => `operator is told: ${result.kind} ${result.kind === "refused" ? result.why : ""}`,
        );
      }),
    );
  }

  #handOver(leader: SimulatedNode): void {
    const { trace } = this.#world;
    const others = this.#members(leader).filter(({ isVoter, id }) => isVoter && id !== leader.id);
    const target = this.#prng.chance(0.5) ? undefined : this.#prng.pickIfAny(others)?.id;
    trace.note(() => `operator asks ${leader.name} to hand over`);
    leader.ask((member) =>
      member.handOver(target, (result) => {
        trace.note(
          () => `operator is told: ${result.kind} ${result.kind === "refused" ? result.why : ""}`,
        );
      }),
    );
  }

  #change(
    operation: Exclude<keyof OperatorWeights, "handOver">,
    leader: SimulatedNode,
  ): ConfigurationChange | undefined {
    const members = this.#members(leader);
    switch (operation) {
      case "addLearner":
        return this.#addLearner(members);
      case "promote": {
        const learner = this.#prng.pickIfAny(members.filter(({ isVoter }) => !isVoter));
        return learner === undefined ? undefined : { kind: "promote", id: learner.id };
      }
      case "remove":
        return this.#remove(members);
      case "setAcks":
        return { kind: "set_acks", acks: this.#prng.pick(["quorum", "quorum", "all"] as const) };
    }
  }

  /** A node whose disk was wiped, or a new one. */
  #addLearner(members: readonly GroupMember[]): ConfigurationChange | undefined {
    if (members.length >= memberCountMax) return undefined;
    const { nodes } = this.#world;
    const strangers = nodes.filter(
      ({ id, disk }) =>
        (disk.flushed.member?.logEnd.seq ?? 0) === 0 && !members.some((each) => each.id === id),
    );
    const node = this.#prng.pickIfAny(strangers) ?? this.#newNode();
    if (node === undefined) return undefined;
    node.start();
    return { kind: "add_learner", member: this.#world.memberOf(node, false) };
  }

  #newNode(): SimulatedNode | undefined {
    const { nodes } = this.#world;
    if (nodes.length >= nodeCountMax) return undefined;
    return this.#world.addNode(`n${nodes.length + 1}`, `z${this.#prng.integer(1, 7)}`);
  }

  /** Never so that those who are left could not decide anything: an operator looks who is there. */
  #remove(members: readonly GroupMember[]): ConfigurationChange | undefined {
    const isThere = ({ id }: GroupMember): boolean => this.#world.nodeOf(id) !== undefined;
    const voters = members.filter(({ isVoter }) => isVoter);
    const candidates = members.filter((member) => {
      const left = voters.filter((voter) => voter !== member);
      return left.filter(isThere).length > left.length / 2;
    });
    // A member that lost its disk goes first.
    const gone = candidates.filter((member) => !isThere(member));
    const member = this.#prng.pickIfAny(gone) ?? this.#prng.pickIfAny(candidates);
    return member === undefined ? undefined : { kind: "remove", id: member.id };
  }

  #members(leader: SimulatedNode): readonly GroupMember[] {
    return leader.member?.status().configuration.members ?? [];
  }
}
