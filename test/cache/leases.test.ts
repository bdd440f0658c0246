// Who may load a key, and who has a lock: the rules over an engine, with time moved by hand.

import { expect, onTestFinished, test } from "vitest";
import type { CacheKey, CacheName, DurationMs, Namespace, Version } from "../../src/base/brands.js";
import type { CacheAddress } from "../../src/cache/cache-name.js";
import { deleteByPrefix, invalidateTags } from "../../src/cache/keyspace.js";
import { type GotOrLeased, getOrLease, releaseLease, renewLease } from "../../src/cache/leases.js";
import { type Acquired, acquireLock, lockNamed } from "../../src/cache/locks.js";
import type { LeaseName } from "../../src/cache/model.js";
import type { OpenCache } from "../../src/cache/open-cache.js";
import { inCache } from "../../src/cache/operations.js";
import type { CacheDecided } from "../../src/cache/rejections.js";
import { get, remove, type SetOrder, set } from "../../src/cache/scalars.js";
import { decideSweepFences } from "../../src/cache/sweep-cache.js";
import { placeOfLease } from "../../src/cache/view.js";
import { EngineHarness } from "../support/engine-harness.js";

const address: CacheAddress = {
  namespace: "default" as Namespace,
  name: "default" as CacheName,
  given: "default",
};
const key = "k" as CacheKey;
const name: LeaseName = { kind: "load", key };
const leaseMs = 10_000 as DurationMs;
const never = 0 as DurationMs;

async function started(): Promise<EngineHarness> {
  const harness = await EngineHarness.start();
  onTestFinished(async () => {
    await harness.check();
    await harness.stop();
  });
  return harness;
}

/** What a rule came to, or why it was refused. */
async function run<Outcome>(
  { engine }: EngineHarness,
  rule: (open: OpenCache) => CacheDecided<Outcome>,
): Promise<Outcome | string> {
  const decision = await engine.execute<Outcome, { readonly kind: string }>({
    name: "Rule",
    bytes: 100,
    isGrowing: false,
    decide: (transaction, stamp) => inCache(transaction, address, stamp, rule),
  });
  return decision.kind === "accepted" ? decision.outcome : decision.rejection.kind;
}

async function outcome<Outcome>(
  harness: EngineHarness,
  rule: (open: OpenCache) => CacheDecided<Outcome>,
): Promise<Outcome> {
  const came = await run(harness, rule);
  if (typeof came === "string") throw new Error(`It was refused: ${came}.`);
  return came;
}

const lookUp = (harness: EngineHarness, refreshBelowMs = 0): Promise<GotOrLeased> =>
  outcome(harness, (open) =>
    getOrLease(open, { key, leaseMs, refreshBelowMs: refreshBelowMs as DurationMs }),
  );

async function won(harness: EngineHarness): Promise<Version> {
  const got = await lookUp(harness);
  if (got.kind !== "miss_won") throw new Error(`The lease was not won: ${got.kind}.`);
  return got.lease.token;
}

const written = (text: string, rest: Partial<SetOrder> = {}): SetOrder => ({
  key,
  value: { isText: true, bytes: Buffer.from(text) },
  expiry: { kind: "never" },
  condition: { kind: "always" },
  wantsPrevious: false,
  wantsCurrent: false,
  flags: 0,
  contentType: "",
  tags: [],
  isPinned: false,
  externalVersion: 0n,
  slidingMs: never,
  graceMs: { revalidate: never, error: never },
  ...rest,
});

/** What a write came to. */
async function store(harness: EngineHarness, text: string, rest?: Partial<SetOrder>) {
  const came = await run(harness, (open) => set(open, written(text, rest)));
  return typeof came === "string" ? came : came.kind;
}

async function readText(harness: EngineHarness): Promise<string> {
  const read = await outcome(harness, (open) =>
    get(open, { key, touch: undefined, ifVersionNot: 0, allowsStale: false }),
  );
  return read.kind === "hit" ? read.value.bytes.toString() : read.kind;
}

const del = (harness: EngineHarness) =>
  outcome(harness, (open) => remove(open, { key, condition: { kind: "always" }, mode: "delete" }));

/** Removes all that was made invalid, and with it what says so. */
async function sweep({ engine }: EngineHarness): Promise<void> {
  for (let hasMore = true; hasMore; ) {
    const swept = await engine.execute({
      name: "Sweep",
      bytes: 100,
      isGrowing: false,
      decide: decideSweepFences,
    });
    hasMore = swept.kind === "accepted" && swept.outcome.hasMore;
  }
}

