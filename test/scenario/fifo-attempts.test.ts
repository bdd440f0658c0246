// Receive attempts: a receive of a FIFO queue whose answer was lost is made again under the same id and gets the same
// messages (Q58).

import { expect, test } from "vitest";
import {
  bodiesOf,
  fifoScenario,
  handlesOf,
  msOf,
  type Received,
  type ReceiveOptions,
  type Scenario,
  turns,
} from "../support/scenario.js";

const windowMs = 300_000;
const hour = 3_600_000;
const stale = { code: "ABORTED", reason: "RECEIVE_ATTEMPT_STALE" };

/** A receive of up to ten messages under the id `a1`. */
const attempt = (t: Scenario, options: ReceiveOptions = {}): Promise<Received[]> =>
  t.receive({ max: 10, attemptId: "a1", ...options });

/** What a repeat must not change. */
const sameOf = (messages: readonly Received[]): string[] =>
  messages.map(({ id, handle, body, receiveCount }) => `${body} x${receiveCount} ${id} ${handle}`);

/** A queue of which `a` and `b` of one group are leased under the id `a1`, and `c` waits in another. */
async function attempted(
  options: { visibilityTimeoutMs?: number; retentionMs?: number } = {},
): Promise<{ t: Scenario; first: Received[] }> {
  const t = await fifoScenario(options);
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const first = await attempt(t);
  expect(bodiesOf(first)).toEqual(["a", "b"]);
  await t.send("c", { groupId: "h" });
  return { t, first };
}

test("Q58 a receive repeated under its attempt id returns the same messages and handles, count unchanged", async () => {
  const { t, first } = await attempted();
  for (let repeat = 0; repeat < 3; repeat += 1) {
    expect(sameOf(await attempt(t))).toEqual(sameOf(first));
  }
  expect(first.map(({ receiveCount }) => receiveCount)).toEqual([1, 1]);
  expect(await t.counters()).toMatchObject({ visible: 1, inFlight: 2, received: 2 });
  for (const handle of handlesOf(first)) expect(await t.delete(handle)).toBe("DELETED");
});

test("Q58 a repeat restarts the timeout in full", async () => {
  const { t, first } = await attempted({ visibilityTimeoutMs: 30_000 });
  await t.advance(29_999);
  const again = await attempt(t);
  expect(sameOf(again)).toEqual(sameOf(first));
  expect(again.map(({ message }) => msOf(message.visibleTime))).toEqual([
    t.now + 30_000,
    t.now + 30_000,
  ]);
  await t.advance(1);
  expect(await t.counts()).toBe("1/2/0");
  await t.advance(29_998);
  expect(await t.counts()).toBe("1/2/0");
  await t.advance(1);
  expect(await t.counts()).toBe("3/0/0");
});

test("Q58 a repeat tells when the message was received first, and that is its first receive", async () => {
  const { t, first } = await attempted();
  await t.advance(5_000);
  const again = await attempt(t);
  expect(again.map(({ message }) => message.systemAttributes)).toEqual(
    first.map(({ message }) => message.systemAttributes),
  );
});

test("Q58 a repeat returns what the first call did, whatever number of messages it names", async () => {
  const { t, first } = await attempted();
  expect(sameOf(await attempt(t, { max: 1 }))).toEqual(sameOf(first));
  expect(sameOf(await attempt(t, { max: 10, waitMs: 20_000 }))).toEqual(sameOf(first));
  // Nothing else was taken.
  expect(await t.peek()).toEqual(["in flight a x1", "in flight b x1", "visible c x0"]);
});

test("Q58 a repeat is answered at once, although others wait for the queue", async () => {
  const { t, first } = await attempted();
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["c"]);
  const poll = await t.poll();
  const repeat = await t.poll({ max: 10, attemptId: "a1" });
  expect(sameOf(await repeat.answer)).toEqual(sameOf(first));
  expect(poll.isAnswered).toBe(false);
});

test("Q58 another attempt id, or none, is another receive", async () => {
  const { t } = await attempted();
  const other = await attempt(t, { attemptId: "a2" });
  expect(bodiesOf(other)).toEqual(["c"]);
  expect(await t.receive({ max: 10 })).toEqual([]);
  expect(sameOf(await attempt(t, { attemptId: "a2" }))).toEqual(sameOf(other));
});

