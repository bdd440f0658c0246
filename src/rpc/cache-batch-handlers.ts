// Calls on many keys at once.

import type { CacheKey } from "../base/brands.js";
import { cacheLimits } from "../cache/limits.js";
import { touchAll } from "../cache/lives.js";
import type { OpenCache } from "../cache/open-cache.js";
import { type Guard, holdGuards, type MultiSetResult, multiSet } from "../cache/operations.js";
import { type CacheDecided, refuse } from "../cache/rejections.js";
import { get, type Read, remove } from "../cache/scalars.js";
import {
  AtomicBatchRequest,
  AtomicBatchResponse,
  MultiDeleteRequest,
  MultiDeleteResponse,
  type MultiGetItem,
  type MultiGetResponse,
  MultiSetRequest,
  MultiSetResponse,
  ReadOutcome,
  type SetRequest,
  type CacheOperation as WireCacheOperation,
  type CacheResult as WireCacheResult,
  type Guard as WireGuard,
} from "../gen/forebay/cache/v1/cache_service.js";
import { accept } from "../queue/rejections.js";
import type { Found } from "./cache-found.js";
import {
  type CacheHandlerParts,
  type CacheHandlers,
  createCacheTools,
  type Finder,
} from "./cache-handler-context.js";
import {
  answerBytes,
  type PreparedAny,
  parseSet,
  payloadBytes,
  prepareAny,
  renderRead,
  renderSet,
  setAnswerBytes,
} from "./cache-operations.js";
import {
  checkCount,
  parseCondition,
  parseKey,
  parseKeys,
  parseRequiredExpiry,
} from "./cache-parse.js";
import { noMeta, renderMeta } from "./cache-render.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import { entryBytes } from "./handler-context.js";
import { statusOf } from "./status-details.js";
import { Violations } from "./violations.js";

/** Of the values in one answer: what is left of the largest message a client takes goes to the rest of it. */
export const answerBytesMax = 3_500_000;

export function createCacheBatchHandlers(
  parts: CacheHandlerParts,
): Pick<
  CacheHandlers,
  "multiGet" | "multiSet" | "multiDelete" | "getMeta" | "touch" | "atomicBatch"
> {
  const { execute, executeOnce, identify, address } = createCacheTools(parts);
  return {
    multiGet: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const keys = parseKeys(violations, request.keys);
      violations.throwIfAny();
      const { allowStale: allowsStale, peek, withMeta } = request;
      return execute({
        name: "MultiGet",
        address: target,
        isLookup: true,
        rule: (open, found) => getAll(open, { keys, allowsStale, peek, withMeta }, found),
      });
    },

    multiSet: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const { keysMax } = cacheLimits;
      const isShort = checkCount(violations, "items", request.items.length, keysMax);
      const items = isShort
        ? request.items.map((item, index) => parseItem(violations, item, `items[${index}].`))
        : [];
      const identity = identify(violations, request.requestId, "MultiSet", () =>
        MultiSetRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await executeOnce(
        {
          name: "MultiSet",
          address: target,
          bytes: items.reduce((sum, item) => sum + payloadBytes(item) + entryBytes, 0),
          isGrowing: true,
          rule: (open) => {
            const done = multiSet(open, { items, isAtomic: request.atomic });
            if (done.kind === "rejected") return done;
            const answer = renderMultiSet(done.outcome);
            const bytes = answer.items.reduce(
              (sum, { outcome }) =>
                sum + (outcome?.$case === "set" ? setAnswerBytes(outcome.value) : 0),
              0,
            );
            return bytes > answerBytesMax ? tooLarge(open, bytes) : accept(answer);
          },
        },
        identity,
        MultiSetResponse,
      );
      return { ...outcome, replayed: isReplayed };
    },

    multiDelete: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const keys = parseKeys(violations, request.keys, cacheLimits.keysDeletedMax);
      const identity = identify(violations, request.requestId, "MultiDelete", () =>
        MultiDeleteRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await executeOnce(
        {
          name: "MultiDelete",
          address: target,
          bytes: keys.length * entryBytes,
          rule: (open): CacheDecided<MultiDeleteResponse> => {
            const deleted: boolean[] = [];
            for (const key of keys) {
              const done = remove(open, { key, condition: { kind: "always" }, mode: "delete" });
              if (done.kind === "rejected") return done;
              deleted.push(done.outcome.kind === "deleted");
            }
            return accept({ deleted, replayed: false });
          },
        },
        identity,
        MultiDeleteResponse,
      );
      return { ...outcome, replayed: isReplayed };
    },

    getMeta: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const keys = parseKeys(violations, request.keys);
      violations.throwIfAny();
      return execute({
        name: "GetMeta",
        address: target,
        isLookup: true,
        rule: (open) =>
          accept({
            items: keys.map((key) => {
              const looked = open.look(key);
              const isThere = looked.kind === "live" || looked.kind === "stale";
              return isThere ? renderMeta(key, looked.item) : noMeta;
            }),
          }),
      });
    },

    touch: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const keys = parseKeys(violations, request.keys);
      const expiry = parseRequiredExpiry(violations, request.expiry);
      violations.throwIfAny();
      return execute({
        name: "Touch",
        address: target,
        bytes: keys.length * entryBytes,
        rule: (open) => {
          const done = touchAll(open, { keys, expiry });
          return done.kind === "rejected" ? done : accept({ touched: [...done.outcome] });
        },
      });
    },

    atomicBatch: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.cache);
      const guards = parseGuards(violations, request.guards);
      const operations = parseOperations(violations, request.operations);
      const identity = identify(violations, request.requestId, "AtomicBatch", () =>
        AtomicBatchRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await executeOnce(
        {
          name: "AtomicBatch",
          address: target,
          bytes: operations.reduce((sum, { bytes }) => sum + bytes + entryBytes, 0),
          isGrowing: operations.some(({ isGrowing }) => isGrowing),
          isLookup: operations.every(({ isLookup }) => isLookup),
          rule: (open, found) => {
            const held = holdGuards(open, guards);
            if (held.kind === "rejected") return held;
            return carryOutAll(open, operations, found);
          },
        },
        identity,
        AtomicBatchResponse,
      );
      return { ...outcome, replayed: isReplayed };
    },
  };
}

