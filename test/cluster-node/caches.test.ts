// Caches in a cluster: any node takes any call, reads are as fresh as they ask to be, and what was answered is there after the leader has
// gone, with versions that go on rising.

import { ForebayClient } from "@forebay/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { TestCluster, type TestNode } from "./cluster.js";

describeWithEtcd("a cluster", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  function clientOf({ endpoint }: TestNode): ForebayClient {
    const client = new ForebayClient({ endpoint, timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    return client;
  }

  test("keeps what was written at any node when the leader leaves, and counts each increment once", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const client = clientOf(one);
    await client.caches.create("prices", { durability: "replicated", replicatedZones: 3 });
    const prices = client.cache("prices");
    const before = await Promise.all(
      Array.from({ length: 100 }, (_, index) => prices.set(`k${index}`, String(index))),
    );
    await prices.set("sliding", "1", { slidingMs: 3_600_000 });
    await prices.set("tagged", "1", { tags: ["t"] });
    await prices.invalidateTags(["t"]);
    const counted = Promise.all(Array.from({ length: 200 }, () => client.cache().increment("n")));
    await leader.stop();
    await counted;
    await cluster.leader();
    const rest = clientOf(other);
    // Two zones are left of three, in which nothing can be on disk three times.
    await expect(
      rest.cache("prices").set("k0", "more", { condition: { equal: "0" } }),
    ).rejects.toMatchObject({ status: "UNAVAILABLE", reason: "ZONES_NOT_REACHED" });
    await rest.caches.update("prices", { durability: "flushed" });
    expect(await rest.cache().value("n")).toBe("200");
    expect(await rest.cache("prices").value("k99")).toBe("99");
    expect(await rest.cache("prices").value("tagged")).toBeUndefined();
    const after = await rest.cache("prices").set("k1", "new");
    for (const { version } of before) expect(after.version).toBeGreaterThan(version);
  }, 120_000);

  test("reads at a node that follows as fresh as a call asks, and leaves lives that slide to the leader", async () => {
    const cluster = await TestCluster.start(etcd);
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const writer = clientOf(one);
    const reader = clientOf(other);
    await writer.cache().set("a", "1");
    const position = writer.position;
    if (position === undefined) throw new Error("a cluster has positions");
    const fresh = await reader.cache().get("a", { consistency: { atLeast: position } });
    expect(fresh).toMatchObject({ kind: "hit", value: "1" });
    const anywhere = async () => (await reader.cache().get("a", { consistency: "any" })).kind;
    await expect.poll(anywhere).toBe("hit");
    await writer.cache().set("s", "1", { slidingMs: 3_600_000 });
    // Whoever follows does not lengthen its life, so it is not the one that answers.
    const slides = () =>
      reader.cache().get("s", { consistency: { atLeast: writer.position ?? "" } });
    await expect(slides()).resolves.toMatchObject({ kind: "hit" });
    const many = await reader
      .cache()
      .getMany(["a", "none"], { consistency: { maxStalenessMs: 60_000 } });
    expect(many.map(({ kind }) => kind)).toEqual(["hit", "miss"]);
    const keys: string[] = [];
    for await (const { key } of reader.cache().scan({ consistency: "any" })) keys.push(String(key));
    expect(keys).toEqual(["a", "s"]);
  }, 120_000);

  test("keeps leases and locks with their tokens when the leader leaves, and ends them when they said", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const [client, rest] = [clientOf(one), clientOf(other)];
    const loaded = await client.cache().getOrLease("loaded", { leaseMs: 300_000 });
    const left = await client.cache().getOrLease("left", { leaseMs: 300_000 });
    if (loaded.kind !== "won" || left.kind !== "won") throw new Error("nobody has them");
    const lock = await client.lock("job").acquire({ leaseMs: 300_000 });
    const brief = await client.lock("brief").acquire({ leaseMs: 1_000 });
    if (lock === undefined || brief === undefined) throw new Error("nobody has it");
    // Who waits at a node that follows waits on, at whoever leads next.
    const waiting = rest.cache().getOrLoad("loaded", () => Promise.reject(new Error("not me")));
    await leader.stop();
    await cluster.leader();
    expect((await rest.cache().getOrLease("left")).kind).toBe("held");
    expect(await rest.lock("job").acquire()).toBeUndefined();
    await client.cache().set("loaded", "1", { leaseToken: loaded.token });
    expect(await waiting).toBe("1");
    await client.cache().delete("left");
    await expect(
      client.cache().set("left", "old", { leaseToken: left.token }),
    ).rejects.toMatchObject({ reason: "LEASE_LOST" });
    await lock.renew();
    expect(await lock.release()).toBe(true);
    const next = await rest.lock("job").acquire();
    expect(next?.token).toBeGreaterThan(lock.token);
    const after = await rest.lock("brief").acquire({ waitMs: 20_000 });
    expect(after?.token).toBeGreaterThan(brief.token);
  }, 120_000);

  test("keeps collections when the leader leaves, and serves who waits at a list from the next one", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const cache = clientOf(one).cache();
    await cache
      .dictionary("d")
      .set([["f", "x".repeat(2_000)]], { fieldExpiry: { ttlMs: 3_600_000 } });
    await cache.list("l").push(["1", "2"]);
    await cache.memberSet("s").add(["a", "b"]);
    const scores = Array.from({ length: 500 }, (_unused, at) => [`m${at}`, at % 100] as const);
    await cache.sortedSet("z").put(scores);
    const position = (client: ForebayClient): string => client.position ?? "";
    const reader = clientOf(other);
    const writer = clientOf(one);
    await writer.cache().list("l").push(["3"]);
    const fresh = { consistency: { atLeast: position(writer) } };
    expect(await reader.cache().list("l").range(0, undefined, fresh)).toEqual(["1", "2", "3"]);
    expect(await reader.cache().sortedSet("z").rank("m99", fresh)).toBe(499);
    await leader.stop();
    await cluster.leader();
    const rest = clientOf(other);
    expect(await rest.cache().dictionary("d").get("f")).toHaveLength(2_000);
    expect(await rest.cache().memberSet("s").length()).toBe(2);
    expect(await rest.cache().sortedSet("z").length()).toBe(500);
    expect(await rest.cache().list("l").popMany(5)).toEqual(["1", "2", "3"]);
    const waiting = rest.cache().list("l").pop({ waitMs: 30_000 });
    await clientOf(one).cache().list("l").push(["4"]);
    expect(await waiting).toBe("4");
  }, 120_000);
});
