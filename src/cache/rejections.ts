// Why a cache rule says no: data, not exceptions. One table in `rpc/cache-wire-errors.ts` gives each its status and reason.

import type { Version } from "../base/brands.js";
import type { Decided } from "../queue/rejections.js";

export type CacheRejection =
  | { readonly kind: "cache_not_found"; readonly cache: string }
  | {
      readonly kind: "cache_exists";
      readonly cache: string;
      /** What differs, by the field names in CacheConfig. */
      readonly differing: readonly string[];
    }
  | { readonly kind: "cache_limit"; readonly count: number; readonly limit: number }
  | { readonly kind: "cache_etag_mismatch"; readonly cache: string; readonly etag: string }
  | {
      readonly kind: "value_too_large";
      readonly cache: string;
      readonly bytes: number;
      readonly limit: number;
    }
  /** The same, of a value in a collection. */
  | {
      readonly kind: "element_too_large";
      readonly cache: string;
      readonly bytes: number;
      readonly limit: number;
    }
  | {
      readonly kind: "index_out_of_range";
      readonly cache: string;
      readonly index: number;
      readonly length: number;
    }
  /** A collection would have more elements than one may have, or than a copy takes. */
  | {
      readonly kind: "collection_full" | "collection_too_long";
      readonly cache: string;
      readonly limit: number;
    }
  /** The same in words: what a change would make of a value. */
  | {
      readonly kind: "result_too_large";
      readonly cache: string;
      readonly bytes: number;
      readonly limit: number;
    }
  /** What a call of many operations would answer is longer than one message. */
  | {
      readonly kind: "answer_too_large";
      readonly cache: string;
      readonly bytes: number;
      readonly limit: number;
    }
  | { readonly kind: "ttl_too_far"; readonly cache: string }
  | {
      readonly kind: "wrong_type" | "not_a_number" | "overflow" | "nan_result";
      readonly cache: string;
    }
  /** The cache asks for more zones than the group has. */
  | {
      readonly kind: "too_few_zones";
      readonly cache: string;
      readonly zones: number;
      readonly needed: number;
    }
  /** What is stored at a key cannot be read. */
  | { readonly kind: "value_unreadable"; readonly cache: string }
  | {
      readonly kind: "cache_full";
      readonly cache: string;
      readonly limit: number;
      readonly what: "bytes" | "items";
    }
  | {
      readonly kind: "pinned_limit";
      readonly cache: string;
      readonly bytes: number;
      readonly limit: number;
    }
  /** The token is not of the lease that there is, or there is none any more. */
  | { readonly kind: "lease_lost"; readonly cache: string }
  | {
      readonly kind: "guard_failed";
      readonly cache: string;
      /** Its place in the batch. */
      readonly guard: number;
      /** Of what its key has; 0: nothing. */
      readonly version: Version | 0;
    }
  | {
      /** An operation of a batch was refused, and with it the batch. */
      readonly kind: "operation_failed";
      readonly index: number;
      readonly rejection: CacheRejection;
    };

export type CacheDecided<Outcome> = Decided<Outcome, CacheRejection>;

export const refuse = (rejection: CacheRejection): CacheDecided<never> => ({
  kind: "rejected",
  rejection,
});
