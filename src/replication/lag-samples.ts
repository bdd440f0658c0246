// Where the log ended at each of the last heartbeats: what tells how long ago a member was up to date.

import type { LogSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";

// About ten seconds; who is further behind is so by at least that.
const sampleCountMax = 64;

export class LagSamples {
  readonly #context: MemberContext;
  /** Oldest first. */
  #samples: { readonly atMs: number; readonly endSeq: LogSeq }[] = [];

  constructor(context: MemberContext) {
    this.#context = context;
  }

  note(endSeq: LogSeq): void {
    this.#samples.push({ atMs: this.#context.nowMs(), endSeq });
    if (this.#samples.length > sampleCountMax) this.#samples.shift();
  }

  /** How long ago the log ended where a member's ends now; 0 for one that has all of `endSeq`. */
  lagMs(durableSeq: LogSeq, endSeq: LogSeq): number {
    if (durableSeq >= endSeq) return 0;
    const reached = this.#samples.findLast((sample) => sample.endSeq <= durableSeq);
    const since = reached ?? this.#samples[0];
    return since === undefined ? 0 : this.#context.nowMs() - since.atMs;
  }
}
