// Remembered ids go when their time is over: no sooner, in small steps, and at no cost for queues that have none.

import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { type DurationMs, milliseconds } from "../../src/base/brands.js";
import { Sweeper } from "../../src/engine/sweeper.js";
import { decideFindQueue } from "../../src/queue/administer-queue.js";
import { limits } from "../../src/queue/limits.js";
import type { Queue } from "../../src/queue/model.js";
import {
  decideSweepRemembered,
  type RememberedCursor,
  type RememberedSwept,
  rememberedFrom,
} from "../../src/queue/sweep-remembered.js";
import { dedupKey, segmentPrefix } from "../../src/store/keys.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { runs } from "../support/property.js";

const windowMs = 300_000;
const fifo = "orders.fifo";

/** An engine with its sweeper, over a store that counts what is read of it. */
class Sweeping {
  readonly store = new ReadCounting();
  readonly failures: unknown[] = [];
  #harness: EngineHarness | undefined;
  #sweeper: Sweeper | undefined;

  static async start(): Promise<Sweeping> {
    const sweeping = new Sweeping();
    sweeping.#harness = await EngineHarness.start({ store: sweeping.store });
    sweeping.#startSweeper();
    onTestFinished(async () => {
      await sweeping.#sweeper?.stop();
      expect(sweeping.failures).toEqual([]);
    });
    return sweeping;
  }

  #startSweeper(): void {
    this.#sweeper = new Sweeper({
      engine: this.harness.engine,
      clock: this.harness.clock,
      drained: () => undefined,
      failed: (error) => this.failures.push(error),
    });
    this.#sweeper.start();
  }

  get harness(): EngineHarness {
    if (this.#harness === undefined) throw new Error("It was not started.");
    return this.#harness;
  }

  /** As after a restart of the server. */
  async restart(): Promise<void> {
    await this.#sweeper?.stop();
    await this.harness.restart();
    this.#startSweeper();
  }

  /** Moves time on, with a round of the sweeper every second. */
  async advance(spanMs: number): Promise<void> {
    await this.harness.clock.advance(spanMs);
  }

  /** Sends one message for each id. */
  async send(queue: string, ...ids: readonly string[]): Promise<readonly boolean[]> {
    const decision = await this.harness.send(
      queue,
      ...ids.map((dedupId) => ({ body: dedupId, dedupId, groupId: "g" })),
    );
    if (decision.kind === "rejected") throw new Error("The send was refused.");
    return decision.outcome.map((result) => {
      if (result.kind === "refused") throw new Error(`Refused: ${result.rejection.kind}.`);
      return result.isDuplicate;
    });
  }

  async queue(name: string): Promise<Queue> {
    const found = await this.harness.run("GetQueue", (transaction) =>
      decideFindQueue(transaction, addressOf(name)),
    );
    if (found.kind === "rejected") throw new Error("There is no such queue.");
    return found.outcome;
  }

  /** Stored rows of remembered ids, wherever. */
  get ids(): number {
    return this.rows("u");
  }
  get attempts(): number {
    return this.rows("a");
  }

  rows(letter: string): number {
    return this.store.keys("\x00", "\x80", 1e9).filter((key) => key[10] === letter).length;
  }
}

/** What was read, by the letter of the table. */
class ReadCounting extends MemoryStore {
  readonly reads = new Map<string, number>();

  #count(key: string): void {
    const table = key.charCodeAt(0) < 0x80 ? (key[10] ?? "") : key.charAt(0);
    this.reads.set(table, (this.reads.get(table) ?? 0) + 1);
  }
  override get(key: string): Buffer | undefined {
    this.#count(key);
    return super.get(key);
  }
  override keys(from: string, to: string, limit: number): readonly string[] {
    this.#count(from);
    return super.keys(from, to, limit);
  }
}

test("an id is forgotten at the end of its window and not a millisecond earlier", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  // Half a second off the beat of the sweeper, whose next round after the end comes in the middle of a second.
  await t.advance(500);
  await t.send(fifo, "a", "b", "c");
  await t.advance(windowMs - 500);
  expect(t.ids).toBe(3);
  await t.advance(499);
  expect(await t.send(fifo, "a")).toEqual([true]);
  await t.advance(1);
  expect(await t.send(fifo, "a")).toEqual([false]);
  // What is remembered anew is not what is over.
  await t.advance(1_000);
  expect(t.ids).toBe(1);
  expect(await t.send(fifo, "a")).toEqual([true]);
  expect(await t.send(fifo, "b")).toEqual([false]);
});