test("a key is loaded by one, who stores it under the token", async () => {
  const t = await started();
  const leaseToken = await won(t);
  expect((await lookUp(t)).kind).toBe("miss_wait");
  expect(await store(t, "loaded", { leaseToken })).toBe("written");
  expect((await lookUp(t)).kind).toBe("hit");
  expect(await store(t, "again", { leaseToken })).toBe("lease_lost");
  expect(await readText(t)).toBe("loaded");
});

test("C52 whoever loads a key that is deleted meanwhile stores nothing", async () => {
  const t = await started();
  const leaseToken = await won(t);
  await del(t);
  expect(await store(t, "old", { leaseToken })).toBe("lease_lost");
  expect(await readText(t)).toBe("miss");
  const next = await won(t);
  expect(next).toBeGreaterThan(leaseToken);
});

test("C54 whoever loads a key that is written meanwhile does not overwrite what is newer", async () => {
  const t = await started();
  const leaseToken = await won(t);
  expect(await store(t, "newer")).toBe("written");
  expect(await store(t, "old", { leaseToken })).toBe("lease_lost");
  expect(await readText(t)).toBe("newer");
});

test("a lease holds up to its end and not at it, and renewing moves the end", async () => {
  const t = await started();
  const token = await won(t);
  await t.clock.advance(9_999);
  expect((await lookUp(t)).kind).toBe("miss_wait");
  await outcome(t, (open) => renewLease(open, { name, token, leaseMs }));
  await t.clock.advance(9_999);
  expect((await lookUp(t)).kind).toBe("miss_wait");
  await t.clock.advance(1);
  expect(await store(t, "late", { leaseToken: token })).toBe("lease_lost");
  expect(await run(t, (open) => renewLease(open, { name, token, leaseMs }))).toBe("lease_lost");
  expect((await lookUp(t)).kind).toBe("miss_won");
});

test.each(["before", "after"])(
  "keys made invalid by their beginning end the leases of them, %s what is invalid was removed",
  async (moment) => {
    const t = await started();
    const leaseToken = await won(t);
    await outcome(t, (open) => deleteByPrefix(open, "k"));
    if (moment === "after") await sweep(t);
    expect(await store(t, "old", { leaseToken })).toBe("lease_lost");
    const fresh = await won(t);
    await outcome(t, (open) => deleteByPrefix(open, "other"));
    if (moment === "after") await sweep(t);
    expect(await store(t, "new", { leaseToken: fresh })).toBe("written");
  },
);

test.each(["before", "after"])(
  "what is loaded for a tag that was made invalid meanwhile is not stored, %s that was removed",
  async (moment) => {
    const t = await started();
    const leaseToken = await won(t);
    await outcome(t, (open) => invalidateTags(open, { tags: ["a"], mode: "delete" }));
    if (moment === "after") await sweep(t);
    expect(await store(t, "old", { leaseToken, tags: ["a"] })).toBe("lease_lost");
    const fresh = moment === "after" ? await won(t) : leaseToken;
    expect(await store(t, "new", { leaseToken: fresh, tags: ["b"] })).toBe("written");
  },
);

test("sweeping what was made invalid leaves a lease that was given since", async () => {
  const t = await started();
  await store(t, "old", { tags: ["a"] });
  await outcome(t, (open) => invalidateTags(open, { tags: ["a"], mode: "delete" }));
  const leaseToken = await won(t);
  await sweep(t);
  expect(await store(t, "new", { leaseToken, tags: ["a"] })).toBe("written");
});

test("a value that ends soon is refreshed by one, and everybody else has it meanwhile", async () => {
  const t = await started();
  await store(t, "old", { expiry: { kind: "ttl", ttlMs: 1_000 as DurationMs } });
  await t.clock.advance(499);
  expect((await lookUp(t, 500)).kind).toBe("hit");
  await t.clock.advance(1);
  expect((await lookUp(t, 500)).kind).toBe("stale_won");
  expect((await lookUp(t, 500)).kind).toBe("hit");
});

test("a value in its grace is served to all, and refreshed by one", async () => {
  const t = await started();
  await store(t, "old", {
    expiry: { kind: "ttl", ttlMs: 1_000 as DurationMs },
    graceMs: { revalidate: 5_000 as DurationMs, error: never },
  });
  await t.clock.advance(1_000);
  const first = await lookUp(t);
  expect(first.kind).toBe("stale_won");
  expect((await lookUp(t)).kind).toBe("stale");
  if (first.kind !== "stale_won") return;
  expect(await store(t, "new", { leaseToken: first.lease.token })).toBe("written");
  expect(await readText(t)).toBe("new");
});

test("reads that lengthen a life end no lease", async () => {
  const t = await started();
  await store(t, "old", {
    slidingMs: 1_000 as DurationMs,
    expiry: { kind: "default" },
  });
  const first = await lookUp(t, 2_000);
  expect(first.kind).toBe("stale_won");
  await t.clock.advance(500);
  expect(await readText(t)).toBe("old");
  if (first.kind !== "stale_won") return;
  expect(await store(t, "new", { leaseToken: first.lease.token })).toBe("written");
});

