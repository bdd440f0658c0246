// Leases and locks over a real socket: who loads a key, what a slow loader may still write, in which order turns come, and what is there
// after a restart.

import { expect, test } from "vitest";
import { EvictionPolicy } from "../../src/gen/forebay/cache/v1/cache.js";
import { cacheCall, cacheScenario, createCache, del, get, set, ttl } from "../support/caches.js";
import {
  acquireLock,
  getOrLease,
  leaseName,
  releaseLease,
  releaseLock,
  renewLease,
  renewLock,
} from "../support/leases.js";
import { durationOf, type Scenario } from "../support/scenario.js";

const wait = durationOf(20_000);
const lost = { reason: "LEASE_LOST" };

async function won(t: Scenario, key: string, rest: Parameters<typeof getOrLease>[2] = {}) {
  const got = await getOrLease(t, key, rest);
  expect(leaseName(got)).toBe("MISS_WON");
  return got.leaseToken;
}

/** Whether a call that waits is in line: what came before it has an answer. */
const inLine = (t: Scenario) => get(t, "nothing at all");

test("one loads a key, who waits gets what he wrote, and his token is worth nothing afterwards", async () => {
  const t = await cacheScenario();
  const leaseToken = await won(t, "k");
  const held = await getOrLease(t, "k");
  expect(held).toMatchObject({ leaseToken: 0n, version: 0n, retryAfter: durationOf(10_000) });
  expect(leaseName(held)).toBe("MISS_WAIT");
  const others = [getOrLease(t, "k", { wait }), getOrLease(t, "k", { wait })];
  await inLine(t);
  await set(t, "k", "loaded", { leaseToken, flags: 7, contentType: "text/plain" });
  for (const other of await Promise.all(others)) {
    expect(leaseName(other)).toBe("HIT");
    expect(other).toMatchObject({
      valueForm: { $case: "value", value: "loaded" },
      flags: 7,
      contentType: "text/plain",
    });
  }
  await expect(set(t, "k", "again", { leaseToken })).rejects.toMatchObject(lost);
  expect(await get(t, "k")).toBe("loaded");
});

test("C52 whoever loads a key that is deleted meanwhile writes nothing", async () => {
  const t = await cacheScenario();
  const leaseToken = await won(t, "k");
  await del(t, "k");
  await expect(set(t, "k", "old", { leaseToken })).rejects.toMatchObject(lost);
  expect(await get(t, "k")).toBe("MISS");
  expect(await won(t, "k")).toBeGreaterThan(leaseToken);
});

test.each([
  ["a prefix", (t: Scenario) => cacheCall(t, "deleteByPrefix", { prefix: { key: prefixOf("k") } })],
  ["a tag", (t: Scenario) => cacheCall(t, "invalidateTags", { tags: ["t"] })],
  ["a flush", (t: Scenario) => cacheCall(t, "flushCache", {})],
])(
  "C52 %s that makes a key invalid ends its lease, at once and after the sweeper",
  async (_, invalidate) => {
    const t = await cacheScenario();
    const [now, later] = [await won(t, "k-now"), await won(t, "k-later")];
    await invalidate(t);
    await expect(set(t, "k-now", "old", { leaseToken: now, tags: ["t"] })).rejects.toMatchObject(
      lost,
    );
    await t.advance(3_000);
    await expect(
      set(t, "k-later", "old", { leaseToken: later, tags: ["t"] }),
    ).rejects.toMatchObject(lost);
    const fresh = await won(t, "k-later");
    await t.advance(3_000);
    await set(t, "k-later", "new", { leaseToken: fresh, tags: ["t"] });
    expect(await get(t, "k-later")).toBe("new");
  },
);

const prefixOf = (text: string) => ({ $case: "text", value: text }) as const;

