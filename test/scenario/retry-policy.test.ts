// The retry policy: how long a message that was received and not deleted waits before it is delivered again.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { deadLetterScenario, fifoDeadLetterScenario } from "../support/dead-letters.js";
import { bodiesOf, fifoScenario, msOf, type Scenario, scenario } from "../support/scenario.js";

const retry = { minimumMs: 2_000 } as const;

/** Nothing a millisecond before `afterMs` from now, the message at it; looked at without anybody having settled it before. */
async function expectBackAfter(t: Scenario, afterMs: number): Promise<void> {
  await t.leap(afterMs - 1);
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(await t.counts()).toBe("0/0/1");
  await t.leap(1);
  expect(await t.counts()).toBe("1/0/0");
}

test("a message whose lease ended waits from the end of the lease on", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(999);
  expect(await t.counts()).toBe("0/1/0");
  await t.leap(1);
  expect(await t.counts()).toBe("0/0/1");
  await expectBackAfter(t, 2_000);
  expect(await t.receiveOne()).toMatchObject({ body: "a", receiveCount: 2 });
});

test("the wait counts from the end of the lease also when nobody looked meanwhile", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(2_500);
  await expectBackAfter(t, 500);
});

test("a message whose wait is over as well when somebody looks is there at once", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(3_000);
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("a message rejected without a delay waits, and the answer says until when", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  const { handle } = await t.receiveOne();
  await t.advance(100);
  const { visibleTime } = await t.reject(handle);
  expect(msOf(visibleTime) - t.now).toBe(2_000);
  await expectBackAfter(t, 2_000);
});

test("a nack or reject of a stream without a delay waits", async () => {
  const t = await scenario({ retry });
  await t.sendBatch(["a", "b"]);
  const stream = await consumer(t);
  const [a, b] = await stream.messages();
  stream.nack([a?.handle ?? ""]);
  stream.reject([b?.handle ?? ""], "no-stock");
  expect(await stream.outcomes()).toEqual(["visible in 2000", "visible in 2000"]);
  expect(await t.counts()).toBe("0/0/2");
  await t.advance(1_999);
  expect(await stream.messages()).toEqual([]);
  await t.advance(1);
  expect(bodiesOf(await stream.messages()).sort()).toEqual(["a", "b"]);
});

test("a delay that a reject or nack names is taken instead, a longer, a shorter or none", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  for (const delayMs of [5_000, 500, 0]) {
    const { handle } = await t.receiveOne();
    const { visibleTime } = await t.reject(handle, { delayMs });
    expect(msOf(visibleTime) - t.now).toBe(delayMs);
    if (delayMs > 0) await expectBackAfter(t, delayMs);
  }
  const stream = await consumer(t, { messages: 1 });
  for (const delayMs of [3_000, 0]) {
    const [message] = await stream.messages();
    stream.nack([message?.handle ?? ""], delayMs);
    expect(await stream.outcomes()).toEqual([`visible in ${delayMs}`]);
    await t.advance(delayMs);
    stream.credit(1);
  }
  expect(await stream.messages()).toMatchObject([{ receiveCount: 6 }]);
});

test("a visibility change to 0 makes the message visible at once, and so does a receive with a timeout of 0", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  const { handle } = await t.receiveOne();
  expect((await t.changeVisibility(handle, 0)) - t.now).toBe(0);
  expect(await t.counts()).toBe("1/0/0");
  await t.receiveOne({ visibilityTimeoutMs: 0 });
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 3 });
});

test("a visibility change to any other time moves the end of the lease, from which the wait counts", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  const { handle } = await t.receiveOne();
  await t.changeVisibility(handle, 500);
  await t.leap(500);
  await expectBackAfter(t, 2_000);
});

test.each(["cancelled", "cut"])(
  "what a stream holds that is %s is visible at once",
  async (how) => {
    const t = await scenario({ retry });
    await t.sendBatch(["a", "b"]);
    const client = t.newClient();
    const stream = await consumer(t, { client });
    expect(await stream.messages()).toHaveLength(2);
    if (how === "cut") client.close();
    else stream.stream.cancel();
    await t.settle();
    await t.settle();
    expect(await t.counts()).toBe("2/0/0");
    expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["a", "b"]);
  },
);

test.each([
  ["twice as long each time by default", retry, [2_000, 4_000, 8_000, 16_000, 32_000]],
  ["three times", { minimumMs: 1_000, factor: 3 }, [1_000, 3_000, 9_000, 27_000]],
  ["one and a half times", { minimumMs: 1_000, factor: 1.5 }, [1_000, 1_500, 2_250, 3_375, 5_063]],
  ["always the same", { minimumMs: 1_500, factor: 1 }, [1_500, 1_500, 1_500]],
  ["up to the longest", { minimumMs: 2_000, maximumMs: 5_000 }, [2_000, 4_000, 5_000, 5_000]],
  ["up to 10 minutes by default", { minimumMs: 200_000 }, [200_000, 400_000, 600_000, 600_000]],
  ["never more than the least", { minimumMs: 700_000 }, [700_000, 700_000]],
  ["from the least at once", { minimumMs: 3_000, maximumMs: 3_000 }, [3_000, 3_000]],
  ["ten times", { minimumMs: 1_000, factor: 10, maximumMs: 43_200_000 }, [1_000, 10_000, 100_000]],
])("waits grow: %s", async (_, policy, waitsMs) => {
  const t = await scenario({ retry: policy, retentionMs: 1_209_600_000 });
  await t.send("a");
  for (const waitMs of waitsMs) {
    const { handle } = await t.receiveOne();
    await t.reject(handle);
    await expectBackAfter(t, waitMs);
  }
});

