// Leases and locks through the client, on a real server: a key is loaded once over several clients, slow loaders overwrite nothing, and
// a lock is held for as long as its work takes.

import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { type ForebayClient, ForebayError, LockHeldError } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

const lost = { reason: "LEASE_LOST" };

async function clients(count: number): Promise<readonly ForebayClient[]> {
  const server = await RealServer.start();
  return Array.from({ length: count }, () => server.connect());
}

async function one(): Promise<ForebayClient> {
  const [client] = await clients(1);
  if (client === undefined) throw new Error("There is a client.");
  return client;
}

interface Deferred<Value> {
  readonly promise: Promise<Value>;
  resolve(value: Value): void;
  reject(error: Error): void;
}

function deferred<Value>(): Deferred<Value> {
  let resolve: Deferred<Value>["resolve"] = () => undefined;
  let reject: Deferred<Value>["reject"] = () => undefined;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}

test("C51 callers of several clients that miss a key at the same time load it once", async () => {
  const all = await clients(20);
  let loads = 0;
  const load = async (): Promise<string> => {
    loads += 1;
    await pause(50);
    return "loaded";
  };
  const got = await Promise.all(
    all.flatMap((client) =>
      Array.from({ length: 10 }, () => client.cache().getOrLoad("cold", load)),
    ),
  );
  expect(loads).toBe(1);
  expect(got).toEqual(Array.from({ length: 200 }, () => "loaded"));
});

test("a load that fails is thrown to who loads, and one of those who wait loads next", async () => {
  const [failing, next] = await clients(2);
  if (failing === undefined || next === undefined) throw new Error("There are two clients.");
  const started = deferred<void>();
  const failure = deferred<string>();
  const first = expect(
    failing.cache().getOrLoad("k", () => {
      started.resolve();
      return failure.promise;
    }),
  ).rejects.toThrow("The database is down.");
  await started.promise;
  const second = next.cache().getOrLoad("k", async () => "loaded");
  failure.reject(new Error("The database is down."));
  await first;
  expect(await second).toBe("loaded");
  expect(await failing.cache().value("k")).toBe("loaded");
});

test("C54 what was written during a load stays, and whoever loaded gets what he loaded", async () => {
  const client = await one();
  const got = await client.cache().getOrLoad("k", async () => {
    await client.cache().set("k", "newer");
    return "old";
  });
  expect(got).toBe("old");
  expect(await client.cache().value("k")).toBe("newer");
});

test("a load that takes longer than its lease keeps it", async () => {
  const [slow, other] = await clients(2);
  if (slow === undefined || other === undefined) throw new Error("There are two clients.");
  const started = deferred<void>();
  const done = deferred<string>();
  const first = slow.cache().getOrLoad(
    "k",
    () => {
      started.resolve();
      return done.promise;
    },
    { leaseMs: 1_000 },
  );
  await started.promise;
  const refused = await other.cache().getOrLease("k", { waitMs: 2_500 });
  expect(refused.kind).toBe("held");
  done.resolve("loaded");
  expect(await first).toBe("loaded");
  expect(await other.cache().value("k")).toBe("loaded");
});

test("whoever waits for a load too long loads by himself, and writes nothing", async () => {
  const cache = (await one()).cache();
  const held = await cache.getOrLease("k");
  expect(held.kind).toBe("won");
  expect(await cache.getOrLoad("k", async () => "mine", { loadWaitMs: 50 })).toBe("mine");
  expect(await cache.value("k")).toBeUndefined();
});

test("a lease is won, renewed, written with and given back", async () => {
  const cache = (await one()).cache();
  const won = await cache.getOrLease("k", { leaseMs: 60_000 });
  if (won.kind !== "won") throw new Error(`Nobody has it, and it was ${won.kind}.`);
  expect(won.stale).toBeUndefined();
  const renewed = await cache.renewLease("k", won.token, { leaseMs: 120_000 });
  expect(renewed?.getTime()).toBeGreaterThan(won.expiresAt?.getTime() ?? 0);
  expect(await cache.getOrLease("k")).toMatchObject({ kind: "held" });
  const options = { leaseToken: won.token, expiry: { ttlMs: 60_000 } } as const;
  expect((await cache.set("k", "", options)).stored).toBe(true);
  await expect(cache.set("k", "2", options)).rejects.toMatchObject(lost);
  expect(await cache.getOrLease("k")).toMatchObject({ kind: "hit", value: "" });
  const early = await cache.getOrLease("k", { refreshBelowMs: 60_000 });
  if (early.kind !== "won") throw new Error(`It ends soon, and it was ${early.kind}.`);
  expect(early.stale).toBe("");
  expect(await cache.releaseLease("k", early.token)).toBe(true);
  expect(await cache.releaseLease("k", early.token)).toBe(false);
  await cache.delete("k", { stale: true });
  expect((await cache.getOrLease("k")).kind).toBe("won");
  expect(await cache.getOrLease("k")).toMatchObject({ kind: "stale", value: "" });
});

test("a lock is acquired, renewed and let go of, with tokens that rise", async () => {
  const lock = (await one()).lock("job");
  const held = await lock.acquire({ leaseMs: 60_000 });
  if (held === undefined) throw new Error("Nobody has it.");
  expect(await lock.acquire()).toBeUndefined();
  const renewed = await held.renew({ leaseMs: 120_000 });
  expect(renewed?.getTime()).toBeGreaterThan(held.expiresAt?.getTime() ?? 0);
  const next = lock.acquire({ waitMs: 20_000 });
  expect(await held.release()).toBe(true);
  expect((await next)?.token).toBeGreaterThan(held.token);
  await expect(held.renew()).rejects.toMatchObject(lost);
});

test("work under a lock is done by one at a time, whatever becomes of it", async () => {
  const all = await clients(5);
  let inside = 0;
  let most = 0;
  const tokens: bigint[] = [];
  const work = async ({ token }: { readonly token: bigint }): Promise<void> => {
    inside += 1;
    most = Math.max(most, inside);
    tokens.push(token);
    await pause(10);
    inside -= 1;
    if (tokens.length === 2) throw new Error("It failed.");
  };
  const ends = await Promise.allSettled(all.map((client) => client.lock("job").withLock(work)));
  expect(most).toBe(1);
  expect(ends.filter(({ status }) => status === "rejected")).toHaveLength(1);
  expect(tokens).toEqual([...tokens].sort((left, right) => Number(left - right)));
  expect(new Set(tokens).size).toBe(5);
});

test("a lock is kept for longer than its lease, and whoever waits in vain is told", async () => {
  const [holder, other] = await clients(2);
  if (holder === undefined || other === undefined) throw new Error("There are two clients.");
  await holder.lock("job").withLock(
    async ({ signal }) => {
      const waiting = other.lock("job").withLock(async () => undefined, { waitMs: 2_500 });
      await expect(waiting).rejects.toThrow(LockHeldError);
      expect(signal.aborted).toBe(false);
    },
    { leaseMs: 1_000 },
  );
});

test("whoever loses a lock while working hears of it", async () => {
  const client = await one();
  const reason = await client.lock("job").withLock(
    async ({ signal }) => {
      await client.caches.flush("default");
      await expect.poll(() => signal.aborted).toBe(true);
      return signal.reason;
    },
    { leaseMs: 300 },
  );
  expect(reason).toBeInstanceOf(ForebayError);
  expect(reason).toMatchObject(lost);
});
