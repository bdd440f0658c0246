// Whose remembered ids are swept when: queues in turn, each from where it was left.
//
// The rows stand in no order of time, so most looks at a queue find nothing to remove until a good part of its ids is over.
// A queue keeps having turns in a round while its steps are worth their while; those that are not are few a round, whatever
// the number of queues. The cursors live in memory: after a restart each queue is looked through from the start.

import type { RememberedCursor, RememberedSwept } from "../queue/sweep-remembered.js";

/**
 * A step is worth its while when it removes at least this part of what it looks at. So ids that are over take up to half as much
 * room again as those that are remembered, and forgetting one costs three looks of 3 us each (measured on LMDB): at 10,000 sends
 * a second a tenth of a core. A tenth of what is looked at would cost a third of one.
 */
const worthwhileShare = 1 / 3;
/** Steps a round that are not: 8,000 looks, some 25 ms a second. */
const idleStepsMax = 4;
/** Steps a round in all, some second of them, since the next round begins with other clean-up. */
const stepsMax = 100;

export class RememberedTurns {
  /** Of every queue that was found to remember something, those first that were looked at longest ago. */
  readonly #cursors = new Map<string, RememberedCursor>();
  /** Those that are to have a turn in this round, the next one first. */
  #waiting: string[] = [];
  #steps = 0;
  #idleSteps = 0;

  startRound(): void {
    this.#waiting = [...this.#cursors.keys()];
    this.#steps = 0;
    this.#idleSteps = 0;
  }

  /** Queues that may remember something; those that are known go on where they are. */
  meet(queues: readonly RememberedCursor[]): void {
    for (const cursor of queues) {
      const name = nameOf(cursor);
      if (this.#cursors.has(name)) continue;
      this.#cursors.set(name, cursor);
      this.#waiting.push(name);
    }
  }

  get hasMore(): boolean {
    const isSpent = this.#steps >= stepsMax || this.#idleSteps >= idleStepsMax;
    return this.#waiting.length > 0 && !isSpent;
  }

  /** The next ones, as many as one step may come to. */
  next(countMax: number): readonly RememberedCursor[] {
    return this.#waiting
      .slice(0, countMax)
      .map((name) => this.#cursors.get(name))
      .filter((cursor) => cursor !== undefined);
  }

  /** What became of the next ones, from the first on. */
  swept(results: readonly RememberedSwept[]): void {
    const served = this.#waiting.splice(0, results.length);
    this.#steps += 1;
    let lookedAt = 0;
    let removed = 0;
    for (const [index, result] of results.entries()) {
      const name = served[index] as string;
      lookedAt += result.lookedAt;
      removed += result.removed;
      this.#cursors.delete(name);
      if (result.next === undefined) continue;
      this.#cursors.set(name, result.next);
      if (isWorthwhile(result)) this.#waiting.push(name);
    }
    if (lookedAt > 0 && !isWorthwhile({ lookedAt, removed })) this.#idleSteps += 1;
  }

  /** The step over the next ones failed. Those of them that can be read will be met again, behind the others. */
  failed(count: number): void {
    for (const name of this.#waiting.splice(0, count)) this.#cursors.delete(name);
  }
}

const isWorthwhile = ({ lookedAt, removed }: Omit<RememberedSwept, "next">): boolean =>
  removed > 0 && removed >= lookedAt * worthwhileShare;

const nameOf = ({ namespace, name }: RememberedCursor): string => `${namespace}/${name}`;