test("Q58 an attempt id is remembered for its own queue", async () => {
  const { t } = await attempted();
  await t.createQueue("other.fifo", { type: "fifo", contentBasedDeduplication: true });
  await t.send("elsewhere", { queue: "other.fifo", groupId: "g" });
  expect(bodiesOf(await attempt(t, { queue: "other.fifo" }))).toEqual(["elsewhere"]);
});

test.each([
  [windowMs - 1, ["a", "b"]],
  [windowMs, ["c"]],
])(
  "Q58 an attempt is remembered for 5 minutes: after %i ms it gets %j",
  async (afterMs, expected) => {
    const { t } = await attempted({ visibilityTimeoutMs: hour });
    await t.skip(afterMs);
    expect(bodiesOf(await attempt(t))).toEqual(expected);
  },
);

test("Q58 an attempt's 5 minutes end at their instant also when nobody has settled them", async () => {
  const { t } = await attempted({ visibilityTimeoutMs: hour });
  await t.leap(windowMs);
  expect(bodiesOf(await attempt(t))).toEqual(["c"]);
});

test("Q58 an attempt is remembered over restarts and crashes", async () => {
  const { t, first } = await attempted();
  for (const restart of [() => t.restart(), () => t.crash()]) {
    await restart();
    expect(sameOf(await attempt(t))).toEqual(sameOf(first));
  }
  expect(await t.counters()).toMatchObject({ inFlight: 2, received: 2 });
});

const ways: [string, (t: Scenario, handle: string) => Promise<unknown>][] = [
  ["deleted", (t, handle) => t.delete(handle)],
  ["given back", (t, handle) => t.changeVisibility(handle, 0)],
  ["extended", (t, handle) => t.changeVisibility(handle, 60_000)],
  ["shortened", (t, handle) => t.changeVisibility(handle, 1_000)],
];

test.each(ways)("Q58 an attempt is stale once one of its messages was %s", async (_, change) => {
  const { t, first } = await attempted();
  await change(t, first[1]?.handle ?? "");
  const before = await t.counters();
  await expect(attempt(t)).rejects.toMatchObject(stale);
  // It stays so, waits for nothing, and takes nothing instead.
  await expect(attempt(t, { waitMs: 20_000 })).rejects.toMatchObject(stale);
  expect(await t.counters()).toEqual(before);
  expect(bodiesOf(await attempt(t, { attemptId: "a2" }))).toContain("c");
});

test("Q58 an attempt is stale at the instant its leases end, and not before", async () => {
  for (const isSettled of [true, false]) {
    const { t, first } = await attempted({ visibilityTimeoutMs: 10_000 });
    await t.leap(9_999);
    expect(sameOf(await attempt(t))).toEqual(sameOf(first));
    if (isSettled) await t.advance(10_000);
    else await t.leap(10_000);
    await expect(attempt(t)).rejects.toMatchObject(stale);
    const others = await t.receive({ max: 10 });
    expect(others.map(({ body, receiveCount }) => `${body} x${receiveCount}`).sort()).toEqual([
      "a x2",
      "b x2",
      "c x1",
    ]);
    // Received again by somebody else, they are none of the attempt's either.
    await expect(attempt(t)).rejects.toMatchObject(stale);
  }
});

test("Q58 an attempt is stale once one of its messages expired", async () => {
  const t = await fifoScenario({ retentionMs: 60_000, visibilityTimeoutMs: 600_000 });
  await t.send("old", { groupId: "g" });
  await t.advance(30_000);
  await t.send("young", { groupId: "g" });
  expect(bodiesOf(await attempt(t))).toEqual(["old", "young"]);
  await t.advance(29_999);
  expect(bodiesOf(await attempt(t))).toEqual(["old", "young"]);
  await t.advance(1);
  await expect(attempt(t)).rejects.toMatchObject(stale);
});

test("Q58 a stale attempt's id begins anew when its 5 minutes are over", async () => {
  const { t, first } = await attempted({ visibilityTimeoutMs: hour });
  await t.delete(first[0]?.handle ?? "");
  await t.skip(windowMs - 1);
  await expect(attempt(t)).rejects.toMatchObject(stale);
  await t.skip(1);
  const anew = await attempt(t);
  expect(bodiesOf(anew)).toEqual(["c"]);
  expect(sameOf(await attempt(t))).toEqual(sameOf(anew));
});