test("C53 when a holder dies, whoever waited longest has the lease at its end", async () => {
  const t = await cacheScenario();
  await won(t, "k");
  const first = getOrLease(t, "k", { wait });
  await inLine(t);
  const second = getOrLease(t, "k", { wait });
  await inLine(t);
  await t.advance(10_000);
  const next = await first;
  expect(leaseName(next)).toBe("MISS_WON");
  expect(leaseName(await getOrLease(t, "k"))).toBe("MISS_WAIT");
  await set(t, "k", "loaded", { leaseToken: next.leaseToken });
  expect(leaseName(await second)).toBe("HIT");
});

test("C54 whoever loads a key that is written meanwhile does not overwrite what is newer", async () => {
  const t = await cacheScenario();
  const leaseToken = await won(t, "k");
  await set(t, "k", "newer");
  await expect(set(t, "k", "old", { leaseToken })).rejects.toMatchObject(lost);
  expect(await get(t, "k")).toBe("newer");
});

test("a lease ends to the millisecond, and lasts as long from each renewal on", async () => {
  const t = await cacheScenario();
  const token = await won(t, "k");
  await t.advance(9_999);
  await renewLease(t, "k", token);
  await t.advance(9_999);
  expect(leaseName(await getOrLease(t, "k"))).toBe("MISS_WAIT");
  await t.advance(1);
  await expect(renewLease(t, "k", token)).rejects.toMatchObject(lost);
  await expect(set(t, "k", "late", { leaseToken: token })).rejects.toMatchObject(lost);
});

test("a caller that goes away takes no turn, and the next in line does", async () => {
  const t = await cacheScenario();
  const token = await won(t, "k");
  const gone = new AbortController();
  const first = getOrLease(t, "k", { wait }, { signal: gone.signal });
  const ended = expect(first).rejects.toThrow();
  await inLine(t);
  const second = getOrLease(t, "k", { wait });
  await inLine(t);
  gone.abort();
  await ended;
  expect(await releaseLease(t, "k", token)).toBe(true);
  expect(leaseName(await second)).toBe("MISS_WON");
  expect(await releaseLease(t, "k", token)).toBe(false);
});

test("who waits in vain is told until when somebody has the lease", async () => {
  const t = await cacheScenario();
  const token = await won(t, "k", { lease: durationOf(2_000) });
  const waiting = getOrLease(t, "k", { wait: durationOf(1_500) });
  await inLine(t);
  await t.advance(1_000);
  await renewLease(t, "k", token);
  await t.advance(500);
  const held = await waiting;
  expect(leaseName(held)).toBe("MISS_WAIT");
  expect(held.retryAfter).toEqual(durationOf(9_500));
});

test("a value that is stale or ends soon is refreshed by one, and everybody else has it meanwhile", async () => {
  const t = await cacheScenario();
  await set(t, "k", "old", { expiry: ttl(1_000), staleWhileRevalidate: durationOf(60_000) });
  const refreshBelow = durationOf(400);
  await t.advance(599);
  expect(leaseName(await getOrLease(t, "k", { refreshBelow }))).toBe("HIT");
  await t.advance(1);
  const early = await getOrLease(t, "k", { refreshBelow });
  expect(leaseName(early)).toBe("STALE_WON");
  expect(early.valueForm?.value).toBe("old");
  expect(leaseName(await getOrLease(t, "k", { refreshBelow }))).toBe("HIT");
  await releaseLease(t, "k", early.leaseToken);
  await t.advance(400);
  const { leaseToken } = await getOrLease(t, "k");
  const stale = await getOrLease(t, "k", { wait });
  expect(leaseName(stale)).toBe("STALE");
  expect(stale.valueForm?.value).toBe("old");
  await set(t, "k", "new", { leaseToken });
  expect(await get(t, "k")).toBe("new");
});

test("a value that is evicted during a load takes no lease with it", async () => {
  const t = await cacheScenario();
  const cache = "small";
  await createCache(t, cache, { maxItems: 1n, eviction: EvictionPolicy.ALLKEYS_LRU });
  await set(t, "k", "old", { cache, expiry: ttl(60_000) });
  const refresh = await getOrLease(t, "k", { cache, refreshBelow: durationOf(60_000) });
  await set(t, "other", "1", { cache });
  expect(await get(t, "k", { cache })).toBe("MISS");
  await set(t, "k", "new", { cache, leaseToken: refresh.leaseToken });
  expect(await get(t, "k", { cache })).toBe("new");
});

