// What passes by many messages reads no bodies: counted in the bytes that a real store gives out. And what does take bytes,
// expiring long messages above all, stops at a bound and lets others have their turn.

import { expect, test } from "vitest";
import { type Namespace, seconds } from "../../src/base/brands.js";
import { limits } from "../../src/queue/limits.js";
import { decidePeekMessages, type PeekedState } from "../../src/queue/peek-messages.js";
import { decideObserveQueues, decideSweepQueues } from "../../src/queue/sweep.js";
import type { StoredHead, StoredRow } from "../../src/store/store.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { temporaryStore } from "../support/temporary-store.js";
import { WatchedStore } from "../support/watched-store.js";

const mebibyte = 1_048_576;
/** Of each message its first value may be read, 3,700 bytes, and of each row about it as much as it has. */
const headBytesMax = 4_096;

/** Counts what it gives out. */
class CountingStore extends WatchedStore {
  bytes = 0;

  override get(key: string): Buffer | undefined {
    const found = super.get(key);
    this.bytes += found?.length ?? 0;
    return found;
  }
  override *range(...parameters: Parameters<WatchedStore["range"]>): Iterable<StoredRow> {
    for (const row of super.range(...parameters)) {
      this.bytes += row.bytes.length;
      yield row;
    }
  }
  override *heads(...parameters: Parameters<WatchedStore["heads"]>): Iterable<StoredHead> {
    for (const row of super.heads(...parameters)) {
      this.bytes += row.bytes.length;
      yield row;
    }
  }
}

const retentionMs = seconds(60);

async function longMessages(count: number, bodyBytes: number) {
  const store = new CountingStore(temporaryStore());
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders", { retentionMs });
  const message = { body: "x".repeat(bodyBytes), sizeBytes: mebibyte };
  for (let sent = 0; sent < count; sent += 10) {
    await harness.send("orders", ...Array.from({ length: 10 }, () => message));
  }
  /** Bytes read by what is done. */
  const read = async (work: () => Promise<unknown>): Promise<number> => {
    const before = store.bytes;
    await work();
    return store.bytes - before;
  };
  return { harness, read };
}

const peek = (harness: EngineHarness, ...states: readonly PeekedState[]) =>
  harness.run("PeekMessages", (transaction, stamp) =>
    decidePeekMessages(
      transaction,
      {
        address: addressOf("orders"),
        states: new Set(states),
        groupId: "",
        attributes: new Map(),
        bodyContains: Buffer.alloc(0),
        countMax: 100,
        bytesMax: 100 * mebibyte,
        bodyBytesMax: mebibyte,
        from: undefined,
      },
      stamp,
    ),
  );

test("a hundred messages of a mebibyte are looked over, counted and expired without reading a body", async () => {
  const { harness, read } = await longMessages(100, mebibyte);
  const hundredHeads = 100 * headBytesMax;
  // The oldest message's age, by GetQueueAttributes and by metrics: one head.
  expect(await read(() => harness.report("orders"))).toBeLessThan(2 * headBytesMax);
  const observe = () =>
    harness.run("ObserveQueues", (transaction, stamp) =>
      decideObserveQueues(transaction, 1_000, stamp),
    );
  expect(await read(observe)).toBeLessThan(2 * headBytesMax);
  expect(await observe()).toMatchObject({ outcome: [{ visible: 100, oldestAgeMs: 0 }] });
  // A peek that wants none of them.
  expect(await read(() => peek(harness, "in_flight", "delayed"))).toBeLessThan(hundredHeads);
  expect(await peek(harness, "delayed")).toMatchObject({ outcome: { messages: [] } });
  // One that wants all reads whole only what it may examine.
  let whole: Awaited<ReturnType<typeof peek>> | undefined;
  const bytes = await read(async () => {
    whole = await peek(harness, "visible");
  });
  expect(bytes).toBeGreaterThanOrEqual(limits.peekExaminedBytesMax);
  expect(bytes).toBeLessThan(limits.peekExaminedBytesMax + 2 * mebibyte);
  expect(whole?.kind === "accepted" && whole.outcome.messages).toHaveLength(16);
  // Receiving one reads one.
  expect(await read(() => harness.receiveAll("orders", { countMax: 1 }))).toBeLessThan(
    mebibyte + 3 * headBytesMax,
  );
  await harness.clock.advance(retentionMs);
  expect(await read(() => harness.sweep())).toBeLessThan(2 * hundredHeads);
  expect(await harness.report("orders")).toMatchObject({ counters: { stored: 0, expired: 100 } });
  await harness.check();
  await harness.engine.stop();
});

