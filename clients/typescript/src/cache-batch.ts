// Several operations on one cache as one step: all of them happen, or none.

import {
  type CacheOperation,
  CacheServiceDefinition,
  DeleteMode,
  DeleteOutcome,
  OverflowMode,
  ReadOutcome,
} from "../gen/forebay/cache/v1/cache_service.js";
import {
  type CacheCondition,
  type CacheExpiry,
  type CacheKey,
  type CacheValue,
  conditionToWire,
  expiryToWire,
  keyFormOf,
  keyToWire,
  valueFormOf,
} from "./cache-items.js";
import type { CallOptions, Connection } from "./connection.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

/** One operation of a batch. */
export type CacheBatchOperation =
  | { readonly get: CacheKey }
  | {
      readonly set: CacheKey;
      readonly value: CacheValue;
      readonly expiry?: CacheExpiry | undefined;
      readonly condition?: CacheCondition | undefined;
      readonly tags?: readonly string[] | undefined;
    }
  | { readonly delete: CacheKey; readonly condition?: CacheCondition | undefined }
  | { readonly increment: CacheKey; readonly delta?: bigint | undefined };

export interface CacheBatch {
  /** What must hold, judged by what is there before the batch; up to 1000. */
  readonly guards?: readonly (readonly [CacheKey, CacheCondition])[] | undefined;
  /** 1 to 1000, in their order. */
  readonly operations: readonly CacheBatchOperation[];
}

export type CacheBatchOptions = CallOptions & RequestIdOption;

/** What one operation came to, in its own words. */
export type CacheBatchResult =
  | { readonly kind: "hit"; readonly value: CacheValue; readonly version: bigint }
  | { readonly kind: "miss" }
  | { readonly kind: "set"; readonly stored: boolean; readonly version: bigint }
  | { readonly kind: "deleted"; readonly existed: boolean }
  | { readonly kind: "counted"; readonly value: bigint };

const noBytes = new Uint8Array(0);

export async function runBatch(
  connection: Connection,
  cache: string,
  { guards = [], operations }: CacheBatch,
  options: CacheBatchOptions,
): Promise<{
  readonly results: readonly CacheBatchResult[];
  /** Of everything the batch wrote; 0: nothing. */
  readonly version: bigint;
}> {
  const { atomicBatch } = CacheServiceDefinition.methods;
  const request = {
    cache,
    guards: guards.map(([key, condition]) => ({
      key: keyToWire(key),
      condition: conditionToWire(condition),
    })),
    operations: operations.map(operationToWire),
    requestId: options.requestId ?? newRequestId(),
  };
  const response = await connection.unary(atomicBatch, request, options);
  const results = response.results.map(({ result }): CacheBatchResult => {
    switch (result?.$case) {
      case "get":
        return result.value.outcome === ReadOutcome.HIT
          ? {
              kind: "hit",
              value: result.value.valueForm?.value ?? noBytes,
              version: result.value.version,
            }
          : { kind: "miss" };
      case "set":
        return { kind: "set", stored: result.value.stored, version: result.value.version };
      case "increment":
        return { kind: "counted", value: result.value.value };
      default:
        return {
          kind: "deleted",
          existed: result?.$case === "delete" && result.value.outcome === deleted,
        };
    }
  });
  return { results, version: response.version };
}

function operationToWire(operation: CacheBatchOperation): CacheOperation {
  const outer = { cache: "", requestId: "" };
  if ("get" in operation) {
    const value = {
      cache: "",
      keyForm: keyFormOf(operation.get),
      ifVersionNot: 0n,
      allowStale: false,
      peek: false,
      withMeta: false,
    };
    return { operation: { $case: "get", value } };
  }
  if ("set" in operation) {
    const value = {
      ...outer,
      keyForm: keyFormOf(operation.set),
      valueForm: valueFormOf(operation.value),
      expiry: expiryToWire(operation.expiry),
      condition: conditionToWire(operation.condition),
      returnPrevious: false,
      returnCurrent: false,
      flags: 0,
      contentType: "",
      tags: [...(operation.tags ?? [])],
      keepTags: false,
      pinned: false,
      externalVersion: 0n,
      leaseToken: 0n,
    };
    return { operation: { $case: "set", value } };
  }
  if ("delete" in operation) {
    const value = {
      ...outer,
      keyForm: keyFormOf(operation.delete),
      condition: conditionToWire(operation.condition),
      mode: DeleteMode.DELETE,
    };
    return { operation: { $case: "delete", value } };
  }
  const value = {
    ...outer,
    keyForm: keyFormOf(operation.increment),
    delta: operation.delta ?? 1n,
    initial: 0n,
    requireExists: false,
    onOverflow: OverflowMode.ERROR,
  };
  return { operation: { $case: "increment", value } };
}

const deleted = DeleteOutcome.DELETED;