test("a round at the very end of the window forgets, one a millisecond earlier does not", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  await t.send(fifo, "a");
  t.harness.clock.leap(windowMs - 1);
  expect(await stepFrom(t, fifo)).toMatchObject([{ lookedAt: 1, removed: 0 }]);
  expect(t.ids).toBe(1);
  t.harness.clock.leap(1);
  expect(await stepFrom(t, fifo)).toMatchObject([{ lookedAt: 1, removed: 1 }]);
  expect(t.ids).toBe(0);
});

test("the window in force at the sweep counts, of a standard queue as well", async () => {
  const t = await Sweeping.start();
  const set = async (dedupWindowMs: number): Promise<void> =>
    await t.harness.setSettings("orders", { dedupWindowMs: milliseconds(dedupWindowMs) });
  await t.harness.createQueue("orders", { dedupWindowMs: milliseconds(60_000) });
  await t.send("orders", "a");
  await set(3_600_000);
  await t.advance(600_000);
  expect(t.ids).toBe(1);
  await set(599_000);
  await t.advance(1_000);
  expect(t.ids).toBe(0);
  // Receive attempts it cannot have.
  expect(t.store.reads.get("a")).toBeUndefined();
});

test("receive attempts are forgotten after five minutes, whatever the queue's window", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo, { dedupWindowMs: milliseconds(3_600_000) });
  await t.advance(500);
  await t.send(fifo, "a");
  await t.harness.receiveAll(fifo, { attemptId: "once", visibilityTimeoutMs: 3_600_000 });
  expect([t.ids, t.attempts]).toEqual([1, 1]);
  await t.advance(299_500);
  expect([t.ids, t.attempts]).toEqual([1, 1]);
  await t.advance(1_000);
  expect([t.ids, t.attempts]).toEqual([1, 0]);
});

test("ids by group are forgotten with those of the queue", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo, { dedupScope: "group" });
  await t.send(fifo, "a", "b");
  expect(t.ids).toBe(4);
  await t.advance(windowMs + 1_000);
  expect(t.ids).toBe(0);
});

test("more ids than a step looks at are gone in a round, a bounded number a step", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  const count = limits.sweptIdsMax + 500;
  const ids = Array.from({ length: count }, (_, at) => `id-${at}`);
  await t.send(fifo, ...ids);
  t.harness.clock.leap(windowMs);
  const [first] = await stepFrom(t, fifo);
  expect(first).toMatchObject({ lookedAt: limits.sweptIdsMax, removed: limits.sweptIdsMax });
  expect(t.ids).toBe(500);
  const [second] = await stepFrom(t, fifo, first?.next);
  expect(second).toMatchObject({ lookedAt: 500, removed: 500, next: { after: "" } });
  const [third] = await stepFrom(t, fifo, second?.next);
  expect(third).toEqual({ lookedAt: 0, removed: 0, next: undefined });
  await t.harness.check();
  expect(await t.send(fifo, ...ids.slice(0, 3))).toEqual([false, false, false]);
});

/** One step of the rule; it is stored when this resolves. */
async function stepFrom(
  t: Sweeping,
  queue: string,
  cursor?: RememberedCursor,
): Promise<readonly RememberedSwept[]> {
  const from = cursor ?? rememberedFrom(await t.queue(queue));
  const swept = await t.harness.run("SweepRemembered", (transaction, stamp) =>
    decideSweepRemembered(transaction, [from], stamp),
  );
  await t.harness.check();
  return swept.kind === "accepted" ? swept.outcome : [];
}

test("a step shares what it may look at among queues, and says how far it came", async () => {
  const t = await Sweeping.start();
  const queues = ["a.fifo", "b.fifo", "c.fifo", "d.fifo"];
  const sizes = [10, limits.sweptIdsMax, 5, 5];
  for (const [index, queue] of queues.entries()) {
    await t.harness.createQueue(queue);
    await t.send(queue, ...Array.from({ length: sizes[index] ?? 0 }, (_, at) => `id-${at}`));
  }
  t.harness.clock.leap(windowMs);
  const cursors = await Promise.all(
    queues.map(async (queue) => rememberedFrom(await t.queue(queue))),
  );
  const swept = await t.harness.run("SweepRemembered", (transaction, stamp) =>
    decideSweepRemembered(transaction, cursors, stamp),
  );
  // The second had not enough left to be done, and the others were not reached.
  expect(swept).toMatchObject({
    kind: "accepted",
    outcome: [
      { lookedAt: 10, removed: 10, next: { name: "a.fifo", after: "" } },
      { lookedAt: limits.sweptIdsMax - 10, next: { name: "b.fifo", table: "dedup" } },
    ],
  });
  expect(swept.kind === "accepted" && swept.outcome).toHaveLength(2);
  // The rounds of the sweeper come to all of them.
  await t.advance(1_000);
  expect(t.ids).toBe(0);
});