test("one decision expires no more bytes than its bound, and a receive among a thousand no more than ten", async () => {
  // Counted as a mebibyte each, stored as three pages: what is bounded is the count.
  const { harness, read } = await longMessages(1_000, 20_000);
  const perDecision = limits.settleBytesMax / mebibyte;
  await harness.clock.advance(retentionMs);
  const expired = async (): Promise<number> => Number((await counters(harness)).expired);
  // By the sweeper,
  const swept = await harness.run("SweepQueues", (transaction, stamp) =>
    decideSweepQueues(
      transaction,
      { after: { namespace: "" as Namespace, name: "" }, countMax: 100 },
      stamp,
    ),
  );
  expect(swept).toMatchObject({ outcome: { hasMore: true } });
  expect(await expired()).toBe(perDecision);
  // by a report,
  expect(await harness.report("orders")).toMatchObject({
    hasMore: true,
    counters: { expired: 2 * perDecision },
  });
  // and by a receive, which looks again ten times before it says that there is nothing.
  const bytes = await read(() => harness.receiveAll("orders"));
  expect(await expired()).toBe(12 * perDecision);
  expect(bytes).toBeLessThan(10 * (perDecision + 2) * headBytesMax);
  // One that waits goes on in turns of their own and gets what is behind.
  await harness.send("orders", "fresh");
  const received = harness.receiveOrWait("orders", { waitMs: 20_000 });
  await harness.clock.advance(100);
  expect(await received.received).toMatchObject({ messages: [{ body: "fresh" }] });
  await harness.engine.stop();
});

test("many queues with a little to settle each are settled in as many steps as one with a lot", async () => {
  const harness = await EngineHarness.start();
  const names = Array.from({ length: 6 }, (_, index) => `queue-${index}`);
  const half = limits.settleBytesMax / mebibyte / 2;
  const long = Array.from({ length: half }, () => ({ body: "long", sizeBytes: mebibyte }));
  for (const name of names) {
    await harness.createQueue(name, { retentionMs });
    await harness.send(name, ...long);
  }
  await harness.clock.advance(retentionMs);
  const sweep = async (after: string) => {
    const swept = await harness.run("SweepQueues", (transaction, stamp) =>
      decideSweepQueues(
        transaction,
        { after: { namespace: addressOf(after).namespace, name: after }, countMax: 100 },
        stamp,
      ),
    );
    return swept.kind === "accepted" ? swept.outcome.last?.name : "refused";
  };
  // Two halves a step, and the end after the last.
  expect(await sweep("")).toBe("queue-1");
  expect(await sweep("queue-1")).toBe("queue-3");
  expect(await sweep("queue-3")).toBe("queue-5");
  expect(await sweep("queue-5")).toBeUndefined();

  // The same by count: leases that end.
  const limit = limits.settleMax;
  for (const name of names) {
    for (let sent = 0; sent < limit / 2; sent += 100) {
      await harness.send(name, ...Array.from({ length: 100 }, () => "short"));
    }
    await harness.receiveAll(name, { countMax: limit / 2, visibilityTimeoutMs: 1_000 });
  }
  await harness.clock.advance(1_000);
  expect(await sweep("")).toBe("queue-1");
  expect(await sweep("queue-1")).toBe("queue-3");
  expect(await sweep("queue-3")).toBe("queue-5");
  expect(await sweep("queue-5")).toBeUndefined();
  await harness.check();
});

async function counters(harness: EngineHarness) {
  const decision = await harness.run("ObserveCounters", (transaction) => {
    const { namespace, name } = addressOf("orders");
    const queue = transaction.findQueue(namespace, name);
    if (queue === undefined) throw new Error("The queue is gone.");
    return { kind: "accepted", outcome: transaction.counters(queue) };
  });
  if (decision.kind === "rejected") throw new Error("It is not refused.");
  return decision.outcome;
}
