// Lists of a cache: values in the order they were given, taken from both ends, and found by their place.

import { ListInsertOutcome, ListServiceDefinition } from "../gen/forebay/cache/v1/list_service.js";
import {
  type CollectionChanged,
  type CollectionLife,
  type CollectionPlace,
  changedOf,
  ends,
  lifeToWire,
  named,
  once,
  waitingOptions,
} from "./cache-collections.js";
import { type CacheKey, keyToWire, valueFromWire, valueToWire } from "./cache-items.js";
import type { CallOptions } from "./connection.js";
import { durationOf } from "./durations.js";
import type { RequestIdOption } from "./queue-calls.js";

const { methods } = ListServiceDefinition;

export type ListEnd = "front" | "back";

export interface ListPushOptions extends CollectionLife, CallOptions, RequestIdOption {
  /** Default: `"back"`. */
  readonly end?: ListEnd | undefined;
  /** Whether the values stand there in the reverse order, as if each were put at the front in turn. Default: false. */
  readonly reverse?: boolean | undefined;
  /** How many values the list has at most afterwards: the other end loses what is over. Default: 0, no limit. */
  readonly truncateTo?: number | undefined;
  /** Whether a list that is not there stays absent. Default: false. */
  readonly mustExist?: boolean | undefined;
}

export interface ListTakeOptions extends CallOptions, RequestIdOption {
  /** Default: `"front"`. */
  readonly end?: ListEnd | undefined;
  /** How long to wait for a value, in milliseconds. Range: 0 to 60000. Default: 0. */
  readonly waitMs?: number | undefined;
}

export interface ListMoveOptions extends CollectionLife, CallOptions, RequestIdOption {
  /** Default: `"front"`. */
  readonly from?: ListEnd | undefined;
  /** Default: `"back"`. */
  readonly to?: ListEnd | undefined;
  /** How long to wait for a value, in milliseconds. Range: 0 to 60000. Default: 0. */
  readonly waitMs?: number | undefined;
}

/** A list by its key. Making one asks the server nothing. Every call throws WRONG_TYPE where the key has something else. */
export class CacheList<Item> {
  readonly #place: CollectionPlace<Item>;

  /** Use `Cache.list`. */
  constructor(place: CollectionPlace<Item>) {
    this.#place = place;
  }

