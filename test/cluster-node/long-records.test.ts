// What one command writes may be long: a value of many megabytes, or many elements spread over a large collection. It comes to the
// other nodes as anything else does, and what is written after it is not held up for ever.

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

  test("takes a value of 32 MiB, and goes on", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const client = clientOf(leader);
    await client.caches.create("long", {
      durability: "replicated",
      replicatedZones: 3,
      maxValueBytes: 64 * 1_048_576,
      maxBytes: 1_000_000_000,
    });
    const cache = client.cache("long");
    expect(await cache.setRange("value", 32 * 1_048_576 - 1, Uint8Array.of(1))).toBe(33_554_432);
    await cache.set("after", "1");
    const [one] = await cluster.followers();
    if (one === undefined) throw new Error("two nodes follow");
    const reader = clientOf(one);
    const fresh = { consistency: { atLeast: client.position ?? "" } };
    expect(await reader.cache("long").value("after", fresh)).toBe("1");
    const [meta] = await reader.cache("long").meta(["value"], fresh);
    expect(meta?.sizeBytes).toBeGreaterThan(33_554_432);
  }, 120_000);

  test("takes thousands of elements spread over a large collection in one call, and goes on", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const client = clientOf(leader);
    const board = client.cache().sortedSet("board");
    const count = 12_000;
    const memberOf = (at: number): string => `${at % 1_000} ${at} ${"m".repeat(300)}`;
    for (let from = 0; from < count; from += 4_000) {
      const page = Array.from({ length: 4_000 }, (_unused, at) => {
        const member = memberOf(from + at);
        return [member, (from + at) % 977] as const;
      });
      await board.put(page);
    }
    const spread = Array.from({ length: 3_000 }, (_unused, at) => memberOf(at * 4));
    await board.put(spread.map((member, at) => [member, at / 7] as const));
    expect(await board.length()).toBe(count);
    expect(await board.remove(spread)).toMatchObject({ removed: 3_000, length: 9_000 });
    const [one] = await cluster.followers();
    if (one === undefined) throw new Error("two nodes follow");
    const fresh = { consistency: { atLeast: client.position ?? "" } };
    expect(await clientOf(one).cache().sortedSet("board").length(undefined, fresh)).toBe(9_000);
  }, 120_000);
});