test("Q58 an attempt that found nothing is not remembered", async () => {
  const t = await fifoScenario();
  expect(await attempt(t)).toEqual([]);
  const poll = await t.poll({ max: 10, attemptId: "a1", waitMs: 1_000 });
  await t.advance(1_000);
  expect(await poll.answer).toEqual([]);
  await t.send("a", { groupId: "g" });
  const first = await attempt(t);
  expect(first).toMatchObject([{ body: "a", receiveCount: 1 }]);
  expect(sameOf(await attempt(t))).toEqual(sameOf(first));
});

test("Q58 a purge forgets attempts", async () => {
  const { t } = await attempted();
  await t.purge();
  expect(await attempt(t)).toEqual([]);
  await t.send("d", { groupId: "g" });
  expect(await attempt(t)).toMatchObject([{ body: "d", receiveCount: 1 }]);
});

test("Q58 a queue created again remembers no attempts", async () => {
  const { t } = await attempted();
  await t.deleteQueue();
  await t.createQueue(t.queue, { type: "fifo", contentBasedDeduplication: true });
  await t.send("d", { groupId: "g" });
  expect(bodiesOf(await attempt(t))).toEqual(["d"]);
});

test("Q58 a repeat while the first call still waits joins it: both get the same, others keep their places", async () => {
  const t = await fifoScenario();
  const first = await t.poll({ attemptId: "a1" });
  const other = await t.poll();
  const repeat = await t.poll({ attemptId: "a1" });
  await t.send("x", { groupId: "g" });
  const got = await first.answer;
  expect(got).toMatchObject([{ body: "x", receiveCount: 1 }]);
  expect(sameOf(await repeat.answer)).toEqual(sameOf(got));
  expect(other.isAnswered).toBe(false);
  expect(await t.counters()).toMatchObject({ inFlight: 1, received: 1 });
  await t.send("y", { groupId: "h" });
  expect(bodiesOf(await other.answer)).toEqual(["y"]);
});

test("Q58 of many repeats at once one receives, and all get its messages", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a", "b"], { groupId: "g" });
  const answers = await Promise.all(Array.from({ length: 20 }, () => attempt(t)));
  expect(new Set(answers.map((answer) => sameOf(answer).join())).size).toBe(1);
  expect(bodiesOf(answers[0] ?? [])).toEqual(["a", "b"]);
  expect(await t.counters()).toMatchObject({ inFlight: 2, received: 2 });
});

test("Q58 a repeat goes on waiting when the first call is cancelled", async () => {
  const t = await fifoScenario();
  const first = await t.poll({ attemptId: "a1" });
  const repeat = await t.poll({ attemptId: "a1" });
  first.cancel();
  await expect(first.answer).rejects.toMatchObject({ code: "CANCELLED" });
  await t.settle();
  await t.send("x", { groupId: "g" });
  const got = await repeat.answer;
  expect(got).toMatchObject([{ body: "x", receiveCount: 1 }]);
  expect(sameOf(await attempt(t))).toEqual(sameOf(got));
});

test("Q58 a repeat waits for its own time when the first call ended with nothing", async () => {
  const t = await fifoScenario();
  const first = await t.poll({ attemptId: "a1", waitMs: 5_000 });
  await t.advance(1_000);
  const served = await t.poll({ attemptId: "a1", waitMs: 20_000 });
  await t.advance(4_000);
  expect(await first.answer).toEqual([]);
  await t.advance(5_000);
  expect(served.isAnswered).toBe(false);
  await t.send("x", { groupId: "g" });
  expect(await served.answer).toMatchObject([{ body: "x", receiveCount: 1 }]);
  const again = await t.poll({ attemptId: "a2", waitMs: 1_000 });
  const empty = await t.poll({ attemptId: "a2", waitMs: 3_000 });
  await t.advance(2_999);
  expect([again.isAnswered, empty.isAnswered]).toEqual([true, false]);
  await t.advance(1);
  expect(await empty.answer).toEqual([]);
});

test("Q58 a first call goes on waiting when its repeat is cancelled", async () => {
  const t = await fifoScenario();
  const first = await t.poll({ attemptId: "a1" });
  const repeat = await t.poll({ attemptId: "a1" });
  repeat.cancel();
  await expect(repeat.answer).rejects.toMatchObject({ code: "CANCELLED" });
  await t.settle();
  await t.send("x", { groupId: "g" });
  expect(await first.answer).toMatchObject([{ body: "x", receiveCount: 1 }]);
});

