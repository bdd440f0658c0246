// What an explanation looks at has a bound, however many messages stand before the one asked for: everybody else waits for it.

import { expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import { decideExplainMessage, type Explanation } from "../../src/queue/inspect-message.js";
import { limits } from "../../src/queue/limits.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";

const minute = 60_000;

interface Looked {
  readonly explanation: Explanation;
  /** Messages and deliveries read. */
  readonly readCount: number;
}

/** Explains a message, and counts what that reads. */
async function explain(harness: EngineHarness, queue: string, messageId: Buffer): Promise<Looked> {
  let readCount = 0;
  const decided = await harness.run("ExplainMessage", (transaction, stamp) => {
    const counted = new Proxy(transaction, {
      get: (target, name) => {
        const found: unknown = Reflect.get(target, name);
        if (typeof found !== "function") return found;
        return (...given: unknown[]): unknown => {
          const answer: unknown = found.apply(target, given);
          if (name === "readableDelivery") readCount += 1;
          if (name !== "messageHeadsFrom") return answer;
          return counting(answer as Iterable<unknown>, () => {
            readCount += 1;
          });
        };
      },
    });
    return decideExplainMessage(counted, { address: addressOf(queue), messageId }, stamp);
  });
  if (decided.kind === "rejected") throw new Error(`Refused: ${decided.rejection.kind}.`);
  return { explanation: decided.outcome, readCount };
}

function* counting(passed: Iterable<unknown>, count: () => void): Iterable<unknown> {
  for (const each of passed) {
    count();
    yield each;
  }
}

/** Sends messages in slices; the id of the last. */
async function sendMany(
  harness: EngineHarness,
  queue: string,
  count: number,
  sent: { readonly groupId?: string; readonly delayMs?: number },
): Promise<Buffer> {
  let last: Buffer | undefined;
  for (let from = 0; from < count; from += 1_000) {
    const slice = Array.from({ length: Math.min(1_000, count - from) }, (_, at) => {
      const dedupId = queue.endsWith(".fifo") ? { dedupId: `${from + at}` } : {};
      return { body: "x", ...sent, ...dedupId };
    });
    // A message is looked for among those of its instant.
    harness.clock.advanceAtOnce(1);
    const decided = await harness.send(queue, ...slice);
    const result = decided.kind === "accepted" ? decided.outcome.at(-1) : undefined;
    if (result?.kind === "sent") last = result.messageId;
  }
  if (last === undefined) throw new Error("Nothing was sent.");
  return last;
}

test("nothing is read of the messages of a FIFO group of which none is held", async () => {
  const harness = await EngineHarness.start();
  const queue = "orders.fifo";
  await harness.createQueue(queue);
  await sendMany(harness, queue, 1_500, { groupId: "g" });
  harness.clock.advanceAtOnce(1);
  const decided = await harness.send(queue, { body: "last", groupId: "g", dedupId: "last" });
  const [result] = decided.kind === "accepted" ? decided.outcome : [];
  if (result?.kind !== "sent") throw new Error("It was refused.");
  const { explanation, readCount } = await explain(harness, queue, result.messageId);
  expect(explanation).toEqual({ state: "visible", obstacles: [], aheadCount: 1_000 });
  expect(readCount).toBeLessThan(100);
});

test("a message that holds up a FIFO group is named, and one behind too many others is not", async () => {
  const harness = await EngineHarness.start();
  const queue = "orders.fifo";
  await harness.createQueue(queue);
  await sendMany(harness, queue, limits.peekExaminedMax + 1, { groupId: "g" });
  harness.clock.advanceAtOnce(2 * minute);
  // Only those sent from now on are delayed.
  await harness.setSettings(queue, { delayMs: milliseconds(minute) });
  const dedup = (dedupId: string) => ({ body: dedupId, groupId: "g", dedupId });
  await harness.send(queue, dedup("first"));
  harness.clock.advanceAtOnce(1);
  const decided = await harness.send(queue, dedup("second"));
  const [result] = decided.kind === "accepted" ? decided.outcome : [];
  if (result?.kind !== "sent") throw new Error("It was refused.");
  const behind = await explain(harness, queue, result.messageId);
  expect(behind.explanation.obstacles).toMatchObject([{ kind: "delayed" }]);
  expect(behind.readCount).toBeLessThan(limits.peekExaminedMax + 100);
});

test("a message behind more delayed ones than an explanation looks at is explained all the same", async () => {
  const harness = await EngineHarness.start();
  await harness.createQueue("orders");
  await sendMany(harness, "orders", limits.peekExaminedMax + 500, { delayMs: minute });
  harness.clock.advanceAtOnce(1);
  const messageId = await sendMany(harness, "orders", 1, {});
  const { explanation, readCount } = await explain(harness, "orders", messageId);
  expect(explanation).toEqual({ state: "visible", obstacles: [], aheadCount: 0 });
  expect(readCount).toBeLessThan(limits.peekExaminedMax + 100);
});
