// Sets of a cache: members that are there or not, each of which may end before the set does.

import { SetOperation, SetServiceDefinition } from "../gen/forebay/cache/v1/set_service.js";
import {
  type CollectionChanged,
  type CollectionLife,
  type CollectionPlace,
  changedOf,
  type ElementExpired,
  type ElementScanOptions,
  type ElementTtlOptions,
  elementExpiredOf,
  lifeToWire,
  modeToWire,
  named,
  scanToWire,
} from "./cache-collections.js";
import {
  type CacheExpiry,
  type CacheKey,
  expiryToWire,
  keyFromWire,
  keyToWire,
} from "./cache-items.js";
import type { CallOptions } from "./connection.js";
import { dateOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = SetServiceDefinition;

/** What of several sets is wanted: what any has, what all have, or what the first has and none of the others. */
export type SetCombination = "union" | "intersect" | "difference";

const operations = {
  union: SetOperation.UNION,
  intersect: SetOperation.INTERSECT,
  difference: SetOperation.DIFFERENCE,
} as const;

/** A set by its key. Making one asks the server nothing. Every call throws WRONG_TYPE where the key has something else. */
export class CacheSet {
  readonly #place: CollectionPlace<unknown>;

  /** Use `Cache.memberSet`. */
  constructor(place: CollectionPlace<unknown>) {
    this.#place = place;
  }

  /**
   * Adds up to 10000 members, to a set that is made where there is none; says how many were not there. `memberExpiry`: when those
   * end; default: with the set, and one that is there keeps its end.
   *
   * @throws ForebayError WRONG_TYPE, LIMIT_EXCEEDED, EMPTY_KEY, KEY_TOO_LONG, TTL_INVALID, CACHE_FULL, COLLECTION_FULL.
   */
  async add(
    members: readonly CacheKey[],
    options: { readonly memberExpiry?: CacheExpiry | undefined } & CollectionLife &
      CallOptions = {},
  ): Promise<CollectionChanged & { readonly added: number }> {
    const request = {
      ...named(this.#place),
      members: members.map(keyToWire),
      memberExpiry: expiryToWire(options.memberExpiry),
      ...lifeToWire(options),
    };
    const response = await this.#place.connection.unary(methods.setAdd, request, options);
    return { ...changedOf(response), added: Number(response.added) };
  }

  /** Removes up to 10000 members; says how many were there. With the last one the key has nothing. */
  async remove(
    members: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<CollectionChanged & { readonly removed: number }> {
    const request = { ...named(this.#place), members: members.map(keyToWire) };
    const response = await this.#place.connection.unary(methods.setRemove, request, options);
    return { ...changedOf(response), removed: Number(response.removed) };
  }

  /** Whether the set has a member. */
  async has(member: CacheKey, options: CallOptions = {}): Promise<boolean> {
    const [found] = await this.hasMany([member], options);
    return found?.found === true;
  }

  /** Which of up to 10000 members are there, in their order, and until when; undefined: as long as the set. */
  async hasMany(
    members: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<readonly { readonly found: boolean; readonly expiresAt: Date | undefined }[]> {
    const request = { ...named(this.#place), members: members.map(keyToWire) };
    const response = await this.#place.connection.unary(methods.setContains, request, options);
    return response.members.map(({ found, expireTime }) => ({
      found,
      expiresAt: dateOf(expireTime),
    }));
  }

  /** Members in the order of their bytes, over all pages until the loop is left. */
  members(options: ElementScanOptions = {}): AsyncGenerator<CacheKey, void, undefined> {
    return pages(async (cursor) => {
      const request = scanToWire(this.#place, options, cursor);
      const page = await this.#place.connection.unary(methods.setScan, request, options);
      return { items: page.members.map(keyFromWire), nextPageToken: page.nextCursor };
    });
  }

  /** Removes members that chance chooses, and answers with them. 0 to 10000. */
  async pop(count = 1, options: CallOptions & RequestIdOption = {}): Promise<readonly CacheKey[]> {
    const requestId = options.requestId ?? newRequestId();
    const request = { ...named(this.#place), count, requestId };
    const response = await this.#place.connection.unary(methods.setPop, request, options);
    return response.members.map(keyFromWire);
  }

  /** Members that chance chooses; with `repeats` one may come more than once. 0 to 10000. */
  async sample(
    count: number,
    options: { readonly repeats?: boolean | undefined } & CallOptions = {},
  ): Promise<readonly CacheKey[]> {
    const request = { ...named(this.#place), count, withRepeats: options.repeats ?? false };
    const response = await this.#place.connection.unary(methods.setSample, request, options);
    return response.members.map(keyFromWire);
  }

  /** Takes a member to another set of the cache, in one; says whether this one had it. */
  async move(
    member: CacheKey,
    destination: CacheKey,
    options: CollectionLife & CallOptions & RequestIdOption = {},
  ): Promise<boolean> {
    const { cache, key, connection } = this.#place;
    const request = {
      cache,
      source: keyToWire(key),
      destination: keyToWire(destination),
      member: keyToWire(member),
      ...lifeToWire(options),
      requestId: options.requestId ?? newRequestId(),
    };
    return (await connection.unary(methods.setMove, request, options)).moved;
  }

  /**
   * What this set and others of the cache have together, in the order of their bytes; at most `limit`, 1 to 10000, default 10000.
   *
   * @throws ForebayError COLLECTION_TOO_LONG: more than 100000 members are to be gone through.
   */
  async combine(
    operation: SetCombination,
    others: readonly CacheKey[],
    options: { readonly limit?: number | undefined } & CallOptions = {},
  ): Promise<readonly CacheKey[]> {
    const response = await this.#combine(operation, others, options, false);
    return response.members.map(keyFromWire);
  }

  /** How many members `combine` would answer with, up to `limit`. */
  async combinedLength(
    operation: SetCombination,
    others: readonly CacheKey[],
    options: { readonly limit?: number | undefined } & CallOptions = {},
  ): Promise<number> {
    return Number((await this.#combine(operation, others, options, true)).count);
  }

  #combine(
    operation: SetCombination,
    others: readonly CacheKey[],
    options: { readonly limit?: number | undefined } & CallOptions,
    countOnly: boolean,
  ) {
    const { cache, key, connection } = this.#place;
    const request = {
      cache,
      keys: [key, ...others].map(keyToWire),
      operation: operations[operation],
      limit: options.limit ?? 0,
      countOnly,
    };
    return connection.unary(methods.setCombine, request, options);
  }

  /** Puts what this set and others have together in the place of whatever another key has; says how many members that is. */
  async storeCombined(
    operation: SetCombination,
    others: readonly CacheKey[],
    destination: CacheKey,
    options: { readonly expiry?: CacheExpiry | undefined } & CallOptions = {},
  ): Promise<number> {
    const { cache, key, connection } = this.#place;
    const request = {
      cache,
      keys: [key, ...others].map(keyToWire),
      operation: operations[operation],
      destination: keyToWire(destination),
      expiry: expiryToWire(options.expiry),
    };
    return Number((await connection.unary(methods.setStore, request, options)).length);
  }

  /** Gives up to 10000 members another end; `"never"` is with the set. */
  async expire(
    members: readonly CacheKey[],
    memberExpiry: Exclude<CacheExpiry, "keep">,
    options: ElementTtlOptions = {},
  ): Promise<readonly ElementExpired[]> {
    const request = {
      ...named(this.#place),
      members: members.map(keyToWire),
      memberExpiry: expiryToWire(memberExpiry),
      mode: modeToWire(options),
    };
    const response = await this.#place.connection.unary(methods.setExpire, request, options);
    return response.members.map(elementExpiredOf);
  }

  /** How many members there are; 0: the key has nothing. */
  async length(options: CallOptions = {}): Promise<number> {
    const { connection } = this.#place;
    const response = await connection.unary(methods.setLength, named(this.#place), options);
    return Number(response.length);
  }
}
