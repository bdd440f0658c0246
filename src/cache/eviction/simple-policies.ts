// The policies that look at one thing only: when a key was used last, how often, or nothing at all.

import type { CacheKey } from "../../base/brands.js";
import type { Policy } from "./policy.js";

/** What was used longest ago goes first. */
export class LeastRecentlyUsed implements Policy {
  readonly #isVolatileOnly: boolean;
  /** In the order of their last use. */
  readonly #keys = new Set<CacheKey>();

  constructor(isVolatileOnly: boolean) {
    this.#isVolatileOnly = isVolatileOnly;
  }

  read(key: CacheKey): void {
    if (this.#keys.delete(key)) this.#keys.add(key);
  }

  wrote(key: CacheKey, _weight: number, isVolatile: boolean): void {
    this.#keys.delete(key);
    if (isVolatile || !this.#isVolatileOnly) this.#keys.add(key);
  }

  removed(key: CacheKey): void {
    this.#keys.delete(key);
  }

  isKnown(key: CacheKey): boolean {
    return this.#keys.has(key);
  }

  get size(): number {
    return this.#keys.size;
  }

  victims(): Iterable<CacheKey> {
    return this.#keys.values();
  }
}

/** Keys in no order, any of which is found by a number. */
class Pool {
  readonly keys: CacheKey[] = [];
  readonly #places = new Map<CacheKey, number>();

  place(key: CacheKey): number | undefined {
    return this.#places.get(key);
  }

  add(key: CacheKey): number {
    this.#places.set(key, this.keys.length);
    return this.keys.push(key) - 1;
  }

  /** The last one takes its place; where from and to. */
  remove(key: CacheKey): { readonly from: number; readonly to: number } | undefined {
    const to = this.#places.get(key);
    const last = this.keys.pop();
    if (to === undefined || last === undefined) {
      if (last !== undefined) this.keys.push(last);
      return undefined;
    }
    this.#places.delete(key);
    if (last !== key) {
      this.keys[to] = last;
      this.#places.set(last, to);
    }
    return { from: this.keys.length, to };
  }
}

/** Anything goes. */
export class AtRandom implements Policy {
  readonly #isVolatileOnly: boolean;
  readonly #random: () => number;
  readonly #pool = new Pool();

  constructor(isVolatileOnly: boolean, random: () => number) {
    this.#isVolatileOnly = isVolatileOnly;
    this.#random = random;
  }

  read(): void {
    // How it is used does not matter.
  }

  wrote(key: CacheKey, _weight: number, isVolatile: boolean): void {
    if (this.#isVolatileOnly && !isVolatile) this.#pool.remove(key);
    else if (this.#pool.place(key) === undefined) this.#pool.add(key);
  }

  removed(key: CacheKey): void {
    this.#pool.remove(key);
  }

  isKnown(key: CacheKey): boolean {
    return this.#pool.place(key) !== undefined;
  }

  get size(): number {
    return this.#pool.keys.length;
  }

  *victims(): Iterable<CacheKey> {
    const told = new Set<CacheKey>();
    const { keys } = this.#pool;
    while (told.size < drawnMax) {
      const key = keys[Math.floor(this.#random() * keys.length)];
      if (key === undefined) return;
      if (told.has(key)) {
        // Few are left: the rest as they stand.
        yield* keys.filter((left) => !told.has(left)).slice(0, drawnMax);
        return;
      }
      told.add(key);
      yield key;
    }
  }
}

/** More than any caller takes at once. */
const drawnMax = 1_000;
/** Of so many drawn at random the one that is used least goes, which costs the same however many there are. */
const sampledKeys = 5;
/** A key that is new has a chance to be used again before those that are used less go. */
const countAtFirst = 5;
const countMax = 255;
/** The higher, the more uses a count stands for: 255 is reached after a million. */
const logFactor = 10;
const minuteMs = 60_000;

/**
 * What is used least goes first: how often is a count that grows the more slowly the higher it is, and loses one a minute.
 * Source: redis.conf of Redis 7, lfu-log-factor 10, lfu-decay-time 1.
 */
export class LeastFrequentlyUsed implements Policy {
  readonly #isVolatileOnly: boolean;
  readonly #random: () => number;
  readonly #now: () => number;
  readonly #pool = new Pool();
  /** By place in the pool: the count, and when it lost one last, in minutes. */
  readonly #counts: number[] = [];
  readonly #minutes: number[] = [];

  constructor(isVolatileOnly: boolean, random: () => number, now: () => number) {
    this.#isVolatileOnly = isVolatileOnly;
    this.#random = random;
    this.#now = now;
  }

  read(key: CacheKey): void {
    const place = this.#pool.place(key);
    if (place !== undefined) this.#use(place);
  }

  wrote(key: CacheKey, _weight: number, isVolatile: boolean): void {
    const place = this.#pool.place(key);
    if (this.#isVolatileOnly && !isVolatile) {
      this.removed(key);
      return;
    }
    if (place !== undefined) {
      this.#use(place);
      return;
    }
    const added = this.#pool.add(key);
    this.#counts[added] = countAtFirst;
    this.#minutes[added] = this.#minute;
  }

  get #minute(): number {
    return Math.floor(this.#now() / minuteMs);
  }

  /** Less one for each minute without a use. */
  #countNow(place: number): number {
    const idle = this.#minute - (this.#minutes[place] ?? 0);
    return Math.max(0, (this.#counts[place] ?? 0) - idle);
  }

  #use(place: number): void {
    const count = this.#countNow(place);
    const above = Math.max(0, count - countAtFirst);
    const isCounted = count < countMax && this.#random() < 1 / (above * logFactor + 1);
    this.#counts[place] = isCounted ? count + 1 : count;
    this.#minutes[place] = this.#minute;
  }

  removed(key: CacheKey): void {
    const moved = this.#pool.remove(key);
    if (moved === undefined) return;
    const { from, to } = moved;
    this.#counts[to] = this.#counts[from] ?? 0;
    this.#minutes[to] = this.#minutes[from] ?? 0;
    this.#counts.length = from;
    this.#minutes.length = from;
  }

  isKnown(key: CacheKey): boolean {
    return this.#pool.place(key) !== undefined;
  }

  get size(): number {
    return this.#pool.keys.length;
  }

  *victims(): Iterable<CacheKey> {
    const told = new Set<CacheKey>();
    const { keys } = this.#pool;
    for (let round = 0; round < drawnMax; round += 1) {
      let least: CacheKey | undefined;
      let leastCount = Number.POSITIVE_INFINITY;
      for (let drawn = 0; drawn < sampledKeys; drawn += 1) {
        const place = Math.floor(this.#random() * keys.length);
        const key = keys[place];
        if (key === undefined) return;
        const count = this.#countNow(place);
        if (told.has(key) || count >= leastCount) continue;
        least = key;
        leastCount = count;
      }
      if (least === undefined) {
        // All that were drawn were told before: few are left.
        yield* keys.filter((left) => !told.has(left)).slice(0, drawnMax);
        return;
      }
      told.add(least);
      yield least;
    }
  }
}
