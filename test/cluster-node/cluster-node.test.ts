// What a cluster of three nodes promises to those who call it, whichever node they call.

import { createHash } from "node:crypto";
import { rmSync } from "node:fs";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { ReadMode } from "../../src/gen/forebay/queue/v1/consistency.js";
import { DeleteOutcome } from "../../src/gen/forebay/queue/v1/message.js";
import { openReplicaStore } from "../../src/store/replica-store.js";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { failureOf } from "../support/edge.js";
import { QueueClient } from "../support/queue-client.js";
import { failureOfAsk, TestCluster, type TestNode, textOf, wait } from "./cluster.js";

const queue = "orders";
const mode = (value: ReadMode) => ({ kind: { $case: "mode" as const, value } });
const seconds = (value: number) => ({ seconds: BigInt(value), nanos: 0 });
const staleness = (value: number) => ({
  kind: { $case: "maxStaleness" as const, value: seconds(value) },
});
const atLeast = (value: string) => ({ kind: { $case: "atLeast" as const, value } });

describeWithEtcd("a cluster of three nodes", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  const begun = async (options?: Parameters<typeof TestCluster.start>[1]) => {
    const cluster = await TestCluster.start(etcd, options);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    await leader.ask("createQueue", { queue });
    return { cluster, leader, one, other };
  };

  test("takes calls at every node, and names the leader, the position and the zones", async () => {
    const { leader, one } = await begun();
    const sent = await one.ask("sendMessage", { queue, body: textOf("pay #7") });
    expect(sent.leader).toBe(leader.endpoint);
    expect(sent.position).toMatch(/^\d+\/\d+$/);
    expect(sent.durableZones).toBeGreaterThanOrEqual(2);
    const received = await leader.ask("receiveMessage", { queue });
    expect(received.response.messages.map(({ body }) => body)).toEqual([textOf("pay #7")]);
    const receiptHandle = received.response.messages[0]?.receiptHandle ?? "";
    await one.ask("deleteMessage", { queue, receiptHandle });
    const left = await leader.ask("getQueueAttributes", { queue, names: ["All"] });
    expect(left.response.counters?.storedMessageCount).toBe(0n);
  });

  test("reads what was written from a node that follows, at the position of the write", async () => {
    const { one, other } = await begun();
    for (let count = 1n; count <= 20n; count += 1n) {
      const { position = "" } = await one.ask("sendMessage", { queue, body: textOf("m") });
      const read = await other.ask("getQueueAttributes", {
        queue,
        names: ["All"],
        consistency: atLeast(position),
      });
      expect(read.response.counters?.storedMessageCount).toBe(count);
      // Answered there: what the leader answers tells of durable zones or not, but never of a later epoch's records.
      expect(Number(read.position?.split("/")[1])).toBeGreaterThanOrEqual(
        Number(position.split("/")[1]),
      );
    }
  });

  test("reads from a node that follows take no part of the leader when any state will do", async () => {
    const { leader, one } = await begun();
    const { position = "" } = await leader.ask("sendMessage", { queue, body: textOf("m") });
    // One that is behind by 200 ms would let the leader answer, and have nothing to show by itself.
    const shown = async () =>
      (await one.ask("peekMessages", { queue, consistency: mode(ReadMode.ANY) })).response.messages;
    await expect.poll(shown, { timeout: 10_000 }).toHaveLength(1);
    const servedBefore = await countOf(leader, "PeekMessages");
    for (const consistency of [mode(ReadMode.ANY), atLeast(position), staleness(60)]) {
      const { response } = await one.ask("peekMessages", { queue, consistency });
      expect(response.messages).toHaveLength(1);
    }
    expect(await countOf(leader, "PeekMessages")).toBe(servedBefore);
    for (const consistency of [undefined, mode(ReadMode.LEADER_QUORUM), staleness(0)]) {
      const { response } = await one.ask("peekMessages", {
        queue,
        ...(consistency && { consistency }),
      });
      expect(response.messages).toHaveLength(1);
    }
    expect(await countOf(leader, "PeekMessages")).toBe(servedBefore + 3);
  });

  test("refuses a position of a history that it does not have, at the leader and elsewhere", async () => {
    const { leader, one } = await begun();
    const { position = "" } = await leader.ask("sendMessage", { queue, body: textOf("m") });
    const [epoch, seq] = position.split("/").map(Number);
    const foreign = [`${Number(epoch) + 1}/${seq}`, `${epoch}/${Number(seq) + 1_000}`];
    for (const node of [leader, one]) {
      for (const unknown of foreign) {
        const asked = node.ask("listQueues", { consistency: atLeast(unknown) });
        expect(failureOf(await failureOfAsk(asked))).toMatchObject({
          code: "FAILED_PRECONDITION",
          reason: "POSITION_UNKNOWN",
        });
      }
    }
  });

  test("waits for every zone when a call asks for that, and goes on without one when none does", async () => {
    const { leader, one, other } = await begun();
    const all = { metadata: { "forebay-acks": "all" } };
    const sent = await one.ask("sendMessage", { queue, body: textOf("m") }, all);
    expect(sent.durableZones).toBe(3);
    const some = { metadata: { "forebay-acks": "some" } };
    const refused = one.ask("sendMessage", { queue, body: textOf("m") }, some);
    expect(failureOf(await failureOfAsk(refused)).reason).toBe("INVALID_PARAMETER");
    await other.stop();
    await leader.ask("sendMessage", { queue, body: textOf("m") });
    const late = leader.ask(
      "sendMessage",
      { queue, body: textOf("m") },
      { ...all, deadlineMs: 700 },
    );
    expect(failureOf(await failureOfAsk(late)).code).toBe("DEADLINE_EXCEEDED");
    await other.start();
    const again = await leader.ask("sendMessage", { queue, body: textOf("m") }, all);
    expect(again.durableZones).toBe(3);
  });

  // A busy machine may miss a bound of real time once; a node that misses it always fails.
  test("hands over when the leader stops: calls go on, and what was received stays received", {
    retry: 2,
  }, async () => {
    const { cluster, leader, one } = await begun();
    await leader.ask("sendMessage", { queue, body: textOf("held") });
    const held = await one.ask("receiveMessage", { queue, visibilityTimeout: seconds(600) });
    const receiptHandle = held.response.messages[0]?.receiptHandle ?? "";
    const startedMs = performance.now();
    const stopping = leader.stop();
    const sent = await one.askUntil("sendMessage", { queue, body: textOf("next") });
    // A lease would take two seconds to end; whoever hands over waits for none.
    expect(performance.now() - startedMs).toBeLessThan(1_500);
    expect(sent.leader).not.toBe(undefined);
    await stopping;
    const next = await cluster.leader();
    expect(next).not.toBe(leader);
    const { response } = await one.askUntil("receiveMessage", { queue, maxMessages: 10 });
    expect(response.messages.map(({ body }) => body)).toEqual([textOf("next")]);
    const deleted = await one.ask("deleteMessage", { queue, receiptHandle });
    expect(deleted.response.outcome).toBe(DeleteOutcome.DELETED);
    expect(leader.logged.map(({ message }) => message)).toContain("handed over");
  });

  test("ends a wait for messages when the leader goes, naming the next one at the next call", async () => {
    const { cluster, leader } = await begun();
    const waiting = leader.ask(
      "receiveMessage",
      { queue, waitTime: seconds(20) },
      { deadlineMs: 25_000 },
    );
    const failed = failureOfAsk(waiting);
    await wait(200);
    const startedMs = performance.now();
    const stopping = leader.stop();
    expect(failureOf(await failed).code).toBe("UNAVAILABLE");
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    await stopping;
    await cluster.leader();
  });

  test("carries streams through a node that follows, until the leader goes", async () => {
    const { cluster, leader, one } = await begun();
    const client = new QueueClient(one.server.dataAddress);
    onTestFinished(() => client.close());
    const produced = client.produce();
    const entries = Array.from({ length: 500 }, (_, index) => ({
      id: String(index),
      body: textOf(`m${index}`),
    }));
    produced.write({ queue, entries });
    const sent = () => produced.responses.flatMap(({ results }) => results);
    await produced.until(() => sent().length >= 500);
    const consumed = client.consume();
    const credit = { messages: 1_000, bytes: 1_000_000n };
    consumed.write({ request: { $case: "start", value: { queue, credit } } });
    const messages = () =>
      consumed.responses.flatMap(({ response }) =>
        response?.$case === "messages" ? response.value.messages : [],
      );
    await consumed.until(() => messages().length >= 500);
    const receiptHandles = messages()
      .slice(0, 100)
      .map(({ receiptHandle }) => receiptHandle);
    consumed.write({ request: { $case: "ack", value: { receiptHandles } } });
    const acked = () =>
      consumed.responses.flatMap(({ response }) =>
        response?.$case === "results" ? response.value.results : [],
      );
    await consumed.until(() => acked().length >= 100);
    expect([sent().length, messages().length, acked().length]).toEqual([500, 500, 100]);
    const stopping = leader.stop();
    expect(await produced.ended).toMatchObject({ code: "UNAVAILABLE" });
    expect(await consumed.ended).toMatchObject({ code: "UNAVAILABLE" });
    await stopping;
    await cluster.leader();
    // The leases of a stream whose leader went end by themselves; nothing was lost with it.
    const left = await one.askUntil("getQueueAttributes", { queue, names: ["All"] });
    expect(left.response.counters?.storedMessageCount).toBe(400n);
  });

  test("leaves every node with the same state", async () => {
    const { cluster, leader, one } = await begun();
    for (let index = 0; index < 50; index += 1) {
      const node = cluster.nodes[index % 3] ?? leader;
      await node.ask("sendMessage", { queue, body: textOf(`message ${index}`) });
    }
    const { response } = await one.ask("receiveMessage", { queue, maxMessages: 10 });
    for (const { receiptHandle } of response.messages) {
      await one.ask("deleteMessage", { queue, receiptHandle });
    }
    const { position = "" } = await leader.ask("sendMessage", { queue, body: textOf("last") });
    for (const node of cluster.nodes)
      await node.ask("listQueues", { consistency: atLeast(position) });
    await cluster.stop();
    const hashes = await Promise.all(cluster.nodes.map(stateOf));
    expect(hashes[0]?.rows).toBeGreaterThan(40);
    for (const { appliedSeq } of hashes) {
      expect(appliedSeq).toBeGreaterThanOrEqual(Number(position.split("/")[1]));
    }
    const latest = Math.max(...hashes.map(({ appliedSeq }) => appliedSeq));
    const equal = hashes.filter(({ appliedSeq }) => appliedSeq === latest);
    expect(equal.length).toBeGreaterThanOrEqual(2);
    expect(new Set(equal.map(({ hash }) => hash)).size).toBe(1);
  });

  test("starts no node whose store was emptied, and says what to do", async () => {
    const { one } = await begun();
    await one.stop();
    rmSync(one.dataDir, { recursive: true });
    await expect(one.start()).rejects.toThrow(/emptied or exchanged.*forebay cluster remove/s);
  });

  test("stops a node that follows at once, though streams and waits go through it", {
    retry: 2,
  }, async () => {
    const { one } = await begun();
    const client = new QueueClient(one.server.dataAddress);
    onTestFinished(() => client.close());
    const consumed = client.consume();
    const credit = { messages: 10, bytes: 1_000_000n };
    consumed.write({ request: { $case: "start", value: { queue, credit } } });
    const waiting = one.ask(
      "receiveMessage",
      { queue, waitTime: seconds(20) },
      { deadlineMs: 25_000 },
    );
    const failed = failureOfAsk(waiting);
    await wait(300);
    const startedMs = performance.now();
    await one.stop();
    expect(performance.now() - startedMs).toBeLessThan(900);
    expect(await consumed.ended).toMatchObject({ code: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
    expect(failureOf(await failed).reason).toBe("SHUTTING_DOWN");
  });

  test("says how it does: ready while it can serve or pass on, and in numbers", async () => {
    const { leader, one } = await begun();
    await leader.ask("sendMessage", { queue, body: textOf("m") });
    expect((await leader.page("/readyz?verbose")).text).toContain("[+] cluster: leads epoch");
    expect((await one.page("/readyz?verbose")).text).toContain(
      `[+] cluster: follows ${leader.name}`,
    );
    const { text } = await leader.page("/metrics");
    expect(text).toContain('forebay_cluster_role{role="leader"} 1');
    expect(text).toMatch(/forebay_cluster_lag_records\{node="[abc]"\} \d/);
    expect(text).toMatch(/forebay_cluster_log_bytes [1-9]/);
    expect(text).toMatch(
      /forebay_cluster_log_oldest_reader_seq\{node="[abc]",reader="(member|copy)"\} \d/,
    );
    expect(text).toMatch(/forebay_cluster_log_oldest_reader_seconds\{.*\} [0-9.]+/);
    expect(text).toMatch(/forebay_cluster_commit_seconds_count [1-9]/);
    expect(text).toContain("forebay_cluster_elections_won_total 1");
    const followed = (await one.page("/metrics")).text;
    expect(followed).toContain('forebay_cluster_role{role="follower"} 1');
    expect(followed).toMatch(/forebay_cluster_staleness_seconds [0-9.]+/);
  });

  test("refuses calls when nobody can lead, and is not ready then, but reads whatever state there is", async () => {
    const { cluster, leader, one, other } = await begun();
    await leader.ask("sendMessage", { queue, body: textOf("m") });
    const stored = async (): Promise<number> => {
      const read = await one.ask("peekMessages", { queue, consistency: mode(ReadMode.ANY) });
      return read.response.messages.length;
    };
    // Committed by the two others it may be, and not here yet.
    await expect.poll(stored).toBe(1);
    await Promise.all([leader.stop(), other.stop()]);
    await expect
      .poll(
        async () =>
          failureOf(await failureOfAsk(one.ask("sendMessage", { queue, body: textOf("x") }))),
        { timeout: 15_000, interval: 100 },
      )
      .toMatchObject({ code: "UNAVAILABLE", reason: "NOT_LEADER" });
    expect(await stored()).toBe(1);
    await expect
      .poll(async () => (await one.page("/readyz")).text, { timeout: 20_000 })
      .toContain("no leader for");
    await leader.start();
    await cluster.leader();
    const sent = await one.askUntil("sendMessage", { queue, body: textOf("again") });
    expect(sent.durableZones).toBeGreaterThanOrEqual(2);
  });
});

/** Calls of a method that a node answered with OK. */
async function countOf(node: TestNode, method: string): Promise<number> {
  const { text } = await node.page("/metrics");
  const counted = new RegExp(
    `forebay_rpc_requests_total\\{[^}]*method="${method}",code="OK"[^}]*\\} (\\d+)`,
  ).exec(text);
  return Number(counted?.[1] ?? 0);
}

/** A hash over all rows of the state of a node that does not run. */
async function stateOf({ dataDir }: TestNode) {
  const { store, disk } = openReplicaStore({
    directory: dataDir,
    mapSizeBytes: 2 ** 30,
    freshSecret: Buffer.alloc(32),
  });
  try {
    const hash = createHash("sha256");
    let rows = 0;
    for (const { key, bytes } of store.range("\x00", "\xff\xff")) {
      hash.update(`${key.length} ${bytes.length} `).update(key, "latin1").update(bytes);
      rows += 1;
    }
    return { hash: hash.digest("hex"), rows, appliedSeq: disk.load()?.appliedSeq ?? 0 };
  } finally {
    await store.close();
  }
}
