// Who waits for what of a leader: that so many voters have a record on disk, or that a majority answered after the question. All
// of them are told when the leader ends.

import type { LogSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";

interface DurableWaiter {
  readonly seq: LogSeq;
  readonly count: number;
  readonly done: (isDurable: boolean) => void;
}

interface RoundWaiter {
  readonly round: number;
  readonly done: (isConfirmed: boolean) => void;
}

export class LeaderWaiters {
  readonly #context: MemberContext;
  #durable: DurableWaiter[] = [];
  #rounds: RoundWaiter[] = [];

  constructor(context: MemberContext) {
    this.#context = context;
  }

  addDurable(waiter: DurableWaiter): void {
    this.#durable.push(waiter);
  }

  addRound(waiter: RoundWaiter): void {
    this.#rounds.push(waiter);
  }

  settleDurable(countOf: (seq: LogSeq) => number): void {
    if (this.#durable.length === 0) return;
    const settled = this.#durable.filter(({ seq, count }) => countOf(seq) >= count);
    this.#durable = this.#durable.filter((waiter) => !settled.includes(waiter));
    for (const { done } of settled) this.#context.tell(() => done(true));
  }

  settleRounds(isAnswered: (round: number) => boolean): void {
    if (this.#rounds.length === 0) return;
    const settled = this.#rounds.filter(({ round }) => isAnswered(round));
    this.#rounds = this.#rounds.filter((waiter) => !settled.includes(waiter));
    for (const { done } of settled) this.#context.tell(() => done(true));
  }

  end(): void {
    for (const { done } of [...this.#durable, ...this.#rounds]) {
      this.#context.tell(() => done(false));
    }
    this.#durable = [];
    this.#rounds = [];
  }
}