test("a lease that is asked for again under its request id is the same one", async () => {
  const t = await cacheScenario();
  const first = await getOrLease(t, "k", { requestId: "once" });
  const again = await getOrLease(t, "k", { requestId: "once" });
  expect(again).toEqual({ ...first, replayed: true });
  await expect(getOrLease(t, "other", { requestId: "once" })).rejects.toMatchObject({
    reason: "REQUEST_ID_REUSED",
  });
});

test("leases and locks are there after a restart, and end when they said", async () => {
  const t = await cacheScenario();
  const leaseToken = await won(t, "k");
  const lock = await acquireLock(t, "job");
  await t.restart();
  expect(leaseName(await getOrLease(t, "k"))).toBe("MISS_WAIT");
  expect((await acquireLock(t, "job")).acquired).toBe(false);
  await set(t, "k", "loaded", { leaseToken });
  expect(await get(t, "k")).toBe("loaded");
  await t.advance(10_000);
  const next = await acquireLock(t, "job");
  expect(next.token).toBeGreaterThan(lock.token);
});

test("a lock is one caller's at a time, turns come in order, and tokens rise", async () => {
  const t = await cacheScenario();
  const first = await acquireLock(t, "job");
  expect(first).toMatchObject({ acquired: true, replayed: false });
  expect(await acquireLock(t, "job")).toMatchObject({
    acquired: false,
    token: 0n,
    retryAfter: durationOf(10_000),
  });
  // Values of the same key have nothing to do with it.
  await set(t, "job", "1");
  await del(t, "job");
  const gone = new AbortController();
  const leaver = expect(acquireLock(t, "job", { wait }, { signal: gone.signal })).rejects.toThrow();
  await inLine(t);
  const second = acquireLock(t, "job", { wait });
  await inLine(t);
  const third = acquireLock(t, "job", { wait });
  await inLine(t);
  gone.abort();
  await leaver;
  await renewLock(t, "job", first.token);
  expect(await releaseLock(t, "job", first.token)).toBe(true);
  const { token } = await second;
  expect(token).toBeGreaterThan(first.token);
  await expect(renewLock(t, "job", first.token)).rejects.toMatchObject(lost);
  expect(await releaseLock(t, "job", first.token)).toBe(false);
  await t.advance(10_000);
  expect((await third).token).toBeGreaterThan(token);
});

test("flushing a cache lets go of its locks", async () => {
  const t = await cacheScenario();
  const { token } = await acquireLock(t, "job");
  await cacheCall(t, "flushCache", {});
  await expect(renewLock(t, "job", token)).rejects.toMatchObject(lost);
  expect((await acquireLock(t, "job")).acquired).toBe(true);
});

test("every bad field of a request is told of", async () => {
  const t = await cacheScenario();
  const refused = (field: string) => ({ reason: "INVALID_PARAMETER", metadata: { field } });
  const bad = { lease: durationOf(99), wait: durationOf(20_001) };
  await expect(getOrLease(t, "k", bad)).rejects.toMatchObject(refused("lease"));
  await expect(getOrLease(t, "k", { wait: bad.wait })).rejects.toMatchObject(refused("wait"));
  await expect(acquireLock(t, "job", { lease: durationOf(300_001) })).rejects.toMatchObject(
    refused("lease"),
  );
  await expect(renewLease(t, "k", 0n)).rejects.toMatchObject(refused("lease_token"));
  await expect(releaseLock(t, "job", 0n)).rejects.toMatchObject(refused("token"));
  await expect(acquireLock(t, "")).rejects.toMatchObject({ reason: "EMPTY_KEY" });
  await expect(acquireLock(t, "n".repeat(1_025))).rejects.toMatchObject({ reason: "KEY_TOO_LONG" });
  await expect(getOrLease(t, "k", { cache: "none" })).rejects.toMatchObject({
    reason: "CACHE_NOT_FOUND",
  });
});
