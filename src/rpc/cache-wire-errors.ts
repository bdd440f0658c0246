// From a rejection of the caches' rules to what a caller is told; `tsc` demands a row for every kind. The rest of the table is in
// `wire-errors.ts`.

import { status } from "@grpc/grpc-js";
import type { CacheRejection } from "../cache/rejections.js";
import type { QueueRejection } from "../queue/rejections.js";
import { WireFault, type WireFaultFields } from "./status-details.js";
import { faultOf } from "./wire-errors.js";

const cacheKinds = {
  cache_not_found: true,
  cache_exists: true,
  cache_limit: true,
  cache_etag_mismatch: true,
  too_few_zones: true,
  value_too_large: true,
  element_too_large: true,
  index_out_of_range: true,
  collection_full: true,
  collection_too_long: true,
  result_too_large: true,
  answer_too_large: true,
  ttl_too_far: true,
  wrong_type: true,
  not_a_number: true,
  overflow: true,
  nan_result: true,
  value_unreadable: true,
  cache_full: true,
  pinned_limit: true,
  lease_lost: true,
  guard_failed: true,
  operation_failed: true,
} as const satisfies Record<CacheRejection["kind"], true>;

/** A command of caches is also refused as any other is, as for a request id that was used. */
export const cacheFaultOf = (rejection: CacheRejection | QueueRejection): WireFault =>
  isOfCaches(rejection) ? new WireFault(fieldsOf(rejection)) : faultOf(rejection);

const isOfCaches = (rejection: CacheRejection | QueueRejection): rejection is CacheRejection =>
  Object.hasOwn(cacheKinds, rejection.kind);

const resource = (name: string) => ({ type: "cache", name });

function fieldsOf(rejection: CacheRejection): WireFaultFields {
  switch (rejection.kind) {
    case "cache_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "CACHE_NOT_FOUND",
        message: `There is no cache "${rejection.cache}". Create it, or check the name: names are case-sensitive. The cache default is always there.`,
        metadata: { cache: rejection.cache },
        resource: resource(rejection.cache),
      };
    case "cache_exists":
      return {
        code: status.ALREADY_EXISTS,
        reason: "CACHE_EXISTS",
        message: `Cache "${rejection.cache}" exists with another ${rejection.differing.join(", ")}. Leave the setting out, give its current value, or change it with UpdateCache.`,
        metadata: { cache: rejection.cache, differing: rejection.differing.join(",") },
      };
    case "cache_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "CACHE_LIMIT",
        message: `The namespace would have ${rejection.count + 1} caches; the limit is ${rejection.limit}. Delete some first.`,
        metadata: { count: String(rejection.count + 1), limit: String(rejection.limit) },
        quota: [{ subject: "namespace", description: `at most ${rejection.limit} caches` }],
        retryAfterMs: "never",
      };
    case "cache_etag_mismatch":
      return {
        code: status.ABORTED,
        reason: "ETAG_MISMATCH",
        message: `Cache "${rejection.cache}" was changed since: its etag is now ${rejection.etag}. Read it again and decide anew.`,
        metadata: { cache: rejection.cache, etag: rejection.etag },
      };
    case "too_few_zones":
      return {
        code: status.UNAVAILABLE,
        reason: "TOO_FEW_ZONES",
        message: `Cache "${rejection.cache}" is to have every write in ${rejection.needed} zones, and there are ${rejection.zones}. Nothing was done. Add nodes, or lower replicated_zones.`,
        metadata: {
          cache: rejection.cache,
          zones: String(rejection.zones),
          needed: String(rejection.needed),
        },
        retryAfterMs: 1_000,
      };
    case "guard_failed":
      return {
        code: status.ABORTED,
        reason: "GUARD_FAILED",
        message: `Guard ${rejection.guard} does not hold: its key has ${rejection.version === 0 ? "nothing" : `version ${rejection.version}`}. Nothing of the batch was done; read again and decide anew.`,
        metadata: {
          cache: rejection.cache,
          guard: String(rejection.guard),
          version: String(rejection.version),
        },
      };
    case "lease_lost":
      return {
        code: status.ABORTED,
        reason: "LEASE_LOST",
        message: `The lease in cache "${rejection.cache}" ended, was released, or its key was written, deleted or made invalid since. Nothing was done; ask for a lease again.`,
        metadata: { cache: rejection.cache },
      };
    case "operation_failed": {
      const fields = fieldsOf(rejection.rejection);
      return {
        ...fields,
        message: `Operation ${rejection.index}: ${fields.message} Nothing of the batch was done.`,
        metadata: { ...fields.metadata, failed_index: String(rejection.index) },
      };
    }
    case "cache_full":
    case "pinned_limit":
      return fullFields(rejection);
    default:
      return valueFields(rejection);
  }
}

type FullRejection = Extract<CacheRejection, { kind: "cache_full" | "pinned_limit" }>;

function fullFields(rejection: FullRejection): WireFaultFields {
  const { cache, limit } = rejection;
  const base = { code: status.RESOURCE_EXHAUSTED, retryAfterMs: "never" } as const;
  if (rejection.kind === "cache_full") {
    const { what } = rejection;
    return {
      ...base,
      reason: "CACHE_FULL",
      message: `Cache "${cache}" has its ${limit} ${what} and its policy lets nothing more go. Delete something, raise max_${what}, or choose another eviction; reads, deletes and what shrinks go on working.`,
      metadata: { cache, what, limit: String(limit) },
      quota: [{ subject: `cache:${cache}`, description: `at most ${limit} ${what}` }],
    };
  }
  return {
    ...base,
    reason: "PINNED_LIMIT",
    message: `Cache "${cache}" would have ${rejection.bytes} pinned bytes; the limit is ${limit}, half of what it may have. Pin less, or raise max_bytes.`,
    metadata: { cache, bytes: String(rejection.bytes), limit: String(limit) },
    quota: [{ subject: `cache:${cache}`, description: `at most ${limit} pinned bytes` }],
  };
}