/** Waits until nobody else loads the key, or has the lock. */
function waiting<Found extends { readonly kind: string }>(
  { engine }: EngineHarness,
  leased: LeaseName,
  rule: (open: OpenCache) => CacheDecided<Found>,
  until: (found: Found) => number | undefined,
): Promise<Found | undefined> {
  const wait = engine.executeOrWait<Found | undefined, never>({
    name: "Wait",
    bytes: 100,
    isGrowing: false,
    locate: (transaction) => {
      const cache = transaction.caches.findCache(address.namespace, address.name);
      if (cache === undefined) throw new Error("There is no cache.");
      const queue = placeOfLease(cache, leased);
      return { kind: "accepted", outcome: { queue, waitMs: 60_000 } };
    },
    decide: (transaction, stamp, { queue }) => {
      const decided = inCache(transaction, address, stamp, rule);
      if (decided.kind === "rejected") throw new Error(decided.rejection.kind);
      const at = until(decided.outcome);
      return at === undefined ? decided : { kind: "nothing_yet", queue, until: at as never };
    },
    empty: () => undefined,
  });
  return wait.decision.then((decision) =>
    decision.kind === "accepted" ? decision.outcome : undefined,
  );
}

const waitForKey = (t: EngineHarness) =>
  waiting<GotOrLeased>(
    t,
    name,
    (open) => getOrLease(open, { key, leaseMs, refreshBelowMs: never }),
    (found) => (found.kind === "miss_wait" ? found.holderEndsAt : undefined),
  );

test("C53 when a holder dies, one of those who wait has the lease at its end", async () => {
  const t = await started();
  await won(t);
  const [first, second] = [waitForKey(t), waitForKey(t)];
  await t.clock.advance(10_000);
  const leased = await first;
  expect(leased?.kind).toBe("miss_won");
  if (leased?.kind !== "miss_won") return;
  expect(await store(t, "loaded", { leaseToken: leased.lease.token })).toBe("written");
  expect((await second)?.kind).toBe("hit");
});

test("a lease that is released goes to whoever waited longest", async () => {
  const t = await started();
  const token = await won(t);
  const [first, second] = [waitForKey(t), waitForKey(t)];
  expect(await outcome(t, (open) => releaseLease(open, { name, token }))).toBe(true);
  const leased = await first;
  if (leased?.kind !== "miss_won") throw new Error("The first did not get it.");
  const { token: next } = leased.lease;
  expect(await outcome(t, (open) => releaseLease(open, { name, token }))).toBe(false);
  expect(await outcome(t, (open) => releaseLease(open, { name, token: next }))).toBe(true);
  expect((await second)?.kind).toBe("miss_won");
});

const lock = (open: OpenCache): CacheDecided<Acquired> => acquireLock(open, { key, leaseMs });

test("a lock is one caller's at a time, and tokens rise", async () => {
  const t = await started();
  const held = lockNamed(key);
  const first = await outcome(t, lock);
  if (first.kind !== "acquired") throw new Error("Nobody has the lock, and it was refused.");
  expect((await outcome(t, lock)).kind).toBe("held");
  const next = waiting<Acquired>(t, held, lock, (found) =>
    found.kind === "held" ? found.holderEndsAt : undefined,
  );
  // What is written under the same key, or made invalid, has nothing to do with it.
  await store(t, "value");
  await del(t);
  await outcome(t, (open) => deleteByPrefix(open, "k"));
  await sweep(t);
  expect((await outcome(t, lock)).kind).toBe("held");
  const { token } = first.lease;
  expect(await outcome(t, (open) => releaseLease(open, { name: held, token }))).toBe(true);
  const second = await next;
  if (second?.kind !== "acquired") throw new Error("The lock was let go, and it was refused.");
  expect(second.lease.token).toBeGreaterThan(token);
  expect(await outcome(t, (open) => releaseLease(open, { name: held, token }))).toBe(false);
});

test("leases that ended are removed by those who take others", async () => {
  const t = await started();
  const rows = async (): Promise<number> =>
    outcome(t, ({ transaction, cache }) => ({
      kind: "accepted",
      outcome: transaction.loadedSinceBefore(cache, transaction.lastVersion, 100).length,
    }));
  const take = (text: string) =>
    outcome(t, (open) =>
      getOrLease(open, { key: text as CacheKey, leaseMs, refreshBelowMs: never }),
    );
  for (const text of ["a", "b", "c", "d"]) await take(text);
  expect(await rows()).toBe(3);
  await t.clock.advance(10_000);
  await take("e");
  await take("f");
  expect(await rows()).toBe(1);
});