  /**
   * Puts up to 10000 values at an end of the list, which is made where there is none. They stand there in this order.
   *
   * @throws ForebayError WRONG_TYPE, VALUE_TOO_LARGE, LIMIT_EXCEEDED, TTL_INVALID, CACHE_FULL, COLLECTION_FULL.
   */
  async push(values: readonly Item[], options: ListPushOptions = {}): Promise<CollectionChanged> {
    const request = {
      ...named(this.#place),
      end: ends[options.end ?? "back"],
      values: values.map((value) => this.#toWire(value)),
      reverse: options.reverse ?? false,
      truncateTo: BigInt(options.truncateTo ?? 0),
      onlyIfExists: options.mustExist ?? false,
      ...lifeToWire(options),
      ...once(options),
    };
    return changedOf(await this.#place.connection.unary(methods.listPush, request, options));
  }

  /** Takes the value at an end; undefined: there is none, or none came in time. */
  async pop(options: ListTakeOptions = {}): Promise<Item | undefined> {
    return (await this.popMany(1, options))[0];
  }

  /** Takes up to so many values from an end, the outermost first; none: the list is not there, or nothing came. 0 to 10000. */
  async popMany(count: number, options: ListTakeOptions = {}): Promise<readonly Item[]> {
    const { end = "front", waitMs = 0 } = options;
    const request = {
      ...named(this.#place),
      end: ends[end],
      count,
      wait: durationOf(waitMs),
      ...once(options),
    };
    const call = waitingOptions(options, waitMs);
    const { values } = await this.#place.connection.unary(methods.listPop, request, call);
    return values.map((value) => this.#fromWire(value));
  }

  /** Values from index `start` to before `end`, both counted from the end where below 0. Undefined: the list is not there. */
  async range(
    start = 0,
    end?: number,
    options: CallOptions = {},
  ): Promise<readonly Item[] | undefined> {
    const values: Item[] = [];
    let from = start;
    for (;;) {
      const request = {
        ...named(this.#place),
        start: BigInt(from),
        end: end === undefined ? undefined : BigInt(end),
        limit: 0,
      };
      const page = await this.#place.connection.unary(methods.listFetch, request, options);
      if (!page.found) return values.length === 0 ? undefined : values;
      for (const value of page.values) values.push(this.#fromWire(value));
      if (page.nextStart === 0n) return values;
      from = Number(page.nextStart);
    }
  }

  /** The value at an index, counted from the end where below 0; undefined: there is none. */
  async at(index: number, options: CallOptions = {}): Promise<Item | undefined> {
    const values = await this.range(index, index === -1 ? undefined : index + 1, options);
    return values?.[0];
  }

  /** Removes all but a range; says how many values that were. */
  async retain(
    start: number,
    end?: number,
    options: CallOptions & RequestIdOption = {},
  ): Promise<number> {
    const request = {
      ...named(this.#place),
      start: BigInt(start),
      end: end === undefined ? undefined : BigInt(end),
      ...once(options),
    };
    const response = await this.#place.connection.unary(methods.listRetain, request, options);
    return Number(response.removed);
  }

  /**
   * Puts another value in the place of one.
   *
   * @throws ForebayError INDEX_OUT_OF_RANGE, VALUE_TOO_LARGE, WRONG_TYPE.
   */
  async set(
    index: number,
    value: Item,
    options: CallOptions & RequestIdOption = {},
  ): Promise<CollectionChanged> {
    const request = {
      ...named(this.#place),
      index: BigInt(index),
      value: this.#toWire(value),
      ...once(options),
    };
    return changedOf(await this.#place.connection.unary(methods.listSet, request, options));
  }

  /** Puts a value in front of the first that is the pivot, or behind it. */
  async insert(
    where: "before" | "after",
    pivot: Item,
    value: Item,
    options: CallOptions & RequestIdOption = {},
  ): Promise<"inserted" | "pivot_absent" | "missing"> {
    const request = {
      ...named(this.#place),
      pivot: this.#toWire(pivot),
      after: where === "after",
      value: this.#toWire(value),
      ...once(options),
    };
    const response = await this.#place.connection.unary(methods.listInsert, request, options);
    if (response.outcome === ListInsertOutcome.INSERTED) return "inserted";
    return response.outcome === ListInsertOutcome.MISSING ? "missing" : "pivot_absent";
  }

  /** Removes values that are this one: all, or so many from the front, or from the back where `count` is below 0. Says how many. */
  async remove(
    value: Item,
    count = 0,
    options: CallOptions & RequestIdOption = {},
  ): Promise<number> {
    const request = {
      ...named(this.#place),
      value: this.#toWire(value),
      count: BigInt(count),
      ...once(options),
    };
    const response = await this.#place.connection.unary(methods.listRemove, request, options);
    return Number(response.removed);
  }

  /** Removes up to 1000 ranges, each from its start to before its end as the list is before; says how many values that were. */
  async erase(
    ranges: readonly (readonly [start: number, end?: number])[],
    options: CallOptions & RequestIdOption = {},
  ): Promise<number> {
    const request = {
      ...named(this.#place),
      ranges: ranges.map(([start, end]) => ({
        start: BigInt(start),
        end: end === undefined ? undefined : BigInt(end),
      })),
      ...once(options),
    };
    const response = await this.#place.connection.unary(methods.listErase, request, options);
    return Number(response.removed);
  }

  /** Where a value stands: up to `count` indexes, 1 to 10000, default 1; from the back with `reverse`. */
  async indexesOf(
    value: Item,
    options: {
      readonly count?: number | undefined;
      readonly reverse?: boolean | undefined;
    } & CallOptions = {},
  ): Promise<readonly number[]> {
    const { count = 1, reverse = false } = options;
    const request = { ...named(this.#place), value: this.#toWire(value), reverse, count };
    const response = await this.#place.connection.unary(methods.listPosition, request, options);
    return response.indexes.map(Number);
  }

  /** How many values there are; 0: the key has nothing. */
  async length(options: CallOptions = {}): Promise<number> {
    const { connection } = this.#place;
    const response = await connection.unary(methods.listLength, named(this.#place), options);
    return Number(response.length);
  }

  /** Takes a value to another list of the cache, or round in this one, in one; undefined: there is none, or none came in time. */
  async move(destination: CacheKey, options: ListMoveOptions = {}): Promise<Item | undefined> {
    const { cache, key, connection } = this.#place;
    const { from = "front", to = "back", waitMs = 0 } = options;
    const request = {
      cache,
      source: keyToWire(key),
      from: ends[from],
      destination: keyToWire(destination),
      to: ends[to],
      wait: durationOf(waitMs),
      ...lifeToWire(options),
      ...once(options),
    };
    const call = waitingOptions(options, waitMs);
    const { moved, value } = await connection.unary(methods.listMove, request, call);
    return moved ? this.#fromWire(value) : undefined;
  }

  #toWire(value: Item) {
    return valueToWire(this.#place.codec.encode(value));
  }

  #fromWire(value: Parameters<typeof valueFromWire>[0]): Item {
    return this.#place.codec.decode(valueFromWire(value));
  }
}
