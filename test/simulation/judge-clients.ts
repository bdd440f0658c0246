// What clients were told, and what they may be told next: nobody reads a state that lacks what anybody was acknowledged before.
//
// A read is one instant here, so that it is enough to compare what the answering member had seen with the highest place
// acknowledged anywhere before the read began.

import type { CommittedRecord } from "./committed-log.js";
import type { Claim, Judge } from "./judge.js";
import { Violation } from "./trace.js";

interface Acknowledgement {
  readonly atMs: number;
  readonly seq: number;
}

export class ClientJudge {
  readonly #judge: Judge;
  readonly #acknowledgements: Acknowledgement[] = [];
  #seqMax = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  get acknowledgedCount(): number {
    return this.#acknowledgements.length;
  }

  /** The highest place a client was told of. */
  get acknowledgedSeq(): number {
    return this.#seqMax;
  }

  /** A client is told that its value is safe. */
  acknowledged(claim: Claim, value: string, atMs: number): void {
    this.#judge.claimed(claim);
    const record = this.#judge.committed.at(claim.seq);
    // Told by a leader in `async` mode who did not know that another one had begun: lost at once.
    if (this.#judge.lostCount > 0 && record?.epoch !== claim.epoch) return;
    if (record?.epoch !== claim.epoch || !holds(record, value)) {
      throw new Violation(
        "I1",
        `${claim.by} acknowledges ${value} at ${claim.seq}, where something else is committed`,
      );
    }
    this.#seqMax = Math.max(this.#seqMax, claim.seq);
    this.#acknowledgements.push({ atMs, seq: this.#seqMax });
  }

  /** A client reads what `by` knows to be committed up to `seenSeq`; it had to see everything up to `requiredSeq`. */
  read(by: string, rule: "lease" | "confirm", seenSeq: number, requiredSeq: number): void {
    // What `async` lost was acknowledged and nobody can see it.
    if (this.#judge.lostCount > 0 || seenSeq >= requiredSeq) return;
    throw new Violation(
      rule,
      `${by} answers a read from ${seenSeq}, and ${requiredSeq} was acknowledged before`,
    );
  }

  /** A follower says that its state is no older than this. */
  readFollower(by: string, seenSeq: number, asOfMs: number): void {
    const before = this.#acknowledgements.findLast(({ atMs }) => atMs < asOfMs);
    if (this.#judge.lostCount > 0 || before === undefined || seenSeq >= before.seq) return;
    throw new Violation(
      "staleness",
      `the state of ${by} ends at ${seenSeq}, and ${before.seq} was acknowledged before the age it claims`,
    );
  }

  /** A leader says that so many voters have it on disk. */
  durable(by: string, seq: number, count: number): void {
    const chain = this.#judge.committed.chainAt(seq);
    if (chain === undefined) return;
    const now = this.#judge.committed.membershipAt(this.#judge.committed.endSeq);
    const then = this.#judge.committed.membershipAt(seq);
    // Whoever votes by now or did then: a promotion may be under way, which the leader knows of first.
    const voters = new Set([now, then].flatMap((each) => [...each.voters, ...each.learners]));
    const found = this.#judge.durableCount({ ...now, voters: [...voters] }, seq, chain);
    if (found >= count) return;
    throw new Violation(
      "durable",
      `${by} says that ${count} voters have ${seq}, and ${found} have it`,
    );
  }
}

function holds({ record }: CommittedRecord, value: string): boolean {
  return record.mutations.some(
    (each) => Buffer.from(each.value ?? []).toString("latin1") === value,
  );
}