test("Q58 an attempt that is cancelled at any moment can be made again and gets its messages, received once", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  for (let round = 0; round < 48; round += 1) {
    await t.sendBatch([`a${round}`, `b${round}`], { groupId: "g" });
    const { received } = await t.counters();
    const call = new AbortController();
    const request = { max: 10, attemptId: `attempt-${round}` };
    const lost = t.receive(request, { signal: call.signal }).catch(() => undefined);
    await turns(round % 12);
    call.abort();
    await lost;
    const again = await t.receive(request);
    expect(
      again.map(({ body, receiveCount }) => `${body} x${receiveCount}`),
      `round ${round}`,
    ).toEqual([`a${round} x1`, `b${round} x1`]);
    await t.settle();
    await t.settle();
    expect(await t.counters()).toMatchObject({ inFlight: 2, received: received + 2 });
    // The handles it got are good whatever becomes of the call that was given up.
    for (const handle of handlesOf(again)) expect(await t.delete(handle)).toBe("DELETED");
  }
});

test("Q58 a repeat that comes before its first call is cancelled keeps the messages, whenever that is", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 600_000 });
  const client = t.newClient();
  for (let round = 0; round < 48; round += 1) {
    await t.sendBatch([`a${round}`, `b${round}`], { groupId: "g" });
    const request = t.receiveRequest({ max: 10, attemptId: `attempt-${round}` });
    const call = new AbortController();
    const lost = client
      .call("receiveMessage", request, { signal: call.signal })
      .catch(() => undefined);
    await turns(round % 6);
    const repeat = t.receive({ max: 10, attemptId: `attempt-${round}` });
    await turns(round % 8);
    call.abort();
    const got = await repeat;
    await lost;
    await t.settle();
    await t.settle();
    expect(
      got.map(({ body, receiveCount }) => `${body} x${receiveCount}`),
      `round ${round}`,
    ).toEqual([`a${round} x1`, `b${round} x1`]);
    expect(await t.counters(), `round ${round}`).toMatchObject({ visible: 0, inFlight: 2 });
    for (const handle of handlesOf(got)) expect(await t.delete(handle)).toBe("DELETED");
  }
  expect(await t.counters()).toMatchObject({ received: 96, deleted: 96 });
});

test("Q58 a repeat needs no room under the limit of messages in flight", async () => {
  const t = await fifoScenario();
  await t.setQueue({ inFlightMax: 1 });
  await t.send("a", { groupId: "g" });
  const first = await attempt(t);
  expect(first).toHaveLength(1);
  expect(sameOf(await attempt(t))).toEqual(sameOf(first));
});

test("Q58 a repeat under another answer's bytes still returns all of the first", async () => {
  const t = await fifoScenario();
  await t.sendBatch(["a".repeat(60), "b".repeat(60)], { groupId: "g" });
  const first = await attempt(t);
  expect(first).toHaveLength(2);
  const again = await attempt(t, { attributes: ["All"] });
  expect(sameOf(again)).toEqual(sameOf(first));
});

test("Q58 an attempt id has 1 to 128 visible ASCII characters", async () => {
  const t = await fifoScenario();
  await t.send("a", { groupId: "g" });
  for (const attemptId of ["x".repeat(129), "a b", " ", "tab\t", "ä", "\u007f"]) {
    await expect(t.receive({ attemptId }), attemptId).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["receive_attempt_id"],
    });
  }
  expect(await t.peek()).toEqual(["visible a x0"]);
  expect(bodiesOf(await t.receive({ attemptId: "!~".repeat(64) }))).toEqual(["a"]);
});

test("a receive of a FIFO queue repeated under its request id returns the messages still leased by it", async () => {
  const t = await fifoScenario({ visibilityTimeoutMs: 10_000 });
  await t.sendBatch(["a", "b", "c"], { groupId: "g" });
  const request = t.receiveRequest({ max: 2, requestId: "r1" });
  const first = await t.call("receiveMessage", request);
  expect(await t.call("receiveMessage", request)).toEqual({ ...first, replayed: true });
  await t.crash();
  expect(await t.call("receiveMessage", request)).toEqual({ ...first, replayed: true });
  const [a, b] = first.messages;
  await t.delete(a?.receiptHandle ?? "");
  expect((await t.call("receiveMessage", request)).messages).toEqual([b]);
  // Unlike an attempt's, a repeat under a request id does not touch the lease.
  await t.advance(10_000);
  expect(await t.call("receiveMessage", request)).toMatchObject({ messages: [], replayed: true });
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["b", "c"]);
  expect(await t.call("receiveMessage", request)).toMatchObject({ messages: [], replayed: true });
});
