// What a FIFO queue acknowledged holds when the process is killed (Q66): order, leases, what was sent before, and attempts.
// Real processes, real SIGKILL, the real clock.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { answers, ServerProcess } from "../crash/server-process.js";
import { QueueClient, type RequestPart } from "../support/queue-client.js";
import { durationOf, handlesOf, receivedOf } from "../support/scenario.js";

const queue = "orders.fifo";

/** A server with one FIFO queue, to be killed and started again on the same port and directory. */
async function life() {
  const dataDirectory = mkdtempSync(join(tmpdir(), "forebay-fifo-durability-"));
  const port = await freePort();
  const start = async () => {
    const server = new ServerProcess({ dataDirectory, port });
    await answers(port);
    return { server, client: new QueueClient({ host: "127.0.0.1", port }) };
  };
  let current = await start();
  const kill = async (): Promise<void> => {
    await current.server.kill();
    current.client.close();
  };
  onTestFinished(async () => {
    await kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  await current.client.call("createQueue", {
    queue,
    attributes: { fifoQueue: true, visibilityTimeout: durationOf(600_000) },
  });
  return {
    kill,
    restart: async (): Promise<void> => {
      current = await start();
    },
    send: (body: string, groupId: string, dedupId = body) =>
      current.client.call("sendMessage", {
        queue,
        body: { $case: "text", value: body },
        groupId,
        dedupId,
      }),
    receive: async (request: Omit<RequestPart<"receiveMessage">, "queue"> = {}) => {
      const { messages } = await current.client.call("receiveMessage", {
        queue,
        maxMessages: 10,
        systemAttributeNames: [1],
        ...request,
      });
      return messages.map(receivedOf);
    },
    delete: (receiptHandle: string) =>
      current.client.call("deleteMessage", { queue, receiptHandle }),
    counters: async () => (await current.client.call("getQueueAttributes", { queue })).counters,
  };
}

test("Q66 order, leases, deduplication ids and attempts of a FIFO queue hold over a SIGKILL", async () => {
  const t = await life();
  const sent = [
    await t.send("a", "g"),
    await t.send("b", "g"),
    await t.send("c", "g"),
    await t.send("x", "h"),
  ];
  const attempt = { maxMessages: 2, receiveAttemptId: "a1" };
  const first = await t.receive(attempt);
  expect(first.map(({ body }) => body)).toEqual(["a", "b"]);
  const before = await t.counters();

  await t.kill();
  await t.restart();
  expect({ ...(await t.counters()), oldestMessageAge: undefined }).toEqual({
    ...before,
    oldestMessageAge: undefined,
  });
  for (const [index, body] of ["a", "b", "c"].entries()) {
    const { messageId, sequenceNumber } = sent[index] ?? {};
    expect(await t.send(body, "g")).toMatchObject({ messageId, sequenceNumber, duplicate: true });
  }
  const next = await t.send("d", "g");
  expect(next.sequenceNumber > (sent.at(-1)?.sequenceNumber ?? "")).toBe(true);
  // The group waits for what the attempt holds; the attempt holds what it did.
  expect((await t.receive()).map(({ body }) => body)).toEqual(["x"]);
  const again = await t.receive(attempt);
  expect(handlesOf(again)).toEqual(handlesOf(first));
  expect(again.map(({ receiveCount }) => receiveCount)).toEqual([1, 1]);
  for (const handle of handlesOf(again)) await t.delete(handle);
  expect((await t.receive()).map(({ body }) => body)).toEqual(["c", "d"]);
});

test("Q66 killed in the middle of sends, what is sent again is stored once and in order", async () => {
  const t = await life();
  const groups = Array.from({ length: 20 }, (_, index) => `g${index}`);
  const counts = new Map(groups.map((groupId) => [groupId, 0]));
  const sendRound = async (groupId: string): Promise<void> => {
    // Each group's sender goes on where its last acknowledged message was, as one that got no answer does.
    for (let sentNow = 0; sentNow < 40; sentNow += 1) {
      const index = counts.get(groupId) ?? 0;
      await t.send(`${groupId}-${index}`, groupId);
      counts.set(groupId, index + 1);
    }
  };
  for (let round = 0; round < 3; round += 1) {
    const settled = Promise.allSettled(groups.map(sendRound));
    const total = (): number => [...counts.values()].reduce((sum, count) => sum + count, 0);
    const killAt = total() + 200;
    let hasEnded = false;
    void settled.then(() => {
      hasEnded = true;
    });
    while (total() < killAt && !hasEnded) await new Promise((resolve) => setImmediate(resolve));
    expect(hasEnded).toBe(false);
    await t.kill();
    await settled;
    await t.restart();
  }
  for (const groupId of groups) await sendRound(groupId);
  const seen = new Map<string, number[]>(groups.map((groupId) => [groupId, []]));
  for (;;) {
    const received = await t.receive();
    if (received.length === 0) break;
    for (const { body } of received) {
      const [groupId = "", index] = body.split("-");
      seen.get(groupId)?.push(Number(index));
    }
    await Promise.all(handlesOf(received).map(t.delete));
  }
  for (const [groupId, numbers] of seen) {
    expect(numbers, groupId).toEqual(
      Array.from({ length: counts.get(groupId) ?? 0 }, (_, index) => index),
    );
  }
});
