// How old a follower's state may be, without comparing clocks. What the follower sends carries its own time, and the leader's next
// heartbeat gives it back: the commit told with it is no older than that. Once that commit is applied, so is the state.
//
// Both clocks of the machine are asked, and the one that says more is believed: the monotonic one stands still while a machine is
// suspended, and the wall clock may be set back.

import { type LogSeq, logSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";

interface Instant {
  /** As it travels. */
  readonly sentMs: number;
  readonly wallMs: number;
}

interface Heard {
  /** The leader knew of this commit then or later. */
  readonly since: Instant;
  readonly commitSeq: LogSeq;
}

/** Answers whose return is awaited, and commits heard of that wait to be applied; at most so many of each. */
const waitingCountMax = 64;
/** Times of an earlier life of this member lie elsewhere, for all that its clock may begin at the same number. */
const lifeSpreadMs = 2 ** 40;

export class Staleness {
  readonly #context: MemberContext;
  readonly #lifeMs: number;
  /** Oldest first. */
  #sent: Instant[] = [];
  #pending: Heard[] = [];
  #freshSince: Instant | undefined;
  #appliedSeq = logSeq(0);

  constructor(context: MemberContext) {
    this.#context = context;
    this.#lifeMs = Math.floor(context.parts.random() * lifeSpreadMs);
  }

  /** This member's time, to be sent to a leader now. */
  sendingMs(): number {
    const now = this.#now();
    if (this.#sent.length >= waitingCountMax) this.#sent.shift();
    this.#sent.push(now);
    return now.sentMs;
  }

  /** `sentMs`: of the message that the leader had from this member before it told of the commit. */
  heard(sentMs: number, commitSeq: LogSeq): void {
    const since = this.#sent.find((instant) => instant.sentMs === sentMs);
    if (since === undefined) return;
    if (commitSeq <= this.#appliedSeq) this.#fresh(since);
    // Too many to keep: the oldest stay, because they are the next to be applied.
    else if (this.#pending.length < waitingCountMax) this.#pending.push({ since, commitSeq });
  }

  applied(appliedSeq: LogSeq): void {
    if (appliedSeq === this.#appliedSeq) return;
    this.#appliedSeq = appliedSeq;
    for (const { since, commitSeq } of this.#pending) {
      if (commitSeq <= appliedSeq) this.#fresh(since);
    }
    this.#pending = this.#pending.filter(({ commitSeq }) => commitSeq > appliedSeq);
  }

  /** Undefined before a leader was heard of that knew what is committed. */
  boundMs(): number | undefined {
    if (this.#freshSince === undefined) return undefined;
    const now = this.#now();
    return Math.max(now.sentMs - this.#freshSince.sentMs, now.wallMs - this.#freshSince.wallMs);
  }

  #now(): Instant {
    return {
      sentMs: this.#lifeMs + this.#context.nowMs(),
      wallMs: this.#context.wallMs(),
    };
  }

  #fresh(since: Instant): void {
    if (this.#freshSince === undefined || since.sentMs > this.#freshSince.sentMs) {
      this.#freshSince = since;
    }
  }
}
