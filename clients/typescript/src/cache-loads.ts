// Loads under way in this process: of callers that want one key of one cache, one loads and all get what it got.

import type { CacheKey } from "./cache-items.js";

export class Loads {
  readonly #underWay = new Map<string, Promise<unknown>>();

  run<Item>(cache: string, key: CacheKey, load: () => Promise<Item>): Promise<Item> {
    const bytes = typeof key === "string" ? Buffer.from(key) : Buffer.from(key);
    const place = `${cache} ${bytes.toString("latin1")}`;
    const known = this.#underWay.get(place);
    // Whoever loads a key of a cache loads what that cache has there.
    if (known !== undefined) return known as Promise<Item>;
    const loading = load().finally(() => this.#underWay.delete(place));
    this.#underWay.set(place, loading);
    return loading;
  }
}
