// The records that a leader was given and has not applied yet, with whom to tell: stored here, committed by enough voters,
// applied here; always in this order, though a record may be committed before this disk has it.

import type { LogSeq } from "../base/brands.js";
import type { MemberContext } from "./context.js";
import type { AppendProgress } from "./ports.js";

interface Pending {
  readonly seq: LogSeq;
  readonly progress: AppendProgress;
  told: "nothing" | "stored" | "committed";
}

export interface Reached {
  readonly durableSeq: LogSeq;
  readonly commitSeq: LogSeq;
  readonly appliedSeq: LogSeq;
}

export class PendingRecords {
  readonly #context: MemberContext;
  #records: Pending[] = [];

  constructor(context: MemberContext) {
    this.#context = context;
  }

  add(seq: LogSeq, progress: AppendProgress): void {
    this.#records.push({ seq, progress, told: "nothing" });
  }

  advance(reached: Reached): void {
    let appliedCount = 0;
    for (const record of this.#records) {
      if (record.seq > reached.durableSeq && record.told === "nothing") break;
      if (this.#tellOf(record, reached)) appliedCount += 1;
    }
    if (appliedCount > 0) this.#records = this.#records.slice(appliedCount);
  }

  /** True once there is nothing more to tell of it. */
  #tellOf(record: Pending, { commitSeq, appliedSeq }: Reached): boolean {
    const { seq, progress } = record;
    if (record.told === "nothing") {
      record.told = "stored";
      this.#context.tell(() => progress.stored());
    }
    if (record.told === "stored" && seq <= commitSeq) {
      record.told = "committed";
      this.#context.tell(() => progress.committed(seq));
    }
    if (record.told !== "committed" || seq > appliedSeq) return false;
    this.#context.tell(() => progress.applied());
    return true;
  }

  fail(error: Error): void {
    for (const { progress } of this.#records) this.#context.tell(() => progress.failed(error));
    this.#records = [];
  }
}
