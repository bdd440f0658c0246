// How old a follower's state may be: the time since it heard from its leader of a commit that it has applied by now.

import { type EpochMs, type LogSeq, logSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";

interface Heard {
  readonly atMs: number;
  readonly leaderTime: EpochMs;
  readonly commitSeq: LogSeq;
}

const heardCountMax = 64;

export class Staleness {
  readonly #context: MemberContext;
  /** What was heard and is not applied yet, oldest first. */
  #pending: Heard[] = [];
  #fresh: Heard | undefined;
  #appliedSeq = logSeq(0);

  constructor(context: MemberContext) {
    this.#context = context;
  }

  heard(leaderTime: EpochMs, commitSeq: LogSeq): void {
    const heard = { atMs: this.#context.nowMs(), leaderTime, commitSeq };
    if (commitSeq <= this.#appliedSeq) {
      this.#fresh = heard;
      return;
    }
    // Too many to keep: the oldest stay, because they are the next to be applied.
    if (this.#pending.length < heardCountMax) this.#pending.push(heard);
  }

  applied(appliedSeq: LogSeq): void {
    this.#appliedSeq = appliedSeq;
    const waiting = this.#pending.findIndex(({ commitSeq }) => commitSeq > appliedSeq);
    const doneCount = waiting === -1 ? this.#pending.length : waiting;
    if (doneCount === 0) return;
    const last = this.#pending[doneCount - 1];
    if (last !== undefined && last.atMs >= (this.#fresh?.atMs ?? 0)) this.#fresh = last;
    this.#pending = this.#pending.slice(doneCount);
  }

  /**
   * Undefined before anything was heard. Counted from when it arrived, and by the two clocks as well: a message that was long on
   * its way is older than its arrival.
   */
  boundMs(): number | undefined {
    if (this.#fresh === undefined) return undefined;
    const sinceHeardMs = this.#context.nowMs() - this.#fresh.atMs;
    return Math.max(sinceHeardMs, this.#context.wallMs() - this.#fresh.leaderTime);
  }
}
