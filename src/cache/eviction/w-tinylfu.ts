// W-TinyLFU: what is used least goes, and what is new gets a chance.
//
// New keys enter a small window in the order of use. Who falls out of it is on probation with the others, and when there is no
// room the newest on probation and the one that was used there longest ago are compared by how often they were used lately: the
// lesser goes. Who is used while on probation is protected, up to a share; beyond it the one used longest ago is on probation again.
//
// Source: Einziger, Friedman, Manes: TinyLFU, ACM ToS 13(4), 2017; the shares are those of Caffeine without its hill climbing.

import type { CacheKey } from "../../base/brands.js";
import { FrequencySketch } from "./frequency-sketch.js";
import type { Policy } from "./policy.js";

/** Of the whole. */
const windowShare = 0.01;
/** Of those that came out of the window so many are compared with others; older ones are on probation like any other. */
const candidatesMax = 128;
/** Of what is not the window. */
const protectedShare = 0.8;

/** Keys in the order of their last use, with their weights. A Map keeps the order in which keys were set. */
class Region {
  readonly weights = new Map<CacheKey, number>();
  weight = 0;

  put(key: CacheKey, weight: number): void {
    this.remove(key);
    this.weights.set(key, weight);
    this.weight += weight;
  }

  remove(key: CacheKey): number | undefined {
    const weight = this.weights.get(key);
    if (weight === undefined) return undefined;
    this.weights.delete(key);
    this.weight -= weight;
    return weight;
  }

  /** The one that was used longest ago. */
  get first(): CacheKey | undefined {
    return this.weights.keys().next().value;
  }
}

export interface Capacity {
  /** Of all keys together. */
  readonly weightMax: number;
  /** About how many keys that is. */
  readonly keys: number;
  readonly seed: number;
}

export class WTinyLfu implements Policy {
  readonly #sketch: FrequencySketch;
  readonly #windowMax: number;
  readonly #protectedMax: number;
  readonly #window = new Region();
  readonly #probation = new Region();
  readonly #protected = new Region();
  /** Of those on probation, the ones that came out of the window and were not compared yet; oldest first. */
  readonly #candidates = new Set<CacheKey>();

  constructor({ weightMax, keys, seed }: Capacity) {
    this.#sketch = new FrequencySketch(keys, seed);
    this.#windowMax = Math.max(1, Math.floor(weightMax * windowShare));
    this.#protectedMax = (weightMax - this.#windowMax) * protectedShare;
  }

  read(key: CacheKey): void {
    this.#sketch.use(key);
    this.#touch(key, undefined);
  }

  wrote(key: CacheKey, weight: number): void {
    this.#sketch.use(key);
    if (this.#touch(key, weight)) return;
    this.#window.put(key, weight);
    this.#closeWindow();
  }

  /** Says whether it is known. */
  #touch(key: CacheKey, weight: number | undefined): boolean {
    for (const region of [this.#window, this.#protected]) {
      const known = region.weights.get(key);
      if (known === undefined) continue;
      region.put(key, weight ?? known);
      if (region === this.#window) this.#closeWindow();
      else this.#closeProtected();
      return true;
    }
    const known = this.#probation.remove(key);
    if (known === undefined) return false;
    this.#candidates.delete(key);
    this.#protected.put(key, weight ?? known);
    this.#closeProtected();
    return true;
  }

  #closeWindow(): void {
    // The newest stays, however heavy it is: it was just written.
    while (this.#window.weight > this.#windowMax && this.#window.weights.size > 1) {
      const key = this.#window.first;
      if (key === undefined) return;
      this.#probation.put(key, this.#window.remove(key) ?? 0);
      this.#candidates.add(key);
      if (this.#candidates.size > candidatesMax) {
        for (const oldest of this.#candidates) {
          this.#candidates.delete(oldest);
          break;
        }
      }
    }
  }

  #closeProtected(): void {
    while (this.#protected.weight > this.#protectedMax) {
      const key = this.#protected.first;
      if (key === undefined) return;
      this.#probation.put(key, this.#protected.remove(key) ?? 0);
    }
  }

  removed(key: CacheKey): void {
    this.#window.remove(key);
    this.#probation.remove(key);
    this.#protected.remove(key);
    this.#candidates.delete(key);
  }

  isKnown(key: CacheKey): boolean {
    return [this.#window, this.#probation, this.#protected].some(({ weights }) => weights.has(key));
  }

  get size(): number {
    const regions = [this.#window, this.#probation, this.#protected];
    return regions.reduce((sum, { weights }) => sum + weights.size, 0);
  }

  *victims(): Iterable<CacheKey> {
    const told = new Set<CacheKey>();
    const waiting = [...this.#candidates];
    const next = (): CacheKey | undefined => {
      let newest = waiting.pop();
      while (newest !== undefined && told.has(newest)) newest = waiting.pop();
      return newest;
    };
    let candidate = next();
    // A Map that loses keys while it is walked goes on with the next that is left.
    for (const victim of this.#probation.weights.keys()) {
      while (candidate !== undefined && candidate !== victim && !told.has(victim)) {
        this.#candidates.delete(candidate);
        if (this.#sketch.estimate(candidate) > this.#sketch.estimate(victim)) break;
        told.add(candidate);
        yield candidate;
        candidate = next();
      }
      if (told.has(victim)) continue;
      told.add(victim);
      yield victim;
      candidate = next();
    }
    for (const { weights } of [this.#protected, this.#window]) yield* weights.keys();
  }
}
