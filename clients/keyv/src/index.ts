// Forebay as a store of Keyv: values under keys of a cache, with the ends that Keyv gives them.
//
// Keyv puts its namespace in front of every key itself, and tells the store which it is. What it does with many keys at once it does
// one by one and without waiting in between; the client sends such calls together, so this store has no calls for many.

import { EventEmitter } from "node:events";
import type { Cache, CacheValue, ForebayClient } from "@forebay/client";
import type { KeyvStoreAdapter, StoredData } from "keyv";

export interface KeyvForebayOptions {
  /** Yours to close: `disconnect` leaves it open, since others may use it. */
  readonly client: ForebayClient;
  /** Default: `default`. */
  readonly cache?: string | undefined;
}

/** Keys that one call of a cache takes. */
const keysMax = 1_000;

export class KeyvForebay extends EventEmitter implements KeyvStoreAdapter {
  /** Set by Keyv: of all that share this store, that of the one that was made last. */
  namespace: string | undefined = undefined;
  /** Keyv iterates over stores of the dialects that it knows and over no others, and makes no other use of it. */
  readonly opts: KeyvForebayOptions & { readonly dialect: string };
  readonly #client: ForebayClient;
  readonly #cache: Cache;

  constructor(options: KeyvForebayOptions) {
    super();
    this.opts = { ...options, dialect: "redis" };
    this.#client = options.client;
    this.#cache = options.client.cache(options.cache);
  }

  async get<Value>(key: string): Promise<StoredData<Value> | undefined> {
    const read = await this.#cache.get(key);
    // What was stored is what Keyv serialized, and Keyv reads it again.
    return read.kind === "hit" ? (textOf(read.value) as StoredData<Value>) : undefined;
  }

  /** Without a life the cache's default holds. */
  async set(key: string, value: unknown, ttl?: number): Promise<void> {
    if (typeof value !== "string" && !(value instanceof Uint8Array)) {
      throw new TypeError("A value to store is text or bytes: leave `serialize` of Keyv on.");
    }
    // A shorter life than a millisecond is none; the server would refuse it.
    const expiry = ttl === undefined ? undefined : { ttlMs: Math.max(1, Math.ceil(ttl)) };
    await this.#cache.set(key, value, { expiry });
  }

  /** Whether there was one. */
  delete(key: string): Promise<boolean> {
    return this.#cache.delete(key);
  }

  /** All keys of the namespace at once, however many; without one everything that the cache has. */
  async clear(): Promise<void> {
    if (this.namespace === undefined) await this.#client.caches.flush(this.#cache.name);
    else await this.#cache.deleteByPrefix(prefixOf(this.namespace));
  }

  async has(key: string): Promise<boolean> {
    const [isThere = false] = await this.hasMany([key]);
    return isThere;
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    const found: boolean[] = [];
    for (let at = 0; at < keys.length; at += keysMax) {
      const metas = await this.#cache.meta(keys.slice(at, at + keysMax));
      found.push(...metas.map((meta) => meta !== undefined));
    }
    return found;
  }

  /** The keys as they are stored, and their values. */
  async *iterator<Value>(
    namespace?: string,
  ): AsyncGenerator<Array<string | Awaited<Value> | undefined>, void> {
    const prefix = namespace === undefined ? undefined : prefixOf(namespace);
    for await (const { key, value } of this.#cache.scan({ prefix, withValues: true })) {
      // Keys of bytes are none of Keyv's.
      if (typeof key !== "string" || value === undefined) continue;
      yield [key, textOf(value) as Awaited<Value>];
    }
  }

  /** The client stays open. */
  disconnect(): Promise<void> {
    return Promise.resolve();
  }
}

const prefixOf = (namespace: string): string => `${namespace}:`;

/** A value that another program wrote as bytes is text for Keyv all the same. */
const textOf = (value: CacheValue): string =>
  typeof value === "string" ? value : Buffer.from(value).toString("utf8");