test("after hundreds of deliveries the wait is the longest, and no number is too large", async () => {
  const t = await scenario({ retry: { minimumMs: 1_000, factor: 10 }, visibilityTimeoutMs: 0 });
  await t.send("a");
  for (let receive = 0; receive < 400; receive += 1) await t.receive();
  const { handle, receiveCount } = await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  expect(receiveCount).toBe(401);
  await t.reject(handle);
  await expectBackAfter(t, 600_000);
});

test("a message that waits is delayed, not in flight: it takes no place under the limit", async () => {
  const t = await scenario({ retry, inFlightMax: 1 });
  await t.sendBatch(["a", "b"]);
  const { handle } = await t.receiveOne();
  await expect(t.receive()).rejects.toMatchObject({ reason: "IN_FLIGHT_LIMIT" });
  await t.reject(handle);
  expect(await t.counts()).toBe("1/0/1");
  expect(await t.receiveOne()).toMatchObject({ body: "b" });
  await t.advance(2_000);
  expect(await t.peek()).toEqual(["visible a x1", "in flight b x1"]);
});

test("who waits gets the message when its wait is over, at that instant", async () => {
  const t = await scenario({ retry });
  await t.advance(137);
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  const poll = await t.poll();
  const dueAt = t.now + 3_000;
  await t.advance(2_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(await poll.answer).toMatchObject([{ body: "a", receiveCount: 2 }]);
  expect(poll.answeredAt).toBe(dueAt);
});

test("a message keeps its place while it waits, and goes to the back from the third delivery on", async () => {
  const t = await scenario({ retry: { minimumMs: 1_000, factor: 1 } });
  await t.sendBatch(["a", "b"]);
  const wait = async (): Promise<void> => {
    const received = await t.receive({ visibilityTimeoutMs: 1_000 });
    expect(bodiesOf(received)).toEqual(["a"]);
    await t.advance(2_000);
  };
  await wait();
  expect(await t.order()).toEqual(["a", "b"]);
  await wait();
  expect(await t.order()).toEqual(["a", "b"]);
  await wait();
  expect(await t.order()).toEqual(["b", "a"]);
});

test("a FIFO group waits with its message and keeps its order; other groups go on", async () => {
  const t = await fifoScenario({ retry });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a] = await t.receive({ max: 2, visibilityTimeoutMs: 1_000 });
  await t.send("x", { groupId: "h" });
  await t.delete(a?.handle ?? "");
  await t.leap(1_000);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["x"]);
  expect(await t.counts()).toBe("1/1/1");
  await t.leap(1_999);
  expect(await t.receive({ max: 10 })).toEqual([]);
  await t.leap(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["b", "c"]);
});

test("a FIFO message rejected while those behind it are leased waits, and so do they after", async () => {
  const t = await fifoScenario({ retry });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a, b] = await t.receive({ max: 2 });
  await t.reject(a?.handle ?? "");
  await t.changeVisibility(b?.handle ?? "", 0);
  expect(await t.receive({ max: 10 })).toEqual([]);
  const poll = await t.poll({ max: 10 });
  await t.advance(1_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(bodiesOf(await poll.answer)).toEqual(["a", "b", "c"]);
});

test("without a policy a message is back at the end of its lease", async () => {
  const t = await scenario();
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(1_000);
  const { handle } = await t.receiveOne();
  const { visibleTime } = await t.reject(handle);
  expect(msOf(visibleTime)).toBe(t.now);
});

test("a policy that is set, changed or removed acts on leases that end later, waits that began stay", async () => {
  const t = await scenario();
  await t.sendBatch(["a", "b", "c"]);
  const [a, b, c] = await t.receive({ max: 3 });
  await t.setQueue({ retry });
  await t.reject(a?.handle ?? "");
  await t.setQueue({ retry: { minimumMs: 5_000 } });
  await t.reject(b?.handle ?? "");
  await t.setQueue({ retry: "none" });
  await t.reject(c?.handle ?? "");
  expect(await t.counts()).toBe("1/0/2");
  await t.leap(1_999);
  expect(await t.counts()).toBe("1/0/2");
  await t.leap(1);
  expect(await t.counts()).toBe("2/0/1");
  await t.leap(3_000);
  expect(await t.counts()).toBe("3/0/0");
});

test("a lease that had ended when the policy was removed waits by it all the same", async () => {
  const t = await scenario({ retry });
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(1_500);
  await t.setQueue({ retry: "none" });
  await expectBackAfter(t, 1_500);
});

