// Every error that the contract of caches documents is provoked once over the wire, with its typed details; and every error provoked
// is documented.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CacheDurability, EvictionPolicy } from "../../src/gen/forebay/cache/v1/cache.js";
import {
  cacheCall,
  cacheScenario,
  createCache,
  get,
  increment,
  keyForm,
  keyOf,
  set,
  ttl,
} from "../support/caches.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { getOrLease, renewLock } from "../support/leases.js";
import { durationOf, type Scenario } from "../support/scenario.js";

type Provocation = (t: Scenario) => Promise<unknown>;

const value = (text: string) => ({ $case: "value", value: text }) as const;
const noLimit = { eviction: EvictionPolicy.NOEVICTION };
const operation = { operation: { $case: "get", value: { keyForm: keyForm("a") } } } as const;

const provocations: Readonly<Record<string, Provocation>> = {
  "NOT_FOUND / CACHE_NOT_FOUND": (t) => get(t, "a", { cache: "none" }),
  "INVALID_ARGUMENT / BAD_NAME": (t) => createCache(t, "no name"),
  "INVALID_ARGUMENT / EMPTY_KEY": (t) => get(t, ""),
  "INVALID_ARGUMENT / KEY_TOO_LONG": (t) => get(t, "k".repeat(1_025)),
  "INVALID_ARGUMENT / TTL_INVALID": (t) => set(t, "a", "1", { expiry: ttl(0) }),
  "INVALID_ARGUMENT / VALUE_TOO_LARGE": async (t) => {
    await createCache(t, "small", { maxValueBytes: 1 });
    await set(t, "a", "12", { cache: "small" });
  },
  "INVALID_ARGUMENT / LIMIT_EXCEEDED": (t) =>
    cacheCall(t, "getMeta", { keys: Array.from({ length: 1_001 }, () => keyOf("a")) }),
  "UNAVAILABLE / TOO_FEW_ZONES": (t) =>
    createCache(t, "safe", { durability: CacheDurability.REPLICATED }),
  "RESOURCE_EXHAUSTED / CACHE_FULL": async (t) => {
    await createCache(t, "full", { ...noLimit, maxItems: 1n });
    await set(t, "a", "1", { cache: "full" });
    await set(t, "b", "1", { cache: "full" });
  },
  "RESOURCE_EXHAUSTED / PINNED_LIMIT": async (t) => {
    await createCache(t, "pinned", { ...noLimit, maxBytes: 100n });
    await set(t, "a", "1", { cache: "pinned", pinned: true });
  },
  "DATA_LOSS / RECORD_CORRUPT": async (t) => {
    t.expectErrors();
    await set(t, "a", `${"x".repeat(5_000)}the end of it`);
    await t.corrupt("the end of it");
    await get(t, "a");
  },
  "FAILED_PRECONDITION / REQUEST_ID_REUSED": async (t) => {
    await increment(t, "a", { requestId: "once" });
    await increment(t, "b", { requestId: "once" });
  },
  "INVALID_ARGUMENT / CONFLICTING_OPTIONS": (t) =>
    set(t, "a", "1", { tags: ["t"], keepTags: true }),
  "FAILED_PRECONDITION / NOT_A_NUMBER": async (t) => {
    await set(t, "a", "x");
    await increment(t, "a");
  },
  "OUT_OF_RANGE / OVERFLOW": (t) => increment(t, "a", { delta: 5n, max: 4n }),
  "INVALID_ARGUMENT / BAD_RANGE": (t) => increment(t, "a", { min: 5n, max: 4n }),
  "INVALID_ARGUMENT / NAN_INPUT": (t) =>
    cacheCall(t, "incrementFloat", { keyForm: keyForm("a"), delta: Number.NaN }),
  "OUT_OF_RANGE / NAN_RESULT": async (t) => {
    await set(t, "a", "1e308");
    await cacheCall(t, "incrementFloat", { keyForm: keyForm("a"), delta: 1.7e308 });
  },
  "OUT_OF_RANGE / RESULT_TOO_LARGE": async (t) => {
    await createCache(t, "small", { maxValueBytes: 1 });
    const append = { cache: "small", keyForm: keyForm("a"), valueForm: value("1") };
    await cacheCall(t, "append", append);
    await cacheCall(t, "append", append);
  },
  "INVALID_ARGUMENT / CURSOR_INVALID": (t) => cacheCall(t, "scan", { cursor: "x" }),
  "OUT_OF_RANGE / ANSWER_TOO_LARGE": async (t) => {
    await set(t, "a", "x".repeat(1_000_000));
    await cacheCall(t, "atomicBatch", { operations: Array.from({ length: 4 }, () => operation) });
  },
  "ABORTED / GUARD_FAILED": (t) =>
    cacheCall(t, "atomicBatch", {
      guards: [{ key: keyOf("a"), condition: { condition: { $case: "present", value: true } } }],
      operations: [operation],
    }),
  "ABORTED / LEASE_LOST": (t) => set(t, "a", "1", { leaseToken: 1n }),
  "INVALID_ARGUMENT / MALFORMED_REQUEST": (t) =>
    t.client.raw("/forebay.cache.v1.CacheService/Get", Buffer.from([0x0a, 0x05, 0x61])),
  "ALREADY_EXISTS / CACHE_EXISTS": async (t) => {
    await createCache(t, "prices", { maxItems: 1n });
    await createCache(t, "prices", { maxItems: 2n });
  },
  "INVALID_ARGUMENT / INVALID_PARAMETER": (t) => createCache(t, "prices", { ttlJitterPercent: 99 }),
  "RESOURCE_EXHAUSTED / CACHE_LIMIT": async (t) => {
    const names = Array.from({ length: 10_000 }, (_, index) => `c${index}`);
    for (let at = 0; at < names.length; at += 500) {
      await Promise.all(names.slice(at, at + 500).map((name) => createCache(t, name)));
    }
    await createCache(t, "one-more");
  },
  "ABORTED / ETAG_MISMATCH": (t) =>
    cacheCall(t, "updateCache", { config: {}, updateMask: ["max_items"], etag: "old" }),
  "INVALID_ARGUMENT / INVALID_PAGE_TOKEN": (t) => cacheCall(t, "listCaches", { pageToken: "x" }),
};