type ValueRejection = Exclude<
  CacheRejection,
  {
    kind:
      | "cache_not_found"
      | "cache_exists"
      | "cache_limit"
      | "cache_etag_mismatch"
      | "too_few_zones"
      | "lease_lost"
      | "guard_failed"
      | "operation_failed"
      | FullRejection["kind"];
  }
>;

function valueFields(rejection: ValueRejection): WireFaultFields {
  const { cache } = rejection;
  switch (rejection.kind) {
    case "value_too_large": {
      const message = `The value has ${rejection.bytes} bytes; cache "${cache}" takes at most ${rejection.limit}. Send less, or raise max_value_bytes.`;
      return {
        code: status.INVALID_ARGUMENT,
        reason: "VALUE_TOO_LARGE",
        message,
        metadata: {
          cache,
          field: "value",
          actual: String(rejection.bytes),
          limit: String(rejection.limit),
        },
        violations: [{ field: "value", description: message }],
      };
    }
    case "element_too_large": {
      const message = `A value has ${rejection.bytes} bytes; a collection in cache "${cache}" takes values of at most ${rejection.limit}. Send less, or raise max_element_bytes. Nothing was changed.`;
      return {
        code: status.INVALID_ARGUMENT,
        reason: "VALUE_TOO_LARGE",
        message,
        metadata: {
          cache,
          field: "value",
          actual: String(rejection.bytes),
          limit: String(rejection.limit),
        },
        violations: [{ field: "value", description: message }],
      };
    }
    case "index_out_of_range":
      return {
        code: status.OUT_OF_RANGE,
        reason: "INDEX_OUT_OF_RANGE",
        message: `The list in cache "${cache}" has ${rejection.length} values, and no place ${rejection.index}. Nothing was changed; ListPush adds at an end.`,
        metadata: { cache, index: String(rejection.index), length: String(rejection.length) },
      };
    case "collection_full":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "COLLECTION_FULL",
        message: `The collection in cache "${cache}" would have more than ${rejection.limit} elements. Nothing was changed; remove some, or spread them over several keys.`,
        metadata: { cache, limit: String(rejection.limit) },
        quota: [{ subject: `cache:${cache}`, description: `at most ${rejection.limit} elements` }],
        retryAfterMs: "never",
      };
    case "collection_too_long":
      return {
        code: status.OUT_OF_RANGE,
        reason: "COLLECTION_TOO_LONG",
        message: `The call would go through more than ${rejection.limit} elements in cache "${cache}" at once, or more bytes than one record takes. Nothing was changed; ask for fewer at a time.`,
        metadata: { cache, limit: String(rejection.limit) },
      };
    case "result_too_large":
      return {
        code: status.OUT_OF_RANGE,
        reason: "RESULT_TOO_LARGE",
        message: `The value would have ${rejection.bytes} bytes; cache "${cache}" takes at most ${rejection.limit}. Nothing was changed.`,
        metadata: { cache, actual: String(rejection.bytes), limit: String(rejection.limit) },
      };
    case "answer_too_large":
      return {
        code: status.OUT_OF_RANGE,
        reason: "ANSWER_TOO_LARGE",
        message: `The values to answer with have ${rejection.bytes} bytes or more, and one answer takes at most ${rejection.limit}. Nothing was done; ask for fewer at a time.`,
        metadata: {
          cache,
          actual: String(rejection.bytes),
          limit: String(rejection.limit),
        },
      };
    case "ttl_too_far": {
      const message = "The end lies beyond 2^53-1 ms. Give a shorter life, or no_expiry.";
      return {
        code: status.INVALID_ARGUMENT,
        reason: "TTL_INVALID",
        message,
        metadata: { cache, field: "expiry" },
        violations: [{ field: "expiry", description: message }],
      };
    }
    case "wrong_type":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "WRONG_TYPE",
        message: `The key in cache "${cache}" has something of another type than this call is for; GetMeta says of which. Nothing was changed.`,
        metadata: { cache },
      };
    case "not_a_number":
      return {
        code: status.FAILED_PRECONDITION,
        reason: "NOT_A_NUMBER",
        message: `The value in cache "${cache}" is no number in the text that this call counts with. Nothing was changed; Set one to begin anew.`,
        metadata: { cache },
      };
    case "overflow":
      return {
        code: status.OUT_OF_RANGE,
        reason: "OVERFLOW",
        message: `The sum is out of the bounds of the counter in cache "${cache}". Nothing was changed; SATURATE stays at the bound, WRAP goes on from the other one.`,
        metadata: { cache },
      };
    case "nan_result":
      return {
        code: status.OUT_OF_RANGE,
        reason: "NAN_RESULT",
        message: `The sum in cache "${cache}" is not finite. Nothing was changed.`,
        metadata: { cache },
      };
    case "value_unreadable":
      return {
        code: status.DATA_LOSS,
        reason: "RECORD_CORRUPT",
        message: `The stored value in cache "${cache}" failed its checksum and was not served. Set or delete the key, and run \`forebay check\` on this node's data directory.`,
        metadata: { cache },
      };
  }
}
