// Results of a stream in the order they were asked for, although some are known at once and others only when the disk has
// them. Results that become ready together leave together, so that a commit of many answers costs few writes.

/** A place in the order, kept from the asking on. */
interface Place<Result> {
  results: readonly Result[] | undefined;
}

export class OrderedResults<Result> {
  readonly #places: Place<Result>[] = [];
  readonly #write: (results: readonly Result[]) => void;
  readonly #resultsMax: number;
  #isFlushQueued = false;
  #idle: (() => void) | undefined;

  /** `write` gets results in order, at most about `resultsMax` at a time. */
  constructor(resultsMax: number, write: (results: readonly Result[]) => void) {
    this.#resultsMax = resultsMax;
    this.#write = write;
  }

  /** Takes the next place; the returned function fills it. */
  reserve(): (results: readonly Result[]) => void {
    const place: Place<Result> = { results: undefined };
    this.#places.push(place);
    return (results) => {
      place.results = results;
      if (this.#isFlushQueued) return;
      this.#isFlushQueued = true;
      // Replies of one commit resolve in one turn; this runs behind all of them.
      queueMicrotask(() => this.#flush());
    };
  }

  /** Calls `react` once, when nothing is open any more. */
  whenIdle(react: () => void): void {
    this.#idle = react;
    if (this.#places.length === 0) this.#reportIdle();
  }

  #flush(): void {
    this.#isFlushQueued = false;
    let ready: Result[] = [];
    let count = 0;
    for (const { results } of this.#places) {
      if (results === undefined) break;
      count += 1;
      ready.push(...results);
      if (ready.length >= this.#resultsMax) {
        this.#write(ready);
        ready = [];
      }
    }
    this.#places.splice(0, count);
    if (ready.length > 0) this.#write(ready);
    if (this.#places.length === 0) this.#reportIdle();
  }

  #reportIdle(): void {
    const idle = this.#idle;
    this.#idle = undefined;
    idle?.();
  }
}
