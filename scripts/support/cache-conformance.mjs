// What every RPC of caches does when it is called well, with every field of its request, for the conformance run.

import { requirePart } from "./requirements.mjs";

const consistency = { mode: "READ_MODE_LEADER_LEASE" };
const text = (value) => ({ text: value });

/** Calls every RPC of caches; `name` is free for caches. */
export async function callCacheRpcs(session, name) {
  const cache = `${name}-cache`;
  await administer(session, cache);
  await writeAndRead(session, cache);
  await count(session, cache);
  await changeParts(session, cache);
  await useMany(session, cache);
  await walk(session, cache);
  await batch(session, cache);
  await pipeline(session, cache);
  await session.refused("GetCache", { cache: "nowhere" }, "NOT_FOUND", "CACHE_NOT_FOUND", {
    ResourceInfo: { resourceType: "cache", resourceName: "nowhere" },
  });
  // What a lease gives is tried with leases; here, that one which is not there is none.
  await session.refused(
    "Set",
    { cache, key: "leased", value: "1", leaseToken: "1" },
    "ABORTED",
    "LEASE_LOST",
  );
  await session.ok("GetCacheStats", { cache, reset: true }, { stats: { total: {} } });
  await session.ok("FlushCache", { cache });
  await session.ok("DeleteCache", { cache, ifExists: true }, { existed: true });
}

async function administer(session, cache) {
  const config = {
    defaultTtl: "3600s",
    maxTtl: "86400s",
    ttlJitterPercent: 0,
    maxBytes: "10000000",
    maxItems: "10000",
    eviction: "EVICTION_POLICY_ALLKEYS_LRU",
    durability: "CACHE_DURABILITY_FLUSHED",
    replicatedZones: 2,
    maxValueBytes: 65536,
    maxElementBytes: 4096,
    sliding: "0s",
    channelRetainMessages: 100,
    channelRetain: "30s",
  };
  await session.ok("CreateCache", { cache, config }, { created: true, cache: { cache, config } });
  await session.ok("CreateCache", { cache }, { created: false });
  const { cache: made } = await session.ok(
    "GetCache",
    { cache, consistency },
    { cache: { cache } },
  );
  await session.ok(
    "UpdateCache",
    {
      cache,
      config: { maxItems: "5000" },
      updateMask: session.fieldMask(["max_items"]),
      etag: made.etag,
    },
    { cache: { config: { maxItems: "5000" } } },
  );
  const listed = { caches: [{ cache }] };
  await session.ok("ListCaches", { namePrefix: cache, pageSize: 10, consistency }, listed);
  for (const freshness of [{ mode: "READ_MODE_ANY" }, { maxStaleness: "1s" }, { atLeast: "1/1" }]) {
    await session.ok("GetCache", { cache, consistency: freshness }, { cache: { cache } });
    await session.ok("Get", { cache, key: "none", consistency: freshness });
  }
  const token = "not of this list";
  await session.refused(
    "ListCaches",
    { pageToken: token },
    "INVALID_ARGUMENT",
    "INVALID_PAGE_TOKEN",
  );
}