test("ids of a purged queue go with its rows, those of after the purge at their time", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  await t.send(fifo, "a", "b", "c");
  // The sweeper has a cursor in the old segment.
  await t.advance(2_000);
  await t.harness.purgeQueue(fifo);
  expect(await t.send(fifo, "a")).toEqual([false]);
  await t.advance(1_000);
  expect(t.ids).toBe(1);
  await t.advance(windowMs);
  expect(t.ids).toBe(0);
});

test("a deleted queue leaves no id, and one of its name begins anew", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  await t.send(fifo, "a", "b");
  await t.harness.receiveAll(fifo, { attemptId: "once" });
  await t.advance(2_000);
  await t.harness.deleteQueue(fifo);
  await t.advance(2_000);
  expect([t.ids, t.attempts]).toEqual([0, 0]);
  await t.harness.createQueue(fifo);
  expect(await t.send(fifo, "a")).toEqual([false]);
  await t.advance(windowMs + 1_000);
  expect(t.ids).toBe(0);
});

test("a queue that cannot remember anything costs no read of ids", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue("orders");
  await t.harness.send("orders", "a");
  await t.advance(2_000);
  await t.restart();
  t.store.reads.clear();
  await t.advance(10_000);
  expect([t.store.reads.get("u"), t.store.reads.get("a")]).toEqual([undefined, undefined]);
  // Of a FIFO queue the counting sees them.
  await t.harness.createQueue(fifo);
  await t.advance(2_000);
  expect(t.store.reads.get("u")).toBeGreaterThan(0);
});

test("a standard queue whose window was taken away forgets what it remembered, at once or after a restart", async () => {
  for (const isRestarted of [false, true]) {
    const t = await Sweeping.start();
    await t.harness.createQueue("orders", { dedupWindowMs: milliseconds(windowMs) });
    await t.send("orders", "a", "b");
    if (!isRestarted) await t.advance(1_000);
    await t.harness.setSettings("orders", { dedupWindowMs: milliseconds(0) });
    expect(t.ids).toBe(2);
    if (isRestarted) await t.restart();
    await t.advance(1_000);
    expect(t.ids).toBe(0);
    // Nothing is left to look for.
    await t.advance(2_000);
    t.store.reads.clear();
    await t.advance(5_000);
    expect(t.store.reads.get("u")).toBeUndefined();
  }
});

test("an id that cannot be read stays for the check to name, and the others go", async () => {
  const t = await Sweeping.start();
  await t.harness.createQueue(fifo);
  await t.send(fifo, "a", "b", "c");
  const { slot, segment } = await t.queue(fifo);
  const prefix = dedupKey(segmentPrefix(slot, segment), "");
  const [key = ""] = t.store.keys(prefix, `${prefix}\xff`, 1);
  t.store.damage(key, Buffer.from([99]));
  await t.advance(windowMs + 2_000);
  expect(t.store.keys(prefix, `${prefix}\xff`, 9)).toEqual([key]);
  await expect(t.harness.check()).rejects.toThrow(/deduplication id row cannot be read/);
});

test("whatever is sent when, those are remembered whose window runs, and others no longer than to the next round", async () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("send" as const), count: fc.integer({ min: 1, max: 20 }) }),
    fc.record({ kind: fc.constant("wait" as const), seconds: fc.integer({ min: 1, max: 30 }) }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
      const t = await Sweeping.start();
      const ownWindowMs: DurationMs = milliseconds(60_000);
      await t.harness.createQueue(fifo, { dedupWindowMs: ownWindowMs });
      const sentAt: number[] = [];
      for (const [index, next] of steps.entries()) {
        if (next.kind === "send") {
          const now = t.harness.clock.now();
          await t.send(fifo, ...Array.from({ length: next.count }, (_, at) => `${index}-${at}`));
          sentAt.push(...Array.from({ length: next.count }, () => now));
          continue;
        }
        await t.advance(next.seconds * 1_000);
        const remembered = (now: number): number =>
          sentAt.filter((at) => at + ownWindowMs > now).length;
        const now = t.harness.clock.now();
        expect(t.ids).toBeGreaterThanOrEqual(remembered(now));
        // The last round was a second ago at most, and the pauses of a round.
        expect(t.ids).toBeLessThanOrEqual(remembered(now - 1_100));
      }
    }),
    runs(30),
  );
});
