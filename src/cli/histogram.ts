// Latencies counted in buckets that grow by 2 %, so that any number of them takes the same memory and every percentile is
// within 2 % of the truth.

const growth = Math.log(1.02);

export class Histogram {
  readonly #counts = new Map<number, number>();
  #count = 0;
  #maxMs = 0;

  record(latencyMs: number): void {
    const bucket = latencyMs <= 0.001 ? 0 : Math.ceil(Math.log(latencyMs / 0.001) / growth);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.#count += 1;
    this.#maxMs = Math.max(this.#maxMs, latencyMs);
  }

  get count(): number {
    return this.#count;
  }

  get maxMs(): number {
    return this.#maxMs;
  }

  /** The latency that `share` (0 to 1) of the recorded ones do not exceed, in milliseconds; 0 when there are none. */
  percentileMs(share: number): number {
    const rank = Math.ceil(this.#count * share);
    let seen = 0;
    for (const [bucket, count] of [...this.#counts].sort(([left], [right]) => left - right)) {
      seen += count;
      if (seen >= rank) return Math.min(this.#maxMs, 0.001 * Math.exp(bucket * growth));
    }
    return 0;
  }
}