async function writeAndRead(session, cache) {
  const { version } = await session.ok(
    "Set",
    {
      cache,
      key: "a",
      value: "1",
      expiry: { ttl: "60s" },
      condition: { absent: true },
      returnPrevious: true,
      flags: 7,
      contentType: "text/plain",
      tags: ["red"],
      pinned: true,
      requestId: `set-${cache}`,
      externalVersion: "5",
      sliding: "30s",
      staleWhileRevalidate: "5s",
      staleIfError: "5s",
    },
    { stored: true },
  );
  await session.ok(
    "Set",
    {
      cache,
      keyData: "YQ==",
      valueData: "AP8=",
      keepTags: true,
      condition: { absent: true },
      returnCurrent: true,
    },
    { stored: false, version, current: text("1") },
  );
  await session.ok(
    "Get",
    { cache, key: "a", withMeta: true, peek: true, allowStale: true, consistency },
    { outcome: "READ_OUTCOME_HIT", value: "1", flags: 7, meta: { tags: ["red"], isPinned: true } },
  );
  await session.ok(
    "Get",
    { cache, keyData: "YQ==", ifVersionNot: version },
    { outcome: "READ_OUTCOME_NOT_MODIFIED" },
  );
  const at = { expireTime: "2100-01-01T00:00:00Z" };
  await session.ok(
    "GetAndTouch",
    { cache, key: "a", expiry: at, withMeta: true },
    { outcome: "READ_OUTCOME_HIT", value: "1" },
  );
  await session.ok(
    "GetAndTouch",
    { cache, keyData: "YQ==", expiry: { noExpiry: true }, ifVersionNot: version },
    { outcome: "READ_OUTCOME_NOT_MODIFIED" },
  );
  for (const condition of conditions(version)) {
    await session.ok("Set", { cache, key: "conditional", value: "1", condition });
  }
  await session.ok("Set", { cache, key: "kept", value: "1", expiry: { keepTtl: true } });
  await session.ok(
    "UpdateTtl",
    { cache, key: "a", expiry: { ttl: "90s" }, mode: "TTL_MODE_OVERWRITE" },
    { outcome: "TTL_OUTCOME_SET" },
  );
  await session.ok(
    "UpdateTtl",
    { cache, keyData: "bm9uZQ==", expiry: { noExpiry: true } },
    { outcome: "TTL_OUTCOME_MISSING" },
  );
  await session.ok(
    "Delete",
    {
      cache,
      key: "a",
      condition: { equal: text("1") },
      mode: "DELETE_MODE_STALE",
      requestId: `delete-${cache}`,
    },
    { outcome: "DELETE_OUTCOME_DELETED" },
  );
  await session.ok("Delete", { cache, keyData: "bm9uZQ==" }, { outcome: "DELETE_OUTCOME_ABSENT" });
  await session.ok("Set", { cache, key: "taken", value: "1" });
  await session.ok(
    "GetAndDelete",
    { cache, key: "taken", condition: { present: true }, requestId: `take-${cache}` },
    { outcome: "READ_OUTCOME_HIT", value: "1" },
  );
  await session.ok(
    "GetAndDelete",
    { cache, keyData: "bm9uZQ==" },
    { outcome: "READ_OUTCOME_MISS" },
  );
}

/** One of each kind, whether it holds or not. */
const conditions = (version) => [
  { present: true },
  { notEqual: text("x") },
  { presentAndNotEqual: { data: "AA==" } },
  { absentOrEqual: text("1") },
  { versionEqual: version },
  { absentOrVersion: version },
  { hashEqual: `${"A".repeat(43)}=` },
  { hashNotEqual: `${"A".repeat(43)}=` },
  { newerExternal: "1" },
];

async function count(session, cache) {
  await session.ok(
    "Increment",
    {
      cache,
      key: "n",
      delta: "5",
      initial: "10",
      onOverflow: "OVERFLOW_MODE_SATURATE",
      min: "0",
      max: "12",
      expiry: { ttl: "60s" },
      requestId: `increment-${cache}`,
    },
    { applied: true, value: "12" },
  );
  await session.ok("Increment", { cache, keyData: "bm9uZQ==", requireExists: true });
  await session.ok(
    "IncrementFloat",
    {
      cache,
      key: "f",
      delta: 0.5,
      initial: 1,
      expiry: { ttl: "60s" },
      requestId: `float-${cache}`,
    },
    { applied: true, value: 1.5 },
  );
  await session.ok("IncrementFloat", { cache, keyData: "bm9uZQ==", delta: 1, requireExists: true });
}

async function changeParts(session, cache) {
  await session.ok(
    "Append",
    { cache, key: "t", value: "bcd", expiry: { ttl: "60s" }, requestId: `append-${cache}` },
    { applied: true, length: "3" },
  );
  await session.ok(
    "Append",
    { cache, keyData: "dA==", valueData: "YQ==", prepend: true, requireExists: true },
    { applied: true, length: "4" },
  );
  await session.ok(
    "GetRange",
    { cache, key: "t", start: "1", end: "3", consistency },
    { outcome: "READ_OUTCOME_HIT", data: "YmM=", length: "4" },
  );
  await session.ok("GetRange", { cache, keyData: "dA==" }, { data: "YWJjZA==" });
  await session.ok("SetRange", { cache, key: "t", offset: "2", data: "WFk=" }, { length: "4" });
  await session.ok("SetRange", { cache, keyData: "dA==", data: "QQ==" }, { length: "4" });
  await session.ok(
    "Copy",
    {
      cache,
      source: text("t"),
      destination: { data: "dQ==" },
      overwrite: true,
      requestId: `copy-${cache}`,
    },
    { outcome: "TRANSFER_OUTCOME_DONE" },
  );
  await session.ok(
    "Rename",
    {
      cache,
      source: text("u"),
      destination: text("v"),
      overwrite: true,
      requestId: `rename-${cache}`,
    },
    { outcome: "TRANSFER_OUTCOME_DONE" },
  );
}