/** As `CODE / REASON`, of the comments of both services. */
function documented(): ReadonlySet<string> {
  const texts = ["cache_service", "cache_admin_service"].map((file) =>
    readFileSync(new URL(`../../proto/forebay/cache/v1/${file}.proto`, import.meta.url), "utf8"),
  );
  const found = texts.flatMap((text) => [
    ...text.matchAll(/^\s*\/\/\s*([A-Z_]+) \/ ([A-Z_]+(?:, [A-Z_]+)*): /gm),
  ]);
  return new Set(
    found.flatMap(([, code = "", reasons = ""]) =>
      reasons.split(", ").map((reason) => `${code} / ${reason}`),
    ),
  );
}

/** Provoked in test/cluster-node. */
const ofClusters = ["UNAVAILABLE / ZONES_NOT_REACHED"];

test("the errors that are documented are those provoked here, and those of clusters", () => {
  const provoked = [...Object.keys(provocations), ...ofClusters];
  expect([...documented()].sort()).toEqual(provoked.sort());
});

test.each(Object.entries(provocations))("%s", async (name, provoke) => {
  const t = await cacheScenario();
  const error = await failureOf(provoke(t));
  expect(`${error.code} / ${error.reason}`).toBe(name);
  checkDetails(error);
});

test.each<readonly [string, Provocation]>([
  ["ABORTED / LEASE_LOST", (t) => renewLock(t, "a", 1n)],
  ["INVALID_ARGUMENT / INVALID_PARAMETER", (t) => getOrLease(t, "a", { lease: durationOf(1) })],
])("%s of leases and locks", async (name, provoke) => {
  const t = await cacheScenario();
  const error = await failureOf(provoke(t));
  expect(`${error.code} / ${error.reason}`).toBe(name);
  checkDetails(error);
});

test.each([
  ["below 0", durationOf(-1_000)],
  ["beyond what can be told apart", durationOf(2 ** 53)],
])("a default life %s is refused", async (_, defaultTtl) => {
  const t = await cacheScenario();
  await expect(createCache(t, "prices", { defaultTtl })).rejects.toMatchObject({
    reason: "TTL_INVALID",
    metadata: { field: "config.default_ttl" },
  });
});

test("every bad field of a request is told of, not only the first", async () => {
  const t = await cacheScenario();
  const error = await failureOf(
    set(t, "", "1", { cache: "no name", expiry: ttl(0), tags: [""], keepTags: true }),
  );
  expect(error.violations).toEqual(["cache", "keep_tags", "tags[0]", "key", "expiry.ttl"]);
});