/** Of a batch: in their order, up to the first that is refused, and with it all. */
function carryOutAll(
  open: OpenCache,
  operations: readonly PreparedAny[],
  found: Finder,
): CacheDecided<AtomicBatchResponse> {
  const results: WireCacheResult[] = [];
  let bytes = 0;
  for (const [index, operation] of operations.entries()) {
    const done = operation.carryOut(open);
    if (done.kind === "rejected") {
      return refuse({ kind: "operation_failed", index, rejection: done.rejection });
    }
    const { response } = done.outcome;
    bytes += answerBytes(response);
    if (bytes > answerBytesMax) return tooLarge(open, bytes);
    found(done.outcome.found);
    results.push(response);
  }
  return accept({ results, version: BigInt(open.versionIfWritten), replayed: false });
}

const tooLarge = (open: OpenCache, bytes: number): CacheDecided<never> =>
  refuse({
    kind: "answer_too_large",
    cache: open.address.given,
    bytes,
    limit: answerBytesMax,
  });

interface GetAll {
  readonly keys: readonly CacheKey[];
  readonly allowsStale: boolean;
  readonly peek: boolean;
  readonly withMeta: boolean;
}

/** What each key has, as far as the answer has room. */
function getAll(
  open: OpenCache,
  { keys, allowsStale, peek, withMeta }: GetAll,
  found: (read: Found) => void,
): CacheDecided<MultiGetResponse> {
  const items: MultiGetItem[] = [];
  let bytes = 0;
  for (const key of keys) {
    const read = get(open, { key, touch: undefined, ifVersionNot: 0, allowsStale });
    if (read.kind === "rejected") {
      if (read.rejection.kind !== "wrong_type") return read;
      bytes += answerItemBytes;
      items.push(ofWrongType);
      continue;
    }
    const { outcome } = read;
    bytes += answerItemBytes + valueBytes(outcome);
    // The first one goes whatever its length: it fits a message of its own.
    if (bytes > answerBytesMax && items.length > 0) break;
    const item = "item" in outcome ? outcome.item : undefined;
    if (!peek) found({ kind: outcome.kind, item, key });
    items.push(renderRead(outcome, key, withMeta));
  }
  while (items.length < keys.length) items.push(omitted);
  return accept({ items, asOfVersion: BigInt(open.transaction.lastVersion) });
}

const valueBytes = (read: Read): number =>
  read.kind === "hit" || read.kind === "stale" ? read.value.bytes.length : 0;

/** What an item of an answer takes beside its value. */
const answerItemBytes = 64;

const withoutValue = { version: 0n, flags: 0, contentType: "" };
const omitted: MultiGetItem = { outcome: ReadOutcome.OMITTED, ...withoutValue };
const ofWrongType: MultiGetItem = { outcome: ReadOutcome.WRONG_TYPE, ...withoutValue };

/** An item of a MultiSet is a Set without what the call around it has. */
function parseItem(violations: Violations, item: SetRequest, at: string) {
  const outer = "is that of the call around it, and must be unset here";
  if (item.cache !== "") violations.add("INVALID_PARAMETER", `${at}cache`, outer);
  if (item.requestId !== "") violations.add("INVALID_PARAMETER", `${at}request_id`, outer);
  return parseSet(violations, item, at);
}

function renderMultiSet(result: MultiSetResult): MultiSetResponse {
  if (result.kind === "none") {
    return { items: [], storedAll: false, failedIndex: result.index, replayed: false };
  }
  const items = result.results.map((decided): MultiSetResponse["items"][number] => {
    if (decided.kind === "rejected") {
      const value = statusOf(cacheFaultOf(decided.rejection));
      return { outcome: { $case: "error", value } };
    }
    return { outcome: { $case: "set", value: renderSet(decided.outcome) } };
  });
  const storedAll = result.results.every(
    (decided) => decided.kind === "accepted" && decided.outcome.kind === "written",
  );
  return { items, storedAll, replayed: false };
}

function parseGuards(violations: Violations, guards: readonly WireGuard[]): readonly Guard[] {
  if (!checkCount(violations, "guards", guards.length, cacheLimits.operationsMax)) return [];
  return guards.map(({ key, condition }, index) => {
    const at = `guards[${index}]`;
    if (condition?.condition === undefined) {
      violations.add(
        "MISSING_PARAMETER",
        `${at}.condition`,
        "is needed: a guard without one guards nothing",
      );
    }
    return {
      key: parseKey(violations, `${at}.key`, key),
      condition: parseCondition(violations, `${at}.condition`, condition),
    };
  });
}

function parseOperations(
  violations: Violations,
  operations: readonly WireCacheOperation[],
): readonly PreparedAny[] {
  if (operations.length === 0) {
    violations.add("MISSING_PARAMETER", "operations", "at least one operation is needed");
  }
  if (!checkCount(violations, "operations", operations.length, cacheLimits.operationsMax))
    return [];
  return operations.flatMap(
    (operation, index) => prepareAny(violations, operation, `operations[${index}].`) ?? [],
  );
}
