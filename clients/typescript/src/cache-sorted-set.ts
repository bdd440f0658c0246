// Sorted sets of a cache: members with scores, in the order of their scores, and of their bytes where these are equal.

import {
  CapDrop,
  RankMode,
  ScoreAggregate,
  ScoreCompare,
  ScoreEnd,
  SortedSetMode,
  SortedSetOperation,
  type SortedSetRange,
  SortedSetServiceDefinition,
  type ScoredMember as WireScored,
} from "../gen/forebay/cache/v1/sorted_set_service.js";
import {
  type CollectionChanged,
  type CollectionLife,
  type CollectionPlace,
  changedOf,
  type ElementScanOptions,
  lifeToWire,
  named,
  once,
  scanToWire,
  waitingOptions,
} from "./cache-collections.js";
import {
  type CacheExpiry,
  type CacheKey,
  expiryToWire,
  keyFromWire,
  keyToWire,
} from "./cache-items.js";
import type { CallOptions } from "./connection.js";
import { durationOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";

const { methods } = SortedSetServiceDefinition;

export interface ScoredMember {
  readonly member: CacheKey;
  /** Any number but NaN. */
  readonly score: number;
}

/** Which members are given a score. */
export interface ScoreRule {
  /** Default: `"upsert"`, all. */
  readonly mode?: "upsert" | "only_new" | "only_existing" | undefined;
  /** How the score of a member that is there may change. Default: `"any"`. */
  readonly compare?: "any" | "greater" | "less" | undefined;
}

/** Which members of a sorted set. Bounds are included unless they are exclusive. */
export type ScoreRange = (
  | {
      /** From this rank on, counted from the end where below 0. Default: 0. */
      readonly fromRank?: number | undefined;
      /** To before this rank. Default: to the end. */
      readonly toRank?: number | undefined;
    }
  | ({ readonly byScore: Bounds<number> } & Paging)
  /** By their bytes: of members that all have one score. */
  | ({ readonly byMember: Bounds<CacheKey> } & Paging)
) & {
  /** From the highest score to the lowest; ranks count from the highest, too. Default: false. */
  readonly reverse?: boolean | undefined;
};

export interface Bounds<Value> {
  readonly min?: Value | undefined;
  readonly minExclusive?: boolean | undefined;
  readonly max?: Value | undefined;
  readonly maxExclusive?: boolean | undefined;
}

interface Paging {
  /** How many to leave out, in the direction of the range. Default: 0. */
  readonly offset?: number | undefined;
  /** How many at most. Default: all. */
  readonly count?: number | undefined;
}

const modes = {
  upsert: SortedSetMode.UPSERT,
  only_new: SortedSetMode.ONLY_NEW,
  only_existing: SortedSetMode.ONLY_EXISTING,
} as const;

const compares = {
  any: ScoreCompare.ANY,
  greater: ScoreCompare.GREATER,
  less: ScoreCompare.LESS,
} as const;

const rankModes = {
  ordinal: RankMode.ORDINAL,
  competition: RankMode.COMPETITION,
  dense: RankMode.DENSE,
} as const;

const operations = {
  union: SortedSetOperation.UNION,
  intersect: SortedSetOperation.INTERSECT,
  difference: SortedSetOperation.DIFFERENCE,
} as const;

const aggregates = {
  sum: ScoreAggregate.SUM,
  min: ScoreAggregate.MIN,
  max: ScoreAggregate.MAX,
} as const;

/** A sorted set and what its scores are multiplied by. */
export type WeightedKey = CacheKey | { readonly key: CacheKey; readonly weight: number };

export interface CombineOptions {
  /** How scores of a member become one. Default: `"sum"`. */
  readonly aggregate?: "sum" | "min" | "max" | undefined;
  /** What the scores of this one are multiplied by. Default: 1. */
  readonly weight?: number | undefined;
}

/** A sorted set by its key. Making one asks the server nothing. Every call throws WRONG_TYPE where the key has something else. */
export class CacheSortedSet {
  readonly #place: CollectionPlace<unknown>;

  /** Use `Cache.sortedSet`. */
  constructor(place: CollectionPlace<unknown>) {
    this.#place = place;
  }

  /**
   * Gives up to 10000 members scores, in a sorted set that is made where there is none. `cap`: how many it has at most
   * afterwards; `capDrop`: which of them go.
   *
   * @throws ForebayError WRONG_TYPE, NAN_INPUT, CONFLICTING_OPTIONS, LIMIT_EXCEEDED, CACHE_FULL, COLLECTION_FULL.
   */
  async put(
    elements: Iterable<readonly [member: CacheKey, score: number]>,
    options: {
      readonly cap?: number | undefined;
      readonly capDrop?: "lowest" | "highest" | undefined;
    } & ScoreRule &
      CollectionLife &
      CallOptions = {},
  ): Promise<
    CollectionChanged & {
      readonly added: number;
      readonly updated: number;
      readonly dropped: number;
    }
  > {
    const request = {
      ...named(this.#place),
      elements: [...elements].map(([member, score]) => ({ member: keyToWire(member), score })),
      ...ruleToWire(options),
      cap: BigInt(options.cap ?? 0),
      capDrop: options.capDrop === "highest" ? CapDrop.HIGHEST : CapDrop.LOWEST,
      ...lifeToWire(options),
    };
    const response = await this.#place.connection.unary(methods.sortedSetPut, request, options);
    return {
      ...changedOf(response),
      added: Number(response.added),
      updated: Number(response.updated),
      dropped: Number(response.dropped),
    };
  }

  /**
   * Adds to the score of a member, which begins at 0; answers with it. Undefined: `mode` kept it from being made.
   *
   * @throws ForebayError NAN_INPUT, NAN_RESULT, WRONG_TYPE, CACHE_FULL.
   */
  async increment(
    member: CacheKey,
    delta = 1,
    options: ScoreRule & CollectionLife & CallOptions & RequestIdOption = {},
  ): Promise<number | undefined> {
    const request = {
      ...named(this.#place),
      member: keyToWire(member),
      delta,
      ...ruleToWire(options),
      ...lifeToWire(options),
      ...once(options),
    };
    const { connection } = this.#place;
    return (await connection.unary(methods.sortedSetIncrement, request, options)).score;
  }

  /** Members of a range, at most `limit`, 1 to 10000, default 1000; undefined: the sorted set is not there. */
  async range(
    range: ScoreRange = {},
    options: { readonly limit?: number | undefined } & CallOptions = {},
  ): Promise<readonly ScoredMember[] | undefined> {
    const request = {
      ...named(this.#place),
      range: rangeToWire(range),
      limit: options.limit ?? 0,
    };
    const response = await this.#place.connection.unary(methods.sortedSetFetch, request, options);
    return response.found ? response.elements.map(scoredOf) : undefined;
  }

  /** How many members a range has; all without one. 0: the key has nothing. */
  async length(range?: ScoreRange, options: CallOptions = {}): Promise<number> {
    const request = { ...named(this.#place), range: range && rangeToWire(range) };
    const response = await this.#place.connection.unary(methods.sortedSetCount, request, options);
    return Number(response.count);
  }

  /** The score of a member; undefined: it is not there. */
  async score(member: CacheKey, options: CallOptions = {}): Promise<number | undefined> {
    return (await this.scores([member], options))[0];
  }

  /** The scores of up to 10000 members, in their order; undefined where one is not there. */
  async scores(
    members: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<readonly (number | undefined)[]> {
    const request = { ...named(this.#place), members: members.map(keyToWire) };
    const response = await this.#place.connection.unary(methods.sortedSetScores, request, options);
    return response.members.map(({ found, score }) => (found ? score : undefined));
  }

  /** The rank of a member, 0 first; undefined: it is not there. */
  async rank(member: CacheKey, options: RankOptions = {}): Promise<number | undefined> {
    return (await this.ranks([member], options))[0]?.rank;
  }

  /** The ranks and scores of up to 10000 members, in their order; undefined where one is not there. */
  async ranks(
    members: readonly CacheKey[],
    options: RankOptions = {},
  ): Promise<readonly ({ readonly rank: number; readonly score: number } | undefined)[]> {
    const request = {
      ...named(this.#place),
      members: members.map(keyToWire),
      reverse: options.reverse ?? false,
      rankMode: rankModes[options.mode ?? "ordinal"],
    };
    const response = await this.#place.connection.unary(methods.sortedSetRanks, request, options);
    return response.members.map(({ found, rank, score }) =>
      found ? { rank: Number(rank), score } : undefined,
    );
  }

  /** Removes up to 10000 members; says how many were there. With the last one the key has nothing. */
  async remove(
    members: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<CollectionChanged & { readonly removed: number }> {
    const request = { ...named(this.#place), members: members.map(keyToWire) };
    const response = await this.#place.connection.unary(methods.sortedSetRemove, request, options);
    return { ...changedOf(response), removed: Number(response.removed) };
  }

  /** Removes a range of up to 10000 members, or all; says how many that were. */
  async removeRange(
    range: ScoreRange,
    options: CallOptions & RequestIdOption = {},
  ): Promise<number> {
    const request = { ...named(this.#place), range: rangeToWire(range), ...once(options) };
    const { connection } = this.#place;
    const response = await connection.unary(methods.sortedSetRemoveRange, request, options);
    return Number(response.removed);
  }

  /**
   * Takes up to so many members with the lowest scores, or the highest, that of the end first; with `waitMs` it waits for one, at
   * most 60000. None: there is none, or none came.
   */
  async pop(
    end: "min" | "max",
    count = 1,
    options: { readonly waitMs?: number | undefined } & CallOptions & RequestIdOption = {},
  ): Promise<readonly ScoredMember[]> {
    const { waitMs = 0 } = options;
    const request = {
      ...named(this.#place),
      end: end === "max" ? ScoreEnd.MAX : ScoreEnd.MIN,
      count,
      wait: durationOf(waitMs),
      ...once(options),
    };
    const call = waitingOptions(options, waitMs);
    const response = await this.#place.connection.unary(methods.sortedSetPop, request, call);
    return response.elements.map(scoredOf);
  }

  /** Members that chance chooses; with `repeats` one may come more than once. 0 to 10000. */
  async sample(
    count: number,
    options: { readonly repeats?: boolean | undefined } & CallOptions = {},
  ): Promise<readonly ScoredMember[]> {
    const request = { ...named(this.#place), count, withRepeats: options.repeats ?? false };
    const response = await this.#place.connection.unary(methods.sortedSetSample, request, options);
    return response.elements.map(scoredOf);
  }

  /** Members in the order of their bytes, over all pages until the loop is left. */
  members(options: ElementScanOptions = {}): AsyncGenerator<ScoredMember, void, undefined> {
    return pages(async (cursor) => {
      const request = scanToWire(this.#place, options, cursor);
      const page = await this.#place.connection.unary(methods.sortedSetScan, request, options);
      return { items: page.elements.map(scoredOf), nextPageToken: page.nextCursor };
    });
  }

  /** Puts a range in the place of whatever another key has; says how many members that is. */
  async storeRange(
    range: ScoreRange,
    destination: CacheKey,
    options: { readonly expiry?: CacheExpiry | undefined } & CallOptions = {},
  ): Promise<number> {
    const { cache, key, connection } = this.#place;
    const request = {
      cache,
      source: keyToWire(key),
      destination: keyToWire(destination),
      range: rangeToWire(range),
      expiry: expiryToWire(options.expiry),
    };
    return Number((await connection.unary(methods.sortedSetStoreRange, request, options)).length);
  }

  /**
   * What this sorted set and others have together, in the order of the scores; at most `limit`, 1 to 10000, default 10000. Sets
   * count as sorted sets whose scores are all 1.
   *
   * @throws ForebayError COLLECTION_TOO_LONG: they have more than 100000 members.
   */
  async combine(
    operation: keyof typeof operations,
    others: readonly WeightedKey[],
    options: { readonly limit?: number | undefined } & CombineOptions & CallOptions = {},
  ): Promise<readonly ScoredMember[]> {
    const request = {
      ...this.#combination(operation, others, options),
      limit: options.limit ?? 0,
    };
    const response = await this.#place.connection.unary(methods.sortedSetCombine, request, options);
    return response.elements.map(scoredOf);
  }

  /** Puts what `combine` finds in the place of whatever another key has; says how many members that is. */
  async storeCombined(
    operation: keyof typeof operations,
    others: readonly WeightedKey[],
    destination: CacheKey,
    options: { readonly expiry?: CacheExpiry | undefined } & CombineOptions & CallOptions = {},
  ): Promise<number> {
    const request = {
      ...this.#combination(operation, others, options),
      destination: keyToWire(destination),
      expiry: expiryToWire(options.expiry),
    };
    const { connection } = this.#place;
    return Number((await connection.unary(methods.sortedSetStore, request, options)).length);
  }

  #combination(
    operation: keyof typeof operations,
    others: readonly WeightedKey[],
    { aggregate = "sum", weight }: CombineOptions,
  ) {
    const { cache, key } = this.#place;
    return {
      cache,
      sources: [{ key: keyToWire(key), weight }, ...others.map(weightedToWire)],
      operation: operations[operation],
      aggregate: aggregates[aggregate],
    };
  }
}

export interface RankOptions extends CallOptions {
  /** From the highest score to the lowest. Default: false. */
  readonly reverse?: boolean | undefined;
  /** How members of one score are ranked: 0 1 2 3, 0 1 1 3, or 0 1 1 2. Default: `"ordinal"`. */
  readonly mode?: "ordinal" | "competition" | "dense" | undefined;
}

const weightedToWire = (key: WeightedKey) =>
  typeof key === "string" || key instanceof Uint8Array
    ? { key: keyToWire(key) }
    : { key: keyToWire(key.key), weight: key.weight };

const ruleToWire = ({ mode = "upsert", compare = "any" }: ScoreRule) => ({
  mode: modes[mode],
  compare: compares[compare],
});

const scoredOf = ({ member, score }: WireScored): ScoredMember => ({
  member: keyFromWire(member),
  score,
});

function rangeToWire(range: ScoreRange): SortedSetRange {
  const { reverse = false } = range;
  if ("byScore" in range) {
    return {
      range: { $case: "score", value: { ...boundsOf(range.byScore), ...pageOf(range) } },
      reverse,
    };
  }
  if ("byMember" in range) {
    const { min, max, ...rest } = range.byMember;
    const bounds = {
      ...boundsOf(rest),
      min: min === undefined ? undefined : keyToWire(min),
      max: max === undefined ? undefined : keyToWire(max),
    };
    return { range: { $case: "lex", value: { ...bounds, ...pageOf(range) } }, reverse };
  }
  const { fromRank = 0, toRank } = range;
  const end = toRank === undefined ? undefined : BigInt(toRank);
  return { range: { $case: "rank", value: { start: BigInt(fromRank), end } }, reverse };
}

const boundsOf = <Value>({ min, max, minExclusive, maxExclusive }: Bounds<Value>) => ({
  min,
  max,
  minExclusive: minExclusive ?? false,
  maxExclusive: maxExclusive ?? false,
});

const pageOf = ({ offset = 0, count }: Paging) => ({
  offset: BigInt(offset),
  limit: count === undefined ? undefined : BigInt(count),
});
