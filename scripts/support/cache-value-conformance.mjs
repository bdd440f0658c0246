// What every RPC of bitmaps, sketches and limits of rates does when it is called well, with every field of its request, for the
// conformance run.

const anyNode = { mode: "READ_MODE_ANY" };
const text = (value) => ({ text: value });
const ofKey = (key) => ({ keyData: Buffer.from(key).toString("base64") });

/** Calls every RPC of these services in the cache `default`; `name` is free for keys. */
export async function callCacheValueRpcs(session, name) {
  for (const consistency of [anyNode, { maxStaleness: "1s" }, { atLeast: "1/1" }]) {
    await session.ok("GetBit", { cache: "default", key: "none", offset: "7", consistency });
    const limit = { cache: "default", key: "none", limit: "5", window: "60s", consistency };
    await session.ok("PeekRateLimit", limit, { remaining: "5" });
    const keys = [text("none")];
    await session.ok("CountElements", { cache: "default", keys, consistency }, { count: "0" });
  }
  await bits(session, `${name}-bits`);
  await sketches(session, `${name}-sketch`);
  await limits(session, `${name}-limit`);
}

async function bits(session, key) {
  const cache = "default";
  const expiry = { ttl: "600s" };
  await session.ok(
    "SetBit",
    { cache, key, offset: "7", bit: true, expiry, requestId: key },
    { previous: false },
  );
  const later = { expireTime: "2100-01-01T00:00:00Z" };
  await session.ok("SetBit", { cache, ...ofKey(key), offset: "8", bit: true, expiry: later });
  await session.ok("GetBit", { cache, ...ofKey(key), offset: "7" }, { bit: true });
  const range = { start: "0", end: "8", unit: "RANGE_UNIT_BIT", consistency: anyNode };
  await session.ok("BitCount", { cache, key, ...range }, { count: "1" });
  await session.ok("BitCount", { cache, ...ofKey(key) }, { count: "2" });
  await session.ok("BitPosition", { cache, key, ...range, bit: true }, { position: "7" });
  await session.ok("BitPosition", { cache, ...ofKey(key) }, { position: "0" });
  await session.ok(
    "BitOperation",
    {
      cache,
      operator: "BIT_OPERATOR_NOT",
      destination: text(`${key}-not`),
      sources: [{ data: Buffer.from(key).toString("base64") }],
      expiry,
      requestId: `${key}-not`,
    },
    { length: "2" },
  );
  const number = { width: 4, signed: true, offset: "16" };
  const operations = [
    { set: { number, value: "3", onOverflow: "BIT_OVERFLOW_FAIL" } },
    { increment: { number, delta: "2", onOverflow: "BIT_OVERFLOW_SATURATE" } },
    { get: { number: { width: 8, index: "0" } } },
  ];
  await session.ok(
    "BitField",
    { cache, key, operations, expiry, requestId: `${key}-field` },
    { results: [{ value: "0" }, { value: "5" }, { value: "1" }] },
  );
  await session.ok("BitField", { cache, ...ofKey(key) });
}

async function sketches(session, key) {
  const cache = "default";
  const expiry = { noExpiry: true };
  await session.ok(
    "AddElements",
    { cache, key, elements: [text("a"), { data: "AAE=" }], expiry, requestId: key },
    { changed: true },
  );
  const kept = { keepTtl: true };
  await session.ok("AddElements", { cache, ...ofKey(key), elements: [text("a")], expiry: kept });
  await session.ok("CountElements", { cache, keys: [text(key)] }, { count: "2" });
  const destination = { data: Buffer.from(`${key}-all`).toString("base64") };
  await session.ok("MergeSketches", { cache, destination, sources: [text(key)], expiry });
}

async function limits(session, key) {
  const limit = {
    cache: "default",
    limit: "5",
    window: "60s",
    algorithm: "RATE_LIMIT_ALGORITHM_FIXED",
  };
  await session.ok(
    "AcquireRateLimit",
    { ...limit, key, cost: "2", requestId: key },
    { allowed: true, remaining: "3" },
  );
  await session.ok(
    "AcquireRateLimit",
    { ...limit, ...ofKey(key), cost: "4", dryRun: true },
    { remaining: "3" },
  );
  await session.ok("PeekRateLimit", { ...limit, ...ofKey(key) }, { remaining: "3" });
  await session.ok("ResetRateLimit", { cache: "default", key }, { existed: true });
  await session.ok("ResetRateLimit", { cache: "default", ...ofKey(key) });
}