test("a policy set while a lease that ended is not settled does not make its message wait", async () => {
  const t = await scenario();
  await t.send("a");
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.leap(1_500);
  await t.setQueue({ retry });
  expect(await t.receiveOne()).toMatchObject({ receiveCount: 2 });
});

test("a message waits after each delivery, and goes to the dead-letter queue with the receive after the last wait", async () => {
  const t = await deadLetterScenario({
    after: 2,
    retry,
    visibilityTimeoutMs: 1_000,
    dead: { retry: { minimumMs: 7_000 } },
  });
  await t.send("a");
  for (const waitMs of [2_000, 4_000]) {
    await t.receiveOne();
    await t.leap(1_000);
    await expectBackAfter(t, waitMs);
  }
  expect(await t.receive()).toEqual([]);
  // The wait in the dead-letter queue is its own policy's, by deliveries there.
  const [dead] = await t.receive({ queue: "dead" });
  const { visibleTime } = await t.reject(dead?.handle ?? "", { queue: "dead" });
  expect(msOf(visibleTime) - t.now).toBe(7_000);
});

test("a reject to the dead-letter queue does not wait", async () => {
  const t = await fifoDeadLetterScenario({ after: 5, retry });
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const { handle } = await t.receiveOne();
  await t.reject(handle, { isDeadLetter: true });
  expect(await t.counts("dead.fifo")).toBe("1/0/0");
  expect(await t.receiveOne()).toMatchObject({ body: "b" });
});

test.each<[string, (t: Scenario) => Promise<unknown>]>([
  ["restart", async (t) => await t.restart()],
  ["crash", async (t) => await t.crash()],
])("waits go on over a %s, those that begin while the server is down, too", async (_, happen) => {
  const t = await scenario({ retry });
  await t.sendBatch(["a", "b"]);
  const [a] = await t.receive();
  await t.receiveOne({ visibilityTimeoutMs: 1_000 });
  await t.reject(a?.handle ?? "");
  await t.settle();
  await happen(t);
  await t.leap(1_999);
  expect(await t.counts()).toBe("0/0/2");
  await t.leap(1);
  expect(await t.counts()).toBe("1/0/1");
  await happen(t);
  await t.leap(1_000);
  expect(await t.counts()).toBe("2/0/0");
});

test("a policy is read as it was set, with what was left out, and is absent once removed", async () => {
  const t = await scenario({ retry });
  const policy = async () => {
    const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
    const { retryPolicy } = attributes ?? {};
    return (
      retryPolicy && [
        msOf(retryPolicy.minimumBackoff),
        msOf(retryPolicy.maximumBackoff),
        retryPolicy.factor,
      ]
    );
  };
  expect(await policy()).toEqual([2_000, 600_000, 2]);
  await t.setQueue({ retry: { minimumMs: 700_000 } });
  expect(await policy()).toEqual([700_000, 700_000, 2]);
  await t.setQueue({ retry: { minimumMs: 1_001, maximumMs: 1_002, factor: 1.25 } });
  expect(await policy()).toEqual([1_001, 1_002, 1.25]);
  await t.crash();
  expect(await policy()).toEqual([1_001, 1_002, 1.25]);
  await t.setQueue({ retry: "none" });
  expect(await policy()).toBeUndefined();
});

test.each([
  ["the least below 1 s", { minimumMs: 999 }],
  ["the least above 12 h", { minimumMs: 43_200_001 }],
  ["the longest below the least", { minimumMs: 2_000, maximumMs: 1_999 }],
  ["the longest above 12 h", { minimumMs: 2_000, maximumMs: 43_200_001 }],
  ["a factor below 1", { minimumMs: 2_000, factor: 0.999 }],
  ["a factor above 10", { minimumMs: 2_000, factor: 10.001 }],
  ["a factor that is no number", { minimumMs: 2_000, factor: Number.NaN }],
])("%s is refused, and nothing changes", async (_, policy) => {
  const t = await scenario({ retry });
  const refused = { code: "INVALID_ARGUMENT", reason: "INVALID_ATTRIBUTE_VALUE" };
  await expect(t.setQueue({ retry: policy })).rejects.toMatchObject(refused);
  await expect(t.createQueue("other", { retry: policy })).rejects.toMatchObject(refused);
  const { attributes } = await t.call("getQueueAttributes", { queue: t.queue });
  expect(msOf(attributes?.retryPolicy?.minimumBackoff)).toBe(2_000);
});

test("a policy without its least wait is refused, and the bounds are allowed", async () => {
  const t = await scenario();
  await expect(
    t.call("setQueueAttributes", { queue: t.queue, attributes: { retryPolicy: { factor: 2 } } }),
  ).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  for (const policy of [
    { minimumMs: 1_000, maximumMs: 1_000, factor: 1 },
    { minimumMs: 43_200_000, maximumMs: 43_200_000, factor: 10 },
  ]) {
    await t.setQueue({ retry: policy });
  }
});
