// What is known of each message of a soak, by its number: whether its send was acknowledged, and what its deletes were told. In
// the end, with everything drained, each acknowledged message must have been removed once, by somebody, and none more often.

import type { Outcome } from "../crash/history.js";

interface Entry {
  send: Outcome | "underway";
  removedCount: number;
  /** When the first delete that removed it was answered. */
  removedAtMs: number;
  /** A delete whose answer was lost, or that the client may have repeated. */
  mayBeRemoved: boolean;
}

const violationsMax = 100;

export class Ledger {
  readonly #entries: Entry[] = [];
  readonly #violations: string[] = [];

  /** About the backlog: messages that are stored and not known to be removed. */
  openCount = 0;

  get violations(): readonly string[] {
    return this.#violations;
  }

  count(send: Outcome): number {
    return this.#entries.filter((entry) => entry.send === send).length;
  }

  violation(sentence: string): void {
    if (this.#violations.length < violationsMax) this.#violations.push(sentence);
  }

  /** The number of a new message. */
  begin(): number {
    this.#entries.push({
      send: "underway",
      removedCount: 0,
      removedAtMs: Number.POSITIVE_INFINITY,
      mayBeRemoved: false,
    });
    this.openCount += 1;
    return this.#entries.length - 1;
  }

  sent(number: number, outcome: Outcome): void {
    const entry = this.#entries[number];
    if (entry === undefined) return;
    entry.send = outcome;
    // One that nobody answered for is taken not to be stored, or those that are not would add up.
    if (outcome !== "ok") this.openCount -= 1;
  }

  /** A message came; `leasedAfterMs`: by a call that began then, undefined: over a stream. */
  arrived(number: number, leasedAfterMs: number | undefined): void {
    const entry = this.#entries[number];
    if (entry === undefined) this.violation(`Message ${number} came, and nobody sent it.`);
    else if (entry.send === "refused") this.violation(`Message ${number} was refused, and came.`);
    else if (leasedAfterMs !== undefined && entry.removedAtMs < leasedAfterMs) {
      this.violation(`Message ${number} came after its delete was acknowledged.`);
    }
  }

  deleted(
    number: number,
    answer: { readonly outcome: Outcome; readonly hasRemoved: boolean },
  ): void {
    const entry = this.#entries[number];
    if (entry === undefined) return;
    if (answer.outcome === "unknown") entry.mayBeRemoved = true;
    if (!answer.hasRemoved) return;
    entry.removedCount += 1;
    this.openCount -= 1;
    entry.removedAtMs = Math.min(entry.removedAtMs, performance.now());
    if (entry.removedCount > 1) this.violation(`Message ${number} was removed twice.`);
  }

  /** With everything drained, and nothing purged or expired. */
  judgeAll(): void {
    for (const [number, { send, removedCount, mayBeRemoved }] of this.#entries.entries()) {
      if (send === "ok" && removedCount === 0 && !mayBeRemoved) {
        this.violation(`Message ${number} was acknowledged and is lost.`);
      }
    }
  }
}
