// Lets another voter lead without waiting for a lease to end: takes no more records, waits until all it has is committed, and asks
// the most advanced voter to take over. From that moment on this member answers nothing by itself, because the other may lead
// already, and it never leads this epoch again.

import type { MemberId } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import { type Inside, isVoter } from "./inside.js";
import type { Leader } from "./leader.js";
import type { ChangeResult } from "./ports.js";
import { handoverMsMax } from "./settings.js";

interface Transfer {
  readonly leader: Leader;
  readonly wanted: MemberId | undefined;
  readonly done: (result: ChangeResult) => void;
  readonly deadlineMs: number;
  /** Who was asked to take over. */
  asked: MemberId | undefined;
}

export class Handover {
  readonly #inside: Inside;
  readonly #leader: () => Leader | undefined;
  #transfer: Transfer | undefined;
  #timer: Timer | undefined;

  constructor(inside: Inside, leader: () => Leader | undefined) {
    this.#inside = inside;
    this.#leader = leader;
  }

  begin(wanted: MemberId | undefined, done: (result: ChangeResult) => void): void {
    const leader = this.#leader();
    const why = this.#whyNot(leader, wanted);
    if (leader === undefined || why !== undefined) {
      this.#inside.context.tell(() => done({ kind: "refused", why: why ?? "" }));
      return;
    }
    leader.close();
    const deadlineMs = this.#inside.context.nowMs() + handoverMsMax;
    this.#transfer = { leader, wanted, done, deadlineMs, asked: undefined };
    this.#beat(this.#transfer);
  }

  /** Something was confirmed. */
  advance(): void {
    const transfer = this.#transfer;
    if (transfer === undefined || transfer.asked !== undefined || !transfer.leader.isSettled)
      return;
    const target = transfer.wanted ?? transfer.leader.mostAdvancedVoter();
    const { seq } = this.#inside.durable.planned.logEnd;
    if (target === undefined || transfer.leader.streams.get(target)?.matchedSeq !== seq) return;
    transfer.asked = target;
    transfer.leader.yieldTo();
    this.#askAgain(transfer, target);
  }

  /** This member leads no more. */
  ended(): void {
    const transfer = this.#transfer;
    if (transfer === undefined) return;
    const { configuration } = this.#inside.durable.planned;
    this.#finish(
      transfer,
      transfer.asked === undefined
        ? { kind: "refused", why: "It stopped leading before it could hand over." }
        : { kind: "done", configuration },
    );
  }

  #whyNot(leader: Leader | undefined, wanted: MemberId | undefined): string | undefined {
    if (leader === undefined) return "This node does not lead the group.";
    if (this.#transfer !== undefined) return "It hands over already.";
    const { configuration } = this.#inside.durable.planned;
    if (wanted !== undefined && !isVoter(configuration, wanted)) {
      return "Only a voter can take over.";
    }
    if ((wanted ?? leader.mostAdvancedVoter()) === undefined) {
      return "No other voter answers that could take over.";
    }
    return wanted === this.#inside.context.id ? "It leads already." : undefined;
  }

  #beat(transfer: Transfer): void {
    if (this.#transfer !== transfer) return;
    const { context } = this.#inside;
    this.advance();
    if (context.nowMs() >= transfer.deadlineMs) {
      this.#timeOut(transfer);
      return;
    }
    if (transfer.asked !== undefined) this.#askAgain(transfer, transfer.asked);
    this.#timer = context.timer(context.parts.settings.heartbeatMs, () => this.#beat(transfer));
  }

  #timeOut(transfer: Transfer): void {
    if (transfer.asked !== undefined) {
      // It may have taken over or may do so yet: the only safe thing is to go.
      this.#inside.resign("its successor did not take over in time", transfer.asked);
      return;
    }
    transfer.leader.reopen();
    this.#finish(transfer, {
      kind: "refused",
      why: "No voter had everything in time; this node goes on leading.",
    });
  }

  #askAgain({ leader }: Transfer, to: MemberId): void {
    const lastSeq = this.#inside.durable.planned.logEnd.seq;
    this.#inside.context.send(to, { kind: "transfer_now", epoch: leader.epoch, lastSeq });
  }

  #finish(transfer: Transfer, result: ChangeResult): void {
    this.#transfer = undefined;
    this.#timer?.cancel();
    this.#inside.context.tell(() => transfer.done(result));
  }
}
