// Dictionaries of a cache: fields with values, each of which may end before the dictionary does.

import { OverflowMode } from "../gen/forebay/cache/v1/cache_service.js";
import {
  type DictionaryField,
  DictionaryServiceDefinition,
  FieldCondition,
} from "../gen/forebay/cache/v1/dictionary_service.js";
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
  valueFromWire,
  valueToWire,
} from "./cache-items.js";
import type { CallOptions } from "./connection.js";
import { dateOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = DictionaryServiceDefinition;

export interface DictionarySetOptions extends CollectionLife, CallOptions {
  /** Which fields are written: all, those that are not there, or those that are. Default: `"always"`. */
  readonly condition?: "always" | "absent" | "present" | undefined;
  /** When the fields end that are written. Default: with the dictionary, also where a field that is there had an end. */
  readonly fieldExpiry?: CacheExpiry | undefined;
}

export interface FieldsSet extends CollectionChanged {
  /** Fields that were not there. */
  readonly created: number;
  /** Fields that were there. */
  readonly updated: number;
}

/** What a field has. */
export interface FieldValue<Item> {
  readonly field: CacheKey;
  readonly value: Item;
  /** Undefined: with the dictionary. */
  readonly expiresAt: Date | undefined;
}

export interface DictionaryIncrementOptions extends CollectionLife, CallOptions, RequestIdOption {
  /** What a field that is not there counts as. Default: 0. */
  readonly initial?: bigint | number | undefined;
  /** Out of bounds: refuse, stay at the bound, or go on from the other one. Default: `"error"`. */
  readonly onOverflow?: "error" | "saturate" | "wrap" | undefined;
  /** Default: -2^63. */
  readonly min?: bigint | undefined;
  /** Default: 2^63-1. */
  readonly max?: bigint | undefined;
}

const conditions = {
  always: FieldCondition.ANY,
  absent: FieldCondition.ABSENT,
  present: FieldCondition.PRESENT,
} as const;

const overflowModes = {
  error: OverflowMode.ERROR,
  saturate: OverflowMode.SATURATE,
  wrap: OverflowMode.WRAP,
} as const;

/** A dictionary by its key. Making one asks the server nothing. Every call throws WRONG_TYPE where the key has something else. */
export class CacheDictionary<Item> {
  readonly #place: CollectionPlace<Item>;

  /** Use `Cache.dictionary`. */
  constructor(place: CollectionPlace<Item>) {
    this.#place = place;
  }

  /**
   * Writes up to 10000 fields, in a dictionary that is made where there is none.
   *
   * @throws ForebayError WRONG_TYPE, VALUE_TOO_LARGE, LIMIT_EXCEEDED, EMPTY_KEY, KEY_TOO_LONG, TTL_INVALID, CACHE_FULL,
   * COLLECTION_FULL.
   */
  async set(
    fields: Iterable<readonly [CacheKey, Item]>,
    options: DictionarySetOptions = {},
  ): Promise<FieldsSet> {
    const { codec, connection } = this.#place;
    const items = [...fields].map(([field, item]) => ({
      field: keyToWire(field),
      value: valueToWire(codec.encode(item)),
    }));
    const request = {
      ...named(this.#place),
      items,
      condition: conditions[options.condition ?? "always"],
      fieldExpiry: expiryToWire(options.fieldExpiry),
      ...lifeToWire(options),
    };
    const response = await connection.unary(methods.dictionarySet, request, options);
    return {
      ...changedOf(response),
      created: Number(response.created),
      updated: Number(response.updated),
    };
  }

  /** The value of a field; undefined: there is none. */
  async get(field: CacheKey, options: CallOptions = {}): Promise<Item | undefined> {
    const [found] = await this.getMany([field], options);
    return found?.value;
  }

  /**
   * What up to 10000 fields have, in their order; undefined where one is not there.
   *
   * @throws ForebayError WRONG_TYPE, ANSWER_TOO_LARGE, LIMIT_EXCEEDED.
   */
  async getMany(
    fields: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<readonly (FieldValue<Item> | undefined)[]> {
    const request = {
      ...named(this.#place),
      fields: fields.map(keyToWire),
      withoutValues: false,
    };
    const response = await this.#place.connection.unary(methods.dictionaryGet, request, options);
    return response.fields.map((field) => this.#valueOf(field));
  }

  /** As `getMany`, and gives the fields that are there another end: `"never"` is with the dictionary. */
  async getManyAndTouch(
    fields: readonly CacheKey[],
    fieldExpiry: Exclude<CacheExpiry, "keep">,
    options: CallOptions = {},
  ): Promise<readonly (FieldValue<Item> | undefined)[]> {
    const request = {
      ...named(this.#place),
      fields: fields.map(keyToWire),
      fieldExpiry: expiryToWire(fieldExpiry),
    };
    const { connection } = this.#place;
    const response = await connection.unary(methods.dictionaryGetAndTouch, request, options);
    return response.fields.map((field) => this.#valueOf(field));
  }

  /** Which of up to 10000 fields are there. */
  async has(fields: readonly CacheKey[], options: CallOptions = {}): Promise<readonly boolean[]> {
    const request = { ...named(this.#place), fields: fields.map(keyToWire), withoutValues: true };
    const response = await this.#place.connection.unary(methods.dictionaryGet, request, options);
    return response.fields.map(({ found }) => found);
  }

  #valueOf(field: DictionaryField): FieldValue<Item> | undefined {
    if (!field.found) return undefined;
    return {
      field: keyFromWire(field.field),
      value: this.#place.codec.decode(valueFromWire(field.value)),
      expiresAt: dateOf(field.expireTime),
    };
  }

  /** Fields with their values in the order of their bytes, over all pages until the loop is left. */
  entries(options: ElementScanOptions = {}): AsyncGenerator<FieldValue<Item>, void, undefined> {
    return pages(async (cursor) => {
      const request = { ...scanToWire(this.#place, options, cursor), withoutValues: false };
      const page = await this.#place.connection.unary(methods.dictionaryScan, request, options);
      const items = page.fields.flatMap((field) => this.#valueOf(field) ?? []);
      return { items, nextPageToken: page.nextCursor };
    });
  }

  /** Fields in the order of their bytes, over all pages until the loop is left. */
  fields(options: ElementScanOptions = {}): AsyncGenerator<CacheKey, void, undefined> {
    return pages(async (cursor) => {
      const request = { ...scanToWire(this.#place, options, cursor), withoutValues: true };
      const page = await this.#place.connection.unary(methods.dictionaryScan, request, options);
      const items = page.fields.map(({ field }) => keyFromWire(field));
      return { items, nextPageToken: page.nextCursor };
    });
  }

  /**
   * Adds to the number that a field has; answers with it. A field keeps its end.
   *
   * @throws ForebayError NOT_A_NUMBER, OVERFLOW, WRONG_TYPE, CACHE_FULL.
   */
  async increment(
    field: CacheKey,
    delta: bigint | number = 1n,
    options: DictionaryIncrementOptions = {},
  ): Promise<bigint> {
    const { min, max, onOverflow = "error" } = options;
    const request = {
      ...named(this.#place),
      field: keyToWire(field),
      delta: BigInt(delta),
      initial: BigInt(options.initial ?? 0n),
      onOverflow: overflowModes[onOverflow],
      min,
      max,
      ...lifeToWire(options),
      requestId: options.requestId ?? newRequestId(),
    };
    const { connection } = this.#place;
    return (await connection.unary(methods.dictionaryIncrement, request, options)).value;
  }

  /**
   * Adds to the floating number that a field has; answers with it. A field keeps its end.
   *
   * @throws ForebayError NOT_A_NUMBER, NAN_INPUT, NAN_RESULT, WRONG_TYPE, CACHE_FULL.
   */
  async incrementFloat(
    field: CacheKey,
    delta: number,
    options: CollectionLife &
      CallOptions &
      RequestIdOption & { readonly initial?: number | undefined } = {},
  ): Promise<number> {
    const request = {
      ...named(this.#place),
      field: keyToWire(field),
      delta,
      initial: options.initial ?? 0,
      ...lifeToWire(options),
      requestId: options.requestId ?? newRequestId(),
    };
    const { connection } = this.#place;
    return (await connection.unary(methods.dictionaryIncrementFloat, request, options)).value;
  }

  /** Deletes up to 10000 fields; says how many were there. With the last one the key has nothing. */
  async delete(
    fields: readonly CacheKey[],
    options: CallOptions = {},
  ): Promise<CollectionChanged & { readonly removed: number }> {
    const request = { ...named(this.#place), fields: fields.map(keyToWire) };
    const response = await this.#place.connection.unary(methods.dictionaryDelete, request, options);
    return { ...changedOf(response), removed: Number(response.removed) };
  }

  /** Gives up to 10000 fields another end; `"never"` is with the dictionary. */
  async expire(
    fields: readonly CacheKey[],
    fieldExpiry: Exclude<CacheExpiry, "keep">,
    options: ElementTtlOptions = {},
  ): Promise<readonly ElementExpired[]> {
    const request = {
      ...named(this.#place),
      fields: fields.map(keyToWire),
      fieldExpiry: expiryToWire(fieldExpiry),
      mode: modeToWire(options),
    };
    const response = await this.#place.connection.unary(methods.dictionaryExpire, request, options);
    return response.fields.map(elementExpiredOf);
  }

  /** Fields that chance chooses, with their values; with `repeats` one may come more than once. 0 to 10000. */
  async sample(
    count: number,
    options: { readonly repeats?: boolean | undefined } & CallOptions = {},
  ): Promise<readonly FieldValue<Item>[]> {
    const withRepeats = options.repeats ?? false;
    const request = { ...named(this.#place), count, withRepeats, withoutValues: false };
    const response = await this.#place.connection.unary(methods.dictionarySample, request, options);
    return response.fields.flatMap((field) => this.#valueOf(field) ?? []);
  }

  /** How many fields there are; 0: the key has nothing. */
  async length(options: CallOptions = {}): Promise<number> {
    const { connection } = this.#place;
    const response = await connection.unary(methods.dictionaryLength, named(this.#place), options);
    return Number(response.length);
  }
}
