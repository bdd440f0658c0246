// Moves out of a dead-letter queue through the client, on a real server.

import { expect, test } from "vitest";
import type { ForebayClient, MoveTask, MoveTaskDescription, Queue } from "../src/index.js";
import { RealServer } from "./support/real-server.js";

interface Started {
  readonly client: ForebayClient;
  readonly queue: Queue;
  readonly dead: Queue;
}

/** A queue whose dead-letter queue holds these messages, each rejected with its own text as the reason. */
async function start(...texts: readonly string[]): Promise<Started> {
  const server = await RealServer.start();
  const client = server.connect();
  const { queue: dead } = await client.createQueue("orders-dead");
  const redrivePolicy = { deadLetterQueue: dead.name, maxReceiveCount: 10 };
  const { queue } = await client.createQueue("orders", { attributes: { redrivePolicy } });
  for (const text of texts) {
    await queue.send(text, { attributes: { kind: text } });
    const [message] = await queue.receive({ waitTimeMs: 0 });
    await message?.reject({ reason: text, deadLetter: true });
  }
  return { client, queue, dead };
}

async function ended(move: MoveTask): Promise<MoveTaskDescription> {
  for (;;) {
    const task = await move.status();
    if (task.status !== "RUNNING" && task.status !== "CANCELLING") return task;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("a move takes messages back to where they came from, as new ones", async () => {
  const { queue, dead } = await start("a", "b");
  const before: string[] = [];
  for await (const { messageId } of dead.peek()) before.push(messageId);
  const task = await ended(await dead.startMove());
  expect(task).toMatchObject({
    taskHandle: undefined,
    status: "COMPLETED",
    source: "orders-dead",
    destination: undefined,
    movedMessageCount: 2,
    toMoveMessageCount: 2,
    skippedMessageCount: 0,
    startTime: expect.any(Date),
    endTime: expect.any(Date),
  });
  const messages = await queue.receive({ maxMessages: 10, waitTimeMs: 0 });
  expect(messages).toMatchObject([
    { text: "a", originalMessageId: before[0], queueReceiveCount: 1 },
    { text: "b", originalMessageId: before[1] },
  ]);
  expect(before).not.toContain(messages[0]?.messageId);
  expect((await dead.attributes()).counters).toMatchObject({
    storedMessageCount: 0,
    movedCount: 2,
  });
});

test("a preview shows what the same move would do, and does nothing", async () => {
  const { dead } = await start("a", "b", "b");
  const chosen = {
    filter: { rejectionReason: "b", attributes: { kind: "b" }, maximumAgeMs: 600_000 },
    edit: { setAttributes: { retried: 1 }, removeAttributes: ["kind"], body: "edited" },
  };
  const preview = await dead.previewMove({ ...chosen, sampleCount: 1 });
  expect(preview).toMatchObject({
    matchingMessageCount: 2,
    otherMessageCount: 1,
    skippedMessageCount: 0,
    unavailableMessageCount: 0,
    destinationMessageCounts: { orders: 2 },
    rejectionReasonCounts: { b: 2 },
    samples: [{ text: "edited", attributes: { retried: { type: "Number", value: "1" } } }],
  });
  expect(preview.samples).toHaveLength(1);
  expect((await dead.attributes()).counters.storedMessageCount).toBe(3);
  expect(await ended(await dead.startMove(chosen))).toMatchObject({
    movedMessageCount: 2,
    filter: chosen.filter,
    edit: { ...chosen.edit, setAttributes: { retried: { type: "Number", value: "1" } } },
  });
});

test("a move elsewhere is slow when asked to be, and cancelled from anywhere", async () => {
  const { client, dead } = await start("a", "b", "c", "d", "e");
  const { queue: elsewhere } = await client.createQueue("elsewhere");
  const move = await dead.startMove({ destination: elsewhere.name, maxPerSecond: 1 });
  expect(await move.status()).toMatchObject({
    taskHandle: move.taskHandle,
    status: "RUNNING",
    destination: "elsewhere",
    maxPerSecond: 1,
    endTime: undefined,
  });
  await expect(dead.startMove()).rejects.toMatchObject({ reason: "MOVE_TASK_ALREADY_RUNNING" });
  const movedCount = await client.cancelMove(move.taskHandle);
  expect(movedCount).toBeLessThan(5);
  const task = await ended(move);
  expect(task).toMatchObject({ status: "CANCELLED", taskHandle: undefined });
  expect((await elsewhere.attributes()).counters.arrivedCount).toBe(task.movedMessageCount);
  await expect(move.cancel()).rejects.toMatchObject({ reason: "MOVE_TASK_NOT_RUNNING" });
  // A later move of the source is another task.
  expect(await ended(await dead.startMove())).toMatchObject({ status: "COMPLETED" });
  expect(await move.status()).toMatchObject({ status: "CANCELLED" });
  const statuses: string[] = [];
  for await (const { status } of dead.listMoves({ pageSize: 1 })) statuses.push(status);
  expect(statuses).toEqual(["COMPLETED", "CANCELLED"]);
});

test("a move from a queue that is no dead-letter queue is refused", async () => {
  const { client, queue } = await start();
  await expect(queue.startMove()).rejects.toMatchObject({ reason: "MOVE_SOURCE_NOT_DLQ" });
  await expect(client.queue("missing").previewMove()).rejects.toMatchObject({
    reason: "MOVE_RESOURCE_NOT_FOUND",
  });
  await expect(client.cancelMove("garbage")).rejects.toMatchObject({
    reason: "MOVE_TASK_HANDLE_INVALID",
  });
});
