// The only chance in a simulated run: the same seed draws the same numbers, on every machine.
//
// Parts of the world draw from generators of their own (`fork`), so that one more draw in the network does not change what the
// disks do, and a changed part of the simulator leaves most of a run as it was.

/** The small fast counter of Chris Doty-Humphrey (sfc32): 128 bits of state, ample for schedules. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, stream = 0) {
    this.#a = seed >>> 0;
    this.#b = Math.floor(seed / 2 ** 32) >>> 0;
    this.#c = stream >>> 0;
    // Neighbouring seeds start alike; a dozen rounds later nothing of that is left.
    for (let round = 0; round < 12; round += 1) this.#draw();
  }

  /** Another generator, of no more in common with this one than a number drawn here. */
  fork(stream: number): Prng {
    return new Prng(this.#draw() * 2 ** 20 + stream, stream);
  }

  /** From 0 (inclusive) to 1 (exclusive). */
  readonly next = (): number => this.#draw() / 2 ** 32;

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** A number from `from` (inclusive) to `to` (exclusive). */
  between(from: number, to: number): number {
    return from + this.next() * (to - from);
  }

  /** A whole number, both ends included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** A span with this mean, as between events that know nothing of each other. */
  span(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }

  pick<Item>(items: readonly Item[]): Item {
    const item = items[this.integer(0, items.length - 1)];
    if (item === undefined) throw new Error("There is nothing to pick from.");
    return item;
  }

  /** Undefined when there is nothing. */
  pickIfAny<Item>(items: readonly Item[]): Item | undefined {
    return items.length === 0 ? undefined : this.pick(items);
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.integer(0, 255)));
  }

  #draw(): number {
    const sum = (this.#a + this.#b + this.#counter) >>> 0;
    this.#counter = (this.#counter + 1) >>> 0;
    this.#a = (this.#b ^ (this.#b >>> 9)) >>> 0;
    this.#b = (this.#c + (this.#c << 3)) >>> 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) >>> 0;
    return sum;
  }
}
