// How often keys were used lately, estimated in a few bits each: a count-min sketch of four rows with counters of four bits, all
// halved now and then so that what was used long ago is forgotten. Two keys that share a counter in every row are taken for one,
// which the random seed keeps anybody from arranging.
//
// Source: Einziger, Friedman, Manes: TinyLFU, ACM ToS 13(4), 2017.

const countMax = 15;
const rows = 4;
/** So many uses for each key of the capacity, and every counter is halved. */
const usesPerKey = 10;
const keysMin = 64;
/** 8 MiB of counters: beyond that many keys they share. */
const keysMax = 1 << 22;

export class FrequencySketch {
  readonly #seed: number;
  /** A counter in each half of a byte; a row after the other. */
  readonly #counters: Uint8Array;
  readonly #mask: number;
  readonly #usesMax: number;
  #uses = 0;

  /** For about so many keys. */
  constructor(keys: number, seed: number) {
    const wanted = Math.min(keysMax, Math.max(keysMin, keys));
    const perRow = 2 ** Math.ceil(Math.log2(wanted));
    this.#seed = seed;
    this.#mask = perRow - 1;
    this.#counters = new Uint8Array((perRow * rows) / 2);
    this.#usesMax = perRow * usesPerKey;
  }

  /** Of at most 15. */
  estimate(key: string): number {
    const hash = hashOf(key, this.#seed);
    let least = countMax;
    for (let row = 0; row < rows; row += 1) {
      const count = this.#get(this.#place(hash, row));
      if (count < least) least = count;
    }
    return least;
  }

  use(key: string): void {
    const hash = hashOf(key, this.#seed);
    let isCounted = false;
    for (let row = 0; row < rows; row += 1) {
      const place = this.#place(hash, row);
      const count = this.#get(place);
      if (count === countMax) continue;
      const shift = (place & 1) * 4;
      this.#counters[place >> 1] = (this.#counters[place >> 1] ?? 0) + (1 << shift);
      isCounted = true;
    }
    if (!isCounted) return;
    this.#uses += 1;
    if (this.#uses >= this.#usesMax) this.#halve();
  }

  #get(place: number): number {
    return ((this.#counters[place >> 1] ?? 0) >> ((place & 1) * 4)) & countMax;
  }

  #place(hash: number, row: number): number {
    const mixed = mix(hash + Math.imul(row, 0x9e3779b9));
    return row * (this.#mask + 1) + (mixed & this.#mask);
  }

  #halve(): void {
    for (let at = 0; at < this.#counters.length; at += 1) {
      // Both halves of a byte at once; the bit that falls out of the upper one must not fall into the lower.
      this.#counters[at] = ((this.#counters[at] ?? 0) >> 1) & 0x77;
    }
    this.#uses = this.#uses >> 1;
  }
}

/** 32 bits; another seed has other collisions. */
function hashOf(key: string, seed: number): number {
  let hash = seed | 0;
  for (let at = 0; at < key.length; at += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
    hash ^= hash >>> 15;
  }
  return mix(hash ^ key.length);
}

/** The finaliser of MurmurHash3: every bit of the result depends on every bit. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
