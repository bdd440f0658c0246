// Messages for later and schedules through the client, on a real server.

import { expect, test } from "vitest";
import type { ForebayError, Queue, Schedule } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

async function start(): Promise<Queue> {
  const server = await RealServer.start();
  const { queue } = await server.connect().createQueue("orders");
  return queue;
}

const inHours = (hours: number): Date => new Date(Date.now() + hours * 3_600_000);

test("messages for later are listed, earliest first, and cancelled", async () => {
  const queue = await start();
  const second = await queue.send("second", { deliverTime: inHours(2), groupId: "g" });
  const first = await queue.send("first", {
    deliverTime: inHours(1),
    attributes: { kind: "order" },
  });
  const waiting: unknown[] = [];
  for await (const message of queue.listScheduledMessages({ pageSize: 1 })) waiting.push(message);
  expect(waiting).toMatchObject([
    {
      messageId: first.messageId,
      text: "first",
      bodyBytes: 5,
      attributes: { kind: { type: "String", value: "order" } },
      groupId: undefined,
      sendTime: expect.any(Date),
      deliverTime: expect.any(Date),
    },
    { messageId: second.messageId, text: "second", groupId: "g" },
  ]);
  await queue.cancelScheduledMessage(first.messageId);
  await expect(queue.cancelScheduledMessage(first.messageId)).rejects.toMatchObject({
    reason: "MESSAGE_NOT_FOUND",
  });
  expect((await queue.attributes()).counters.scheduledMessageCount).toBe(1);
  const { message } = await queue.describeMessage(second.messageId);
  expect(message).toMatchObject({ state: "SCHEDULED", text: "second" });
  expect(await queue.explainMessage(second.messageId)).toMatchObject({
    state: "SCHEDULED",
    obstacles: [{ kind: "SCHEDULED", untilTime: message.visibleTime }],
  });
});

test("an interval sends again and again, and says so", async () => {
  const queue = await start();
  const message = { body: "tick", attributes: { kind: "beat" } };
  const schedule: Schedule = {
    name: "beat",
    timing: { kind: "interval", intervalMs: 1_000 },
    message,
  };
  const put = await queue.schedules.put(schedule);
  expect(put).toMatchObject({ created: true, status: { runCount: 0 } });
  const [first] = await queue.receive({ waitTimeMs: 5_000 });
  expect(first).toMatchObject({ text: "tick", attributes: { kind: { value: "beat" } } });
  const { status } = await queue.schedules.get("beat");
  expect(status.runCount).toBeGreaterThanOrEqual(1);
  expect(status.lastTime).toBeInstanceOf(Date);
  expect(status.nextTime).toBeInstanceOf(Date);
  expect(status.lastFailureReason).toBeUndefined();
});

test("what was read is put again with a change, and nothing else changes", async () => {
  const queue = await start();
  await queue.schedules.put({
    name: "nightly",
    timing: { kind: "cron", pattern: "0 3 * * MON-FRI", timeZone: "Europe/Berlin" },
    message: { body: new Uint8Array([1, 2]), timeToLiveMs: 60_000, priority: 2 },
    endTime: inHours(10_000),
    missedRuns: "SKIP",
  });
  const read = await queue.schedules.get("nightly");
  expect(read.schedule).toMatchObject({
    timing: { kind: "cron", pattern: "0 3 * * MON-FRI", timeZone: "Europe/Berlin" },
    message: { timeToLiveMs: 60_000, priority: 2 },
    missedRuns: "SKIP",
    paused: false,
  });
  expect([...read.schedule.message.body]).toEqual([1, 2]);
  expect(read.status.nextTime?.getTime()).toBeGreaterThan(Date.now());
  // An equal one replaces it and keeps its next time.
  const same = await queue.schedules.put(read.schedule);
  expect(same).toMatchObject({ created: false, status: { nextTime: read.status.nextTime } });
  const paused = await queue.schedules.put({ ...read.schedule, paused: true });
  expect(paused.status.nextTime).toBeUndefined();
  const again = await queue.schedules.get("nightly");
  expect(again.schedule).toEqual({ ...read.schedule, paused: true });
});

test("schedules are listed by name, deleted, and refused with what is wrong", async () => {
  const queue = await start();
  const timing = { kind: "interval", intervalMs: 3_600_000 } as const;
  for (const name of ["b", "a", "c"]) {
    await queue.schedules.put({ name, timing, message: { body: name } });
  }
  const names: string[] = [];
  for await (const { schedule } of queue.schedules.list({ pageSize: 2 })) names.push(schedule.name);
  expect(names).toEqual(["a", "b", "c"]);
  await queue.schedules.delete("b");
  const gone = { reason: "SCHEDULE_NOT_FOUND" };
  await expect(queue.schedules.delete("b")).rejects.toMatchObject(gone);
  await expect(queue.schedules.get("b")).rejects.toMatchObject(gone);
  const wrong = { kind: "cron", pattern: "61 * * * *" } as const;
  const refused: ForebayError = await queue.schedules
    .put({ name: "d", timing: wrong, message: { body: "x" } })
    .then(
      () => expect.unreachable("61 is no minute"),
      (error) => error,
    );
  expect(refused).toMatchObject({ reason: "INVALID_PARAMETER", status: "INVALID_ARGUMENT" });
  expect(refused.fieldViolations).toMatchObject([{ field: "schedule.cron" }]);
});