async function useMany(session, cache) {
  const keys = [text("m1"), text("m2")];
  await session.ok(
    "MultiSet",
    {
      cache,
      items: [
        { key: "m1", value: "1", tags: ["blue"] },
        { key: "m2", value: "2", expiry: { ttl: "60s" } },
      ],
      atomic: true,
      requestId: `multi-${cache}`,
    },
    { storedAll: true },
  );
  await session.ok(
    "MultiGet",
    { cache, keys, allowStale: true, peek: true, withMeta: true, consistency },
    { items: [{ value: "1" }, { value: "2" }] },
  );
  await session.ok("GetMeta", { cache, keys, consistency }, { items: [{ tags: ["blue"] }, {}] });
  await session.ok("Touch", { cache, keys, expiry: { ttl: "90s" } }, { touched: [true, true] });
  await session.ok(
    "MultiDelete",
    { cache, keys: [text("m2")], requestId: `multi-delete-${cache}` },
    { deleted: [true] },
  );
}

async function walk(session, cache) {
  await session.ok("Set", { cache, key: "m2", value: "2", tags: ["blue"] });
  const scan = {
    cache,
    prefix: text("m"),
    limit: 1,
    types: ["ITEM_TYPE_SCALAR"],
    tag: "blue",
    withValues: true,
    withMeta: true,
    reverse: true,
    consistency,
  };
  const first = await session.ok("Scan", scan, { items: [{ key: text("m2"), value: text("2") }] });
  const cursor = first.nextCursor;
  await session.ok("Scan", { ...scan, cursor }, { items: [{ key: text("m1") }] });
  await session.ok(
    "CountKeys",
    { cache, prefix: text("m"), exact: true, consistency },
    { count: "2", isExact: true },
  );
  await session.ok("InvalidateTags", { cache, tags: ["blue"], mode: "DELETE_MODE_DELETE" });
  await session.ok("DeleteByPrefix", { cache, prefix: text("m"), dryRun: true }, { count: "0" });
  await session.ok("DeleteByPrefix", { cache, prefix: text("m") });
}

/** One of each kind of operation. */
const operations = () => [
  { set: { key: "b", value: "1" } },
  { get: { key: "b" } },
  { getAndTouch: { key: "b", expiry: { ttl: "60s" } } },
  { increment: { key: "b" } },
  { incrementFloat: { key: "b", delta: 0.5 } },
  { append: { key: "b", value: "0" } },
  { getRange: { key: "b" } },
  { setRange: { key: "b", data: "MQ==" } },
  { copy: { source: text("b"), destination: text("c") } },
  { rename: { source: text("c"), destination: text("d") } },
  { updateTtl: { key: "d", expiry: { noExpiry: true } } },
  { getAndDelete: { key: "d" } },
  { delete: { key: "b" } },
];

async function batch(session, cache) {
  const guards = [{ key: text("b"), condition: { absent: true } }];
  const request = { cache, guards, operations: operations(), requestId: `batch-${cache}` };
  const { results } = await session.ok("AtomicBatch", request);
  requirePart(
    results.map((result) => Object.keys(result)[0]),
    operations().map((operation) => Object.keys(operation)[0]),
    "AtomicBatch",
  );
  await session.refused(
    "AtomicBatch",
    { cache, guards: [{ key: text("b"), condition: { present: true } }], operations: operations() },
    "ABORTED",
    "GUARD_FAILED",
  );
}

async function pipeline(session, cache) {
  const pipelined = operations().map((operation, index) => ({
    opaque: Buffer.from([index]).toString("base64"),
    operation,
    ...(index === 0 && { requestId: `pipeline-${cache}` }),
  }));
  const responses = await session.responses("Pipeline", [{ cache, operations: pipelined }], 1);
  const results = responses.flatMap((response) => response.results);
  requirePart(
    results.map(({ opaque }) => opaque),
    pipelined.map(({ opaque }) => opaque),
    "Pipeline",
  );
  requirePart(results[1].result, { get: { value: "1" } }, "Pipeline");
}
