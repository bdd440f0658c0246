// What the members of a group say to each other: which part of this one a message is for, and whether it is listened to at all.
// Here is rule E2: who has promised an epoch does nothing for an earlier one, and says so.

import type { Epoch, MemberId } from "../base/brands.js";
import type { Election } from "./election.js";
import type { Follower } from "./follower.js";
import type { Handover } from "./handover.js";
import type { Inside } from "./inside.js";
import type { Message } from "./message.js";
import { epochOf, type Office } from "./office.js";
import type { SnapshotReceiver } from "./snapshot-receiver.js";

/** Whom messages are for. */
export interface ReceptionParts {
  readonly office: () => Office;
  readonly follower: Follower;
  readonly election: Election;
  readonly receiver: SnapshotReceiver;
  readonly handover: Handover;
  /** Whom this member follows may have changed. */
  readonly followed: () => void;
}

type Answer = Extract<
  Message,
  { readonly kind: "hello_ack" | "log_slice" | "ack" | "nack" | "ask_slice" }
>;

export class Reception {
  readonly #inside: Inside;
  readonly #parts: ReceptionParts;

  constructor(inside: Inside, parts: ReceptionParts) {
    this.#inside = inside;
    this.#parts = parts;
  }

  take(from: MemberId, message: Message): void {
    switch (message.kind) {
      case "ask_position":
        this.#inside.context.send(from, { kind: "position", position: this.#inside.position() });
        return;
      case "position":
        this.#parts.election.position(from, message.position);
        return;
      case "refusal":
        this.#refused(message.epoch, message.promisedEpoch);
        return;
      case "hello":
        if (!this.#listen(from, message.epoch)) return;
        this.#parts.follower.hello(from);
        return;
      case "append":
        if (!this.#listen(from, message.epoch)) return;
        this.#parts.follower.append(from, message, this.#parts.receiver.isActive);
        this.#parts.followed();
        return;
      case "offer_snapshot":
        if (this.#listen(from, message.epoch)) this.#parts.receiver.offer(from, message);
        return;
      case "state_slice":
        if (this.#listen(from, message.epoch)) this.#parts.receiver.slice(from, message);
        return;
      case "fetch_log":
        if (this.#listen(from, message.epoch)) this.#sendLog(from, message);
        return;
      case "transfer_now":
        if (message.epoch === this.#inside.durable.planned.promisedEpoch) {
          this.#parts.election.takeOver(message.epoch);
        }
        return;
      case "hello_ack":
      case "log_slice":
      case "ack":
      case "nack":
      case "ask_slice":
        // Answers to what was said in an epoch: to who still holds that one.
        if (message.epoch === epochOf(this.#parts.office())) this.#answered(from, message);
        return;
    }
  }

  #answered(from: MemberId, message: Answer): void {
    const office = this.#parts.office();
    if (office.kind === "candidate") {
      const { candidate } = office;
      if (message.kind === "hello_ack") candidate.helloAck(from, message.position);
      if (message.kind === "log_slice") candidate.slice(from, message);
    }
    if (office.kind !== "leader") return;
    const { leader } = office;
    if (message.kind === "ack") leader.ack(from, message);
    if (message.kind === "nack") leader.nack(from, message);
    if (message.kind === "ask_slice") leader.askSlice(from, message);
    if (message.kind === "ack") this.#parts.handover.advance();
  }

  /** Rule E2: listens to no epoch below the promise; one above it is promised, and ends what earlier ones gave. */
  #listen(from: MemberId, of: Epoch): boolean {
    const { promisedEpoch } = this.#inside.durable.planned;
    const isHeldByOther =
      epochOf(this.#parts.office()) === of || !this.#parts.follower.isHeldBy(from, of);
    if (!this.#inside.context.rules.mayFollow(of, promisedEpoch) || isHeldByOther) {
      this.#inside.context.send(from, { kind: "refusal", epoch: of, promisedEpoch });
      return false;
    }
    if (of > promisedEpoch) {
      this.#inside.heardOf(of);
      this.#parts.receiver.end();
    }
    this.#inside.durable.promise(of);
    this.#parts.follower.turnTo(of, from);
    return true;
  }

  #refused(of: Epoch, promisedEpoch: Epoch): void {
    this.#parts.election.heardOf(promisedEpoch);
    if (of !== epochOf(this.#parts.office()) || promisedEpoch < of) return;
    this.#inside.resign(`a member has promised epoch ${promisedEpoch} to another`, undefined);
  }

  #sendLog(to: MemberId, { epoch: of, fromSeq }: Extract<Message, { kind: "fetch_log" }>): void {
    const { rules, parts } = this.#inside.context;
    if (!rules.mayAnswer(of, this.#inside.durable.stored.promisedEpoch)) return;
    const entries = this.#inside.durable
      .read(fromSeq, parts.settings.sliceBytesMax)
      .filter(({ seq }) => seq <= this.#inside.durable.durableSeq);
    this.#inside.context.send(to, { kind: "log_slice", epoch: of, fromSeq, entries });
  }
}
