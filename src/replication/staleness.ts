// How old a follower's state may be, without comparing clocks. What the follower sends carries its own time, and the leader's next
// heartbeat gives it back: the commit told with it is no older than that. Once that commit is applied, so is the state.

import { type LogSeq, logSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";

interface Heard {
  /** The leader knew of this commit then or later. */
  readonly sinceMs: number;
  readonly commitSeq: LogSeq;
}

const heardCountMax = 64;
/** Times of an earlier life of this member lie elsewhere, for all that its clock may begin at the same number. */
const lifeSpreadMs = 2 ** 40;

export class Staleness {
  readonly #context: MemberContext;
  readonly #lifeMs: number;
  readonly #startMs: number;
  /** What was heard and is not applied yet, oldest first. */
  #pending: Heard[] = [];
  #freshMs: number | undefined;
  #appliedSeq = logSeq(0);

  constructor(context: MemberContext) {
    this.#context = context;
    this.#lifeMs = Math.floor(context.parts.random() * lifeSpreadMs);
    this.#startMs = this.sendingMs();
  }

  /** This member's time as it is sent to a leader. */
  sendingMs(): number {
    return this.#lifeMs + this.#context.nowMs();
  }

  /** `sentMs`: of the message that the leader had from this member before it told of the commit. */
  heard(sentMs: number, commitSeq: LogSeq): void {
    if (sentMs < this.#startMs || sentMs > this.sendingMs()) return;
    if (commitSeq <= this.#appliedSeq) this.#fresh(sentMs);
    // Too many to keep: the oldest stay, because they are the next to be applied.
    else if (this.#pending.length < heardCountMax) {
      this.#pending.push({ sinceMs: sentMs, commitSeq });
    }
  }

  applied(appliedSeq: LogSeq): void {
    if (appliedSeq === this.#appliedSeq) return;
    this.#appliedSeq = appliedSeq;
    for (const { sinceMs, commitSeq } of this.#pending) {
      if (commitSeq <= appliedSeq) this.#fresh(sinceMs);
    }
    this.#pending = this.#pending.filter(({ commitSeq }) => commitSeq > appliedSeq);
  }

  /** Undefined before a leader was heard of that knew what is committed. */
  boundMs(): number | undefined {
    return this.#freshMs === undefined ? undefined : this.sendingMs() - this.#freshMs;
  }

  #fresh(sinceMs: number): void {
    this.#freshMs = Math.max(this.#freshMs ?? sinceMs, sinceMs);
  }
}
