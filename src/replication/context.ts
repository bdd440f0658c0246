// What all parts of a member share: the ports, and the way in and out of the protocol's code.
//
// Everything enters through `guarded`: a message, a timer, an answer of the disk. What is to be told outside waits until the
// protocol has come to rest, so that nobody sees it in the middle of a step; what is to be written is written last, so that one
// batch holds all of a step. Whatever is thrown ends the member: a crash is safe, wrong data is not.

import type { EpochMs, MemberId } from "../base/brands.js";
import { epochMs } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { Message } from "./message.js";
import type { MemberParts } from "./ports.js";
import type { Rules } from "./rules.js";
import { messageToWire } from "./wire.js";

export class MemberContext {
  readonly parts: MemberParts;
  readonly rules: Rules;
  readonly id: MemberId;
  #depth = 0;
  #isOver = false;
  #settle: () => void = () => undefined;
  #thrown: (error: unknown) => void = () => undefined;
  readonly #outside: (() => void)[] = [];

  constructor(parts: MemberParts, rules: Rules) {
    this.parts = parts;
    this.rules = rules;
    this.id = parts.id;
  }

  /** `settle` starts what is to be written; `thrown` takes what broke a step. */
  bind(settle: () => void, thrown: (error: unknown) => void): void {
    this.#settle = settle;
    this.#thrown = thrown;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Nothing enters or leaves from now on. */
  end(): void {
    this.#isOver = true;
    this.#outside.length = 0;
  }

  /** Runs one step of the protocol. */
  guarded(step: () => void): void {
    if (this.#isOver) return;
    this.#depth += 1;
    this.#attempt(step);
    // Twice: when the first coming to rest breaks, what became of the member is told by the second.
    if (this.#depth === 1 && !this.#attempt(() => this.#comeToRest())) {
      this.#attempt(() => this.#comeToRest());
    }
    this.#depth -= 1;
  }

  #attempt(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.#thrown(error);
      return false;
    }
  }

  /** Tells the outside once the protocol has come to rest; it may call back into the member then. */
  tell(outside: () => void): void {
    this.#outside.push(outside);
  }

  #comeToRest(): void {
    do {
      // A list that grows while it is told: who is told that a record is stored brings the next.
      for (let at = 0; at < this.#outside.length && !this.#isOver; at += 1) this.#outside[at]?.();
      this.#outside.length = 0;
      if (!this.#isOver) this.#settle();
    } while (this.#outside.length > 0);
  }

  send(to: MemberId, message: Message): void {
    if (!this.#isOver) this.parts.network.send(to, messageToWire(message));
  }

  timer(delayMs: number, fire: () => void): Timer {
    return this.parts.clock.setTimer(delayMs, () => this.guarded(fire));
  }

  nowMs(): number {
    return this.parts.clock.monotonicMs();
  }

  wallMs(): EpochMs {
    return epochMs(this.parts.clock.wallMs());
  }

  /** A random time between the two that are set for backing off. */
  backoffMs(): number {
    const { backoffMinMs, backoffMaxMs } = this.parts.settings;
    return backoffMinMs + this.parts.random() * (backoffMaxMs - backoffMinMs);
  }
}
