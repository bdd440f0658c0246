// Waiting for messages of a FIFO queue: what wakes whom, who keeps which place, and what a cancelled receive leaves behind
// (Q26 to Q30 and Q48 for groups).

import { expect, test } from "vitest";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  handlesOf,
  type Scenario,
  turns,
} from "../support/scenario.js";

/** A queue with `head` leased and others waiting behind it in the same group. */
async function behindHead(
  bodies: readonly string[],
  options: { visibilityTimeoutMs?: number; retentionMs?: number } = {},
): Promise<{ t: Scenario; head: string }> {
  const t = await fifoScenario(options);
  await t.sendBatch(["head", ...bodies], { groupId: "g" });
  const { handle } = await t.receiveOne();
  return { t, head: handle };
}

test("Q48 a waiter gets the next message of a group when the one before it is deleted", async () => {
  const { t, head } = await behindHead(["a", "b"]);
  const poll = await t.poll({ max: 10 });
  await t.advance(5_000);
  expect(poll.isAnswered).toBe(false);
  await t.delete(head);
  expect(bodiesOf(await poll.answer)).toEqual(["a", "b"]);
  expect(poll.answeredAt).toBe(t.now);
});

test("Q48 a waiter gets the whole group when the lease of its first message ends", async () => {
  const { t } = await behindHead(["a"], { visibilityTimeoutMs: 1_000 });
  const poll = await t.poll({ max: 10 });
  await t.advance(999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(await poll.answer).toMatchObject([
    { body: "head", receiveCount: 2 },
    { body: "a", receiveCount: 1 },
  ]);
});

test("Q48 a lease ended or shortened by hand wakes a waiter of the group", async () => {
  const { t, head } = await behindHead(["a"]);
  const first = await t.poll({ max: 10 });
  await t.changeVisibility(head, 0);
  const [again = "", a = ""] = handlesOf(await first.answer);
  const second = await t.poll({ max: 10 });
  await t.delete(a);
  await t.changeVisibility(again, 500);
  await t.advance(499);
  expect(second.isAnswered).toBe(false);
  await t.advance(1);
  expect(await second.answer).toMatchObject([{ body: "head", receiveCount: 3 }]);
});

test("Q48 a waiter gets the next message of a group when the one before it expires", async () => {
  const { t } = await behindHead([], { retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.advance(50_000);
  await t.send("young", { groupId: "g" });
  const poll = await t.poll();
  await t.advance(9_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(poll.isAnswered).toBe(true);
  expect(bodiesOf(await poll.answer)).toEqual(["young"]);
});

test("Q48 a waiter gets the next message of a group when the time to live of the one before it ends", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  await t.call("sendMessage", {
    queue: t.queue,
    body: { $case: "text", value: "short-lived" },
    groupId: "g",
    timeToLive: durationOf(5_000),
  });
  await t.receive();
  await t.send("next", { groupId: "g" });
  const poll = await t.poll();
  await t.advance(4_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(poll.isAnswered).toBe(true);
  expect(bodiesOf(await poll.answer)).toEqual(["next"]);
});

test("Q48 deletes of the middle and the end of a leased batch wake nobody", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const [a = "", b = "", c = ""] = handlesOf(await t.receive({ max: 3 }));
  await t.send("d", { groupId: "g" });
  const poll = await t.poll();
  await t.delete(b);
  await t.delete(c);
  expect(poll.isAnswered).toBe(false);
  await t.delete(a);
  expect(bodiesOf(await poll.answer)).toEqual(["d"]);
});

test("Q29 waiters that a blocked group cannot serve keep their places in the line", async () => {
  const { t, head } = await behindHead(["a"]);
  const polls = [await t.poll(), await t.poll(), await t.poll()];
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([false, false, false]);
  await t.send("other", { groupId: "h" });
  await t.settle();
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([true, false, false]);
  await t.delete(head);
  await t.settle();
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  await t.advance(20_000);
  const answers = await Promise.all(polls.map(async ({ answer }) => bodiesOf(await answer)));
  expect(answers).toEqual([["other"], ["a"], []]);
});

test("Q29 a freed group wakes one waiter at a time, because the message it takes keeps the rest back", async () => {
  const { t, head } = await behindHead(["a", "b"]);
  const polls = [await t.poll(), await t.poll(), await t.poll()];
  await t.delete(head);
  await t.settle();
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([true, false, false]);
  const [a] = (await polls[0]?.answer) ?? [];
  expect(a?.body).toBe("a");
  await t.delete(a?.handle ?? "");
  await t.settle();
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  expect(bodiesOf((await polls[1]?.answer) ?? [])).toEqual(["b"]);
});

test("Q29 messages of two groups sent at once go to two waiters, those of one group to one", async () => {
  const t = await fifoScenario();
  const polls = [await t.poll(), await t.poll(), await t.poll()];
  await t.call("sendMessageBatch", {
    queue: t.queue,
    entries: [
      ["a1", "a"],
      ["a2", "a"],
      ["b1", "b"],
    ].map(([value = "", groupId = ""]) => ({
      id: value,
      body: { $case: "text" as const, value },
      groupId,
    })),
  });
  await t.settle();
  expect(polls.map(({ isAnswered }) => isAnswered)).toEqual([true, true, false]);
  const answers = await Promise.all(polls.slice(0, 2).map(async ({ answer }) => await answer));
  expect(bodiesOf(answers.flat()).sort()).toEqual(["a1", "b1"]);
});

test("Q29 a batch of deletes that frees two groups serves two waiters", async () => {
  const t = await fifoScenario();
  for (const groupId of ["a", "b"]) {
    await t.sendBatch([`${groupId}1`, `${groupId}2`], { groupId });
  }
  const heads = [await t.receiveOne(), await t.receiveOne()];
  const polls = [await t.poll(), await t.poll()];
  await t.call("deleteMessageBatch", {
    queue: t.queue,
    entries: handlesOf(heads).map((receiptHandle, index) => ({ id: String(index), receiptHandle })),
  });
  const answers = await Promise.all(polls.map(async ({ answer }) => await answer));
  expect(bodiesOf(answers.flat()).sort()).toEqual(["a2", "b2"]);
});

test("a short poll that comes behind waiters of a blocked group does not overtake them", async () => {
  const { t, head } = await behindHead(["a"]);
  const poll = await t.poll();
  const [, short] = await Promise.all([t.delete(head), t.receive()]);
  expect(short).toEqual([]);
  expect(bodiesOf(await poll.answer)).toEqual(["a"]);
});

test("Q26 a waiter of an empty FIFO queue gets what is sent, several of a group at once", async () => {
  const t = await fifoScenario();
  const poll = await t.poll({ max: 10 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  expect(bodiesOf(await poll.answer)).toEqual(["a", "b", "c"]);
});

test("Q24 a waiter whose groups are all blocked ends empty at its time", async () => {
  const { t } = await behindHead(["a"]);
  const poll = await t.poll({ waitMs: 5_000 });
  await t.advance(4_999);
  expect(poll.isAnswered).toBe(false);
  await t.advance(1);
  expect(await poll.answer).toEqual([]);
});

test("Q13 a waiter of a blocked group learns that its queue was deleted", async () => {
  const { t } = await behindHead(["a"]);
  const poll = await t.poll();
  await t.deleteQueue();
  await expect(poll.answer).rejects.toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
});

test("a purge leaves waiters of a blocked group waiting for what is sent after it", async () => {
  const { t } = await behindHead(["a"]);
  const poll = await t.poll();
  await t.purge();
  await t.advance(1_000);
  expect(poll.isAnswered).toBe(false);
  await t.send("new", { groupId: "g" });
  expect(await poll.answer).toMatchObject([{ body: "new", receiveCount: 1 }]);
});

test("a server that stops answers waiters of a blocked group with nothing", async () => {
  const { t } = await behindHead(["a"]);
  const poll = await t.poll();
  const stopped = t.stop();
  expect(await poll.answer).toEqual([]);
  await stopped;
});

test("Q30 a cancelled waiter takes nothing with it, and its group goes to the next one in order", async () => {
  const { t, head } = await behindHead(["a", "b"]);
  const gone = await t.poll({ max: 10 });
  const next = await t.poll({ max: 10 });
  gone.cancel();
  await expect(gone.answer).rejects.toMatchObject({ code: "CANCELLED" });
  await t.settle();
  await t.delete(head);
  expect(await next.answer).toMatchObject([
    { body: "a", receiveCount: 1 },
    { body: "b", receiveCount: 1 },
  ]);
});

test("Q30 a receive cancelled under way is undone, and its group is as it was", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  let givenBackCount = 0;
  for (let round = 0; round < 48; round += 1) {
    await t.sendBatch([`a${round}`, `b${round}`, `c${round}`], { groupId: "g" });
    const before = await t.counters();
    const cancelledBefore = await t.callCount("ReceiveMessage", "CANCELLED");
    const call = new AbortController();
    const answer = t.receive({ max: 2 }, { signal: call.signal }).catch(() => undefined);
    await turns(round % 12);
    call.abort();
    await answer;
    await t.settle();
    await t.settle();
    const after = await t.counters();
    if (after.received > before.received) {
      // Only an answer that was handed to the transport before the cancel came may keep its messages.
      expect(await t.callCount("ReceiveMessage", "CANCELLED")).toBe(cancelledBefore);
    } else {
      givenBackCount += 1;
      expect(after).toEqual(before);
      const received = await t.receive({ max: 10 });
      expect(received.map(({ body, receiveCount }) => `${body} x${receiveCount}`)).toEqual(
        ["a", "b", "c"].map((body) => `${body}${round} x1`),
      );
    }
    await t.purge();
  }
  expect(givenBackCount).toBeGreaterThan(0);
});

test("Q30 a cancel that races with the delete that frees a group never swallows the group's next message", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  const seen = { answered: 0, givenBack: 0, tooLate: 0 };
  for (let round = 0; round < 48; round += 1) {
    await t.sendBatch([`a${round}`, `b${round}`], { groupId: "g" });
    const { handle } = await t.receiveOne();
    const cancelledBefore = await t.callCount("ReceiveMessage", "CANCELLED");
    const poll = await t.poll();
    await Promise.all([t.delete(handle), turns(round % 12).then(() => poll.cancel())]);
    const got = await poll.answer.catch(() => undefined);
    await t.settle();
    await t.settle();
    const [message] = got ?? (await t.receive());
    if (message === undefined) {
      expect(await t.callCount("ReceiveMessage", "CANCELLED")).toBe(cancelledBefore);
      seen.tooLate += 1;
    } else {
      seen[got === undefined ? "givenBack" : "answered"] += 1;
      expect(message).toMatchObject({ body: `b${round}`, receiveCount: 1 });
    }
    await t.purge();
  }
  expect(seen.givenBack).toBeGreaterThan(0);
});

test("Q30 an undone receive frees its group for a waiter at once", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  let freedCount = 0;
  for (let round = 0; round < 36; round += 1) {
    const first = await t.poll({ max: 2 });
    const second = await t.poll({ max: 2 });
    await Promise.all([
      t.sendBatch([`a${round}`, `b${round}`], { groupId: "g" }),
      turns(round % 12).then(() => first.cancel()),
    ]);
    const got = await first.answer.catch(() => undefined);
    await t.settle();
    await t.settle();
    if (second.isAnswered) {
      freedCount += 1;
      expect(got).toBeUndefined();
      expect(await second.answer).toMatchObject([
        { body: `a${round}`, receiveCount: 1 },
        { body: `b${round}`, receiveCount: 1 },
      ]);
    } else {
      second.cancel();
      await t.settle();
    }
    await t.purge();
  }
  expect(freedCount).toBeGreaterThan(0);
});
