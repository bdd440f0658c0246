// The Consume stream: messages as they come, confirmed acks, credit, and what happens when it breaks.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import {
  MessageSystemAttributeName,
  Message as WireMessage,
} from "../gen/forebay/queue/v1/message.js";
import type { ConsumeResponse, ConsumeResult } from "../gen/forebay/queue/v1/queue_service.js";
import {
  type ConsumedMessage,
  type ConsumeOptions,
  type Consumer,
  ForebayClient,
  type Queue,
} from "../src/index.js";
import { type ConsumeStream, FakeServer, serviceError } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let queue: Queue;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  queue = client.queue("orders");
});

afterEach(async () => {
  await client.close();
  server.kill();
});

test("messages come in order and are gone once acked", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const seen: string[] = [];
  for await (const message of queue.consume()) {
    seen.push(message.text);
    expect(await message.ack()).toBe("DELETED");
    if (seen.length === 3) break;
  }
  expect(seen).toEqual(["1", "2", "3"]);
  expect(server.stored.size).toBe(0);
});

test("leaving the loop closes the stream and gives back what was not acked", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  for await (const message of queue.consume()) {
    await message.ack();
    break;
  }
  expect(server.consumeStreams.size).toBe(0);
  expect(server.visible().map(({ message }) => message.body?.value)).toEqual(["2", "3"]);
});

test("an ack nobody waited for is confirmed before the loop is left", async () => {
  await queue.send("1");
  let ack: Promise<string> | undefined;
  for await (const message of queue.consume()) {
    ack = message.ack();
    break;
  }
  expect(server.stored.size).toBe(0);
  expect(await ack).toBe("DELETED");
});

test("at most maxMessages are held; acking one lets one more come", async () => {
  for (let index = 0; index < 10; index += 1) await queue.send(`${index}`);
  const consumer = queue.consume({ maxMessages: 2 });
  const held: ConsumedMessage[] = [];
  held.push((await consumer.next()).value as ConsumedMessage);
  held.push((await consumer.next()).value as ConsumedMessage);
  let third: ConsumedMessage | undefined;
  const next = consumer.next().then(({ value }) => {
    third = value;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(third).toBeUndefined();
  await held[0]?.ack();
  await next;
  expect(third?.text).toBe("2");
  await consumer.close();
});

test("credit never runs dry while everything is acked", async () => {
  const count = 1_000;
  await Promise.all(Array.from({ length: count }, (_, index) => queue.send(`${index}`)));
  let seen = 0;
  for await (const message of queue.consume({ maxMessages: 7, maxBytes: 5 })) {
    seen += 1;
    void message.ack();
    if (seen === count) break;
  }
  expect(server.stored.size).toBe(0);
});

test("nack and reject give back, with a delay and a reason", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  const first = (await consumer.next()).value as ConsumedMessage;
  const second = (await consumer.next()).value as ConsumedMessage;
  expect(await first.nack({ delayMs: 60_000 })).toBeInstanceOf(Date);
  expect(
    await second.reject({ reason: "bad_invoice", error: new Error("no total"), delayMs: 60_000 }),
  ).toEqual({ kind: "returned", visibleTime: expect.any(Date) });
  const told = server.consumeRequests.map(({ request }) => request);
  expect(told).toContainEqual({
    $case: "nack",
    value: { receiptHandles: [first.receiptHandle], delay: { seconds: 60n, nanos: 0 } },
  });
  expect(told.at(-1)).toMatchObject({
    $case: "reject",
    value: {
      reason: "bad_invoice",
      error: expect.stringContaining("no total"),
      delay: { seconds: 60n },
      deadLetter: false,
    },
  });
  await expect(first.ack()).rejects.toThrow("before");
  await consumer.close();
});

test("without a delay it is the queue's retry policy that says when", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  const first = (await consumer.next()).value as ConsumedMessage;
  const second = (await consumer.next()).value as ConsumedMessage;
  await Promise.all([first.nack(), second.reject({ reason: "bad" })]);
  const delays = server.consumeRequests.flatMap(({ request }) =>
    request?.$case === "nack" || request?.$case === "reject" ? [request.value.delay] : [],
  );
  expect(delays).toEqual([undefined, undefined]);
  await consumer.close();
});

test("rejects made together keep each its own reason and error", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const consumer = queue.consume();
  const messages: ConsumedMessage[] = [];
  while (messages.length < 3) messages.push((await consumer.next()).value as ConsumedMessage);
  const [first, second, third] = messages;
  const later = { delayMs: 60_000 };
  await Promise.all([
    first?.reject({ reason: "bad", error: { toString: () => "one" }, ...later }),
    second?.reject({ reason: "bad", error: { toString: () => "two" }, ...later }),
    third?.reject({ reason: "bad", error: { toString: () => "one" }, ...later }),
  ]);
  const rejects = server.consumeRequests.flatMap(({ request }) =>
    request?.$case === "reject" ? [[request.value.error, request.value.receiptHandles]] : [],
  );
  expect(rejects).toEqual([
    ["one", [first?.receiptHandle, third?.receiptHandle]],
    ["two", [second?.receiptHandle]],
  ]);
  await consumer.close();
});

test("a delay that is no number is refused here, where somebody can catch it", async () => {
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  await expect(message.nack({ delayMs: Number.NaN })).rejects.toBeInstanceOf(RangeError);
  expect(await message.ack()).toBe("DELETED");
  await consumer.close();
});

test("a reject may dead-letter, and says where the message went", async () => {
  server.deadLetterQueue = "orders-dead";
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  expect(await message.reject({ reason: "bad", deadLetter: true })).toEqual({
    kind: "dead_lettered",
    deadLetterQueue: "orders-dead",
  });
  expect(server.consumeRequests.at(-1)?.request).toMatchObject({
    value: { deadLetter: true, delay: undefined },
  });
  await consumer.close();
});

test("a message whose settlement was refused is still held, and can be settled in another way", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const consumer = queue.consume({ maxMessages: 1 });
  const message = (await consumer.next()).value as ConsumedMessage;
  const dead = message.reject({ reason: "bad", deadLetter: true });
  await expect(dead).rejects.toMatchObject({ reason: "DLQ_NOT_FOUND" });
  expect(message.isLost).toBe(false);
  expect(await message.ack()).toBe("DELETED");
  // Over the stream, which holds it.
  expect(server.callsOf("deleteMessage")).toEqual([]);
  // The credit it took was given back once, not twice: then two would have come by now.
  expect(((await consumer.next()).value as ConsumedMessage).text).toBe("2");
  let third: unknown;
  void consumer.next().then(({ value }) => {
    third = value;
  });
  await new Promise((resolve) => setTimeout(resolve, 50));
  const granted = server.consumeRequests.map(({ request }) =>
    request?.$case === "credit" ? request.value.messages : 0,
  );
  expect(granted.reduce((sum, messages) => sum + messages)).toBeLessThanOrEqual(2);
  expect(third).toBeUndefined();
  await consumer.close();
});

test("an error's text is cut to what the contract takes, at a character", async () => {
  await queue.send("1");
  const consumer = queue.consume();
  const message = (await consumer.next()).value as ConsumedMessage;
  await message.reject({ reason: "bad", error: "é".repeat(4_000) });
  const { request } = server.consumeRequests.at(-1) ?? {};
  const error = request?.$case === "reject" ? request.value.error : "";
  expect(error).toBe("é".repeat(2_048));
  await consumer.close();
});

describe("when its stream breaks", () => {
  const receiveCountOf = ({ receiveCount }: ConsumedMessage) => receiveCount;
  const requestsOf = (kind: string) =>
    server.consumeRequests.flatMap(({ request }) =>
      request?.$case === kind ? [request.value] : [],
    );

  async function hold(count: number, options: ConsumeOptions = {}) {
    await Promise.all(Array.from({ length: count }, (_, index) => queue.send(`${index + 1}`)));
    const consumer = queue.consume(options);
    onTestFinished(() => consumer.close());
    const next = async () => (await consumer.next()).value as ConsumedMessage;
    return { consumer, next, first: await next() };
  }

  test("what it held goes on with the next: told what was settled meanwhile, and handed out what was not", async () => {
    const { next, first } = await hold(4);
    const second = await next();
    server.die();
    const later = next();
    const acked = first.ack();
    const nacked = second.nack({ delayMs: 60_000 });
    server.consumeRequests.length = 0;
    setTimeout(() => void server.listen(), 200);
    expect(await acked).toBe("DELETED");
    expect(await nacked).toEqual(new Date(0));
    const rest = [await later, await next()];
    expect(rest.map(({ text }) => text)).toEqual(["3", "4"]);
    expect(rest.map(receiveCountOf)).toEqual([1, 1]);
    expect([first, second, ...rest].some(({ isLost }) => isLost)).toBe(false);
    expect(requestsOf("start")).toMatchObject([{ credit: { messages: 98 }, keepLeases: true }]);
    const [third, fourth] = rest.map(({ receiptHandle }) => receiptHandle);
    expect(requestsOf("hold")).toEqual([{ receiptHandles: [third, fourth, second.receiptHandle] }]);
    expect(await Promise.all(rest.map((message) => message.ack()))).toEqual(["DELETED", "DELETED"]);
    expect(server.callsOf("deleteMessage")).toEqual([]);
  });

  test("a message in hand can be given back over the next, and comes again at once", async () => {
    const { next, first } = await hold(1);
    server.die();
    await server.listen();
    const again = next();
    await until(() => requestsOf("hold").length === 1);
    expect(await first.nack()).toEqual(new Date(0));
    expect(await again).toMatchObject({ text: "1", receiveCount: 2 });
    expect(requestsOf("nack")).toMatchObject([{ receiptHandles: [first.receiptHandle] }]);
  });

  test("what the break gave back is lost and comes again, and is not handed out as it was", async () => {
    const { next, first } = await hold(3);
    const second = await next();
    server.kill();
    expect(first.isLost).toBe(false);
    const nacked = second.nack();
    await server.listen();
    await until(() => requestsOf("hold").length === 1);
    const again = [await next(), await next(), await next()];
    expect(again.map(({ text }) => text).sort()).toEqual(["1", "2", "3"]);
    expect(again.map(receiveCountOf)).toEqual([2, 2, 2]);
    // It may come again before the answer to the claim does.
    await until(() => first.isLost && second.isLost);
    // There is nothing left to give back, and nothing that went wrong.
    expect(await nacked).toBeUndefined();
    expect(await first.nack()).toBeUndefined();
    // The one that nobody saw takes no place any more: three of a hundred do.
    server.consumeRequests.length = 0;
    server.die();
    await server.listen();
    await until(() => requestsOf("start").length === 1);
    expect(requestsOf("start")).toMatchObject([{ credit: { messages: 97 } }]);
  });

  test("an ack under way is repeated over the next", async () => {
    const { first } = await hold(1);
    server.overrideConsume = (_, request) => request?.$case === "ack";
    const acked = first.ack();
    await until(() => requestsOf("ack").length === 1);
    server.die();
    server.overrideConsume = () => false;
    await server.listen();
    expect(await acked).toBe("DELETED");
    expect(requestsOf("ack")).toHaveLength(2);
    // An ack needs no lease.
    expect(requestsOf("hold")).toEqual([]);
    expect(server.callsOf("deleteMessage")).toEqual([]);
  });

  test("an ack that took effect and was not confirmed is done twice without harm", async () => {
    const { first } = await hold(1);
    server.overrideConsume = (_, request) => {
      if (request?.$case === "ack") server.stored.clear();
      return request?.$case === "ack";
    };
    const acked = first.ack();
    await until(() => server.stored.size === 0);
    server.die();
    server.overrideConsume = () => false;
    await server.listen();
    expect(await acked).toBe("ALREADY_GONE");
  });

  test("once and again before the next has answered, nothing is forgotten", async () => {
    const { next, first } = await hold(2);
    server.die();
    server.overrideConsume = (_, request) => request?.$case === "hold";
    await server.listen();
    await until(() => requestsOf("hold").length === 1);
    server.die();
    server.overrideConsume = () => false;
    await server.listen();
    expect(await next()).toMatchObject({ text: "2", receiveCount: 1 });
    expect(await first.nack()).toEqual(new Date(0));
  });

  test("a consumer that is closed meanwhile waits for nobody, and settles acks by deletes", async () => {
    const { consumer, next, first } = await hold(3);
    const second = await next();
    server.die();
    const acked = first.ack();
    const nacked = second.nack();
    const startedMs = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 20));
    await consumer.close();
    expect(performance.now() - startedMs).toBeLessThan(2_000);
    await server.listen();
    expect(await acked).toBe("DELETED");
    expect(await nacked).toBeUndefined();
    expect(second.isLost).toBe(false);
    expect(server.callsOf("deleteMessage")).toHaveLength(1);
    expect(server.consumeStreams.size).toBe(0);
  });

  test("the next is granted what is not taken by what is held, in messages and in bytes", async () => {
    const { next, first } = await hold(2, { maxMessages: 3, maxBytes: 2 });
    await next();
    server.consumeRequests.length = 0;
    server.die();
    await server.listen();
    await until(() => requestsOf("hold").length === 1);
    // No bytes are left; a start that grants messages without any would be given the default.
    expect(requestsOf("start")).toMatchObject([{ credit: undefined }]);
    await first.ack();
    await until(() => requestsOf("credit").length > 0);
    expect(requestsOf("credit")).toEqual([{ messages: 2, bytes: 1n }]);
  });

  test("more than a request takes are held by several", async () => {
    const { consumer, first } = await hold(1_500, { maxMessages: 1_500 });
    const seen = [first];
    while (seen.length < 1_500) seen.push((await consumer.next()).value as ConsumedMessage);
    server.die();
    await server.listen();
    await until(() => requestsOf("hold").length === 2);
    const counts = requestsOf("hold").map(
      (request) => "receiptHandles" in request && request.receiptHandles.length,
    );
    expect(counts).toEqual([1_000, 500]);
    await Promise.all(seen.map((message) => message.ack()));
    expect(server.stored.size).toBe(0);
  });
});

test("an error that a new stream would meet again ends the loop", async () => {
  const consumer = queue.consume();
  const next = consumer.next();
  await until(() => server.consumeStreams.size === 1);
  for (const stream of server.consumeStreams) {
    stream.emit("error", serviceError({ code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" }));
  }
  await expect(next).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
});

test("without a server the loop fails soon and says why", async () => {
  server.kill();
  await expect(queue.consume().next()).rejects.toMatchObject({ reason: "CONNECTION_FAILED" });
});

test("a signal ends the loop quietly", async () => {
  const abort = new AbortController();
  setTimeout(() => abort.abort(), 100);
  const seen: string[] = [];
  for await (const message of queue.consume({ signal: abort.signal })) seen.push(message.text);
  expect(seen).toEqual([]);
  expect(server.consumeStreams.size).toBe(0);
});

test("a lease that the server says is lost marks its message, and frees the place of one not seen yet", async () => {
  await Promise.all(["1", "2", "3"].map((body) => queue.send(body)));
  const consumer = queue.consume({ maxMessages: 2 });
  const first = (await consumer.next()).value as ConsumedMessage;
  const handles = [...server.stored.values()].map(
    ({ message, receiveCount }) => `${message.messageId}#${receiveCount}`,
  );
  for (const stream of server.consumeStreams) {
    stream.write({ response: { $case: "lost", value: { receiptHandles: handles } } });
  }
  await until(() => first.isLost);
  // "2" was waiting here and is not handed out any more; the credit for it brings "3".
  const next = (await consumer.next()).value as ConsumedMessage;
  expect(next.text).toBe("3");
  await consumer.close();
});

describe("on a FIFO queue", () => {
  let consumer: Consumer;
  let asked: { readonly stream: ConsumeStream; readonly handles: readonly string[] } | undefined;

  beforeEach(async () => {
    queue = client.queue("orders.fifo");
    await Promise.all(
      ["a1", "a2", "b1"].map((body) => queue.send(body, { groupId: body[0], dedupId: body })),
    );
    consumer = queue.consume({ systemAttributeNames: ["RECEIVE_COUNT"] });
    asked = undefined;
    // Give-backs are answered by the test.
    server.overrideConsume = (stream, request) => {
      if (request?.$case !== "nack" && request?.$case !== "reject") return false;
      asked = { stream, handles: request.value.receiptHandles };
      return true;
    };
  });

  afterEach(() => consumer.close());

  const next = async () => (await consumer.next()).value as ConsumedMessage;

  function answer(response: ConsumeResponse["response"]): void {
    asked?.stream.write({ response });
  }

  function confirm(result: ConsumeResult["result"]): void {
    const results = (asked?.handles ?? []).map((receiptHandle) => ({ receiptHandle, result }));
    answer({ $case: "results", value: { results } });
  }

  test("what is behind a message that is given back is not handed out, and is lost with it", async () => {
    const first = await next();
    expect(first.text).toBe("a1");
    const nacked = first.nack();
    // "a2" was next; the other group is not held up.
    const other = await next();
    expect(other.text).toBe("b1");
    await until(() => asked !== undefined);
    const behind = [...server.stored.values()].find(({ message }) => message.body?.value === "a2");
    const handle = `${behind?.message.messageId}#1`;
    answer({ $case: "lost", value: { receiptHandles: [handle] } });
    confirm({ $case: "visibleTime", value: { seconds: 9n, nanos: 0 } });
    expect(await nacked).toEqual(new Date(9_000));
    let third: unknown;
    void consumer.next().then(({ value }) => {
      third = value;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(third).toBeUndefined();
    // Its name need not be asked for.
    const start = server.consumeRequests[0]?.request;
    expect(start?.$case === "start" && start.value.systemAttributeNames).toContain(
      MessageSystemAttributeName.GROUP_ID,
    );
  });

  test("what arrives of the group meanwhile waits until the give-back is answered", async () => {
    const first = await next();
    const nacked = first.nack();
    expect((await next()).text).toBe("b1");
    await until(() => asked !== undefined);
    // The message's next delivery may overtake the answer.
    const again = WireMessage.fromPartial({
      messageId: first.messageId,
      receiptHandle: `${first.messageId}#2`,
      body: { $case: "text", value: first.text },
      md5OfBody: first.md5OfBody,
      systemAttributes: { groupId: "a", receiveCount: 2 },
    });
    const behind = [...server.stored.values()].find(({ message }) => message.body?.value === "a2");
    answer({ $case: "messages", value: { messages: [again] } });
    answer({ $case: "lost", value: { receiptHandles: [`${behind?.message.messageId}#1`] } });
    let second: ConsumedMessage | undefined;
    const later = next().then((message) => {
      second = message;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(second).toBeUndefined();
    confirm({ $case: "visibleTime", value: { seconds: 0n, nanos: 0 } });
    await Promise.all([nacked, later]);
    expect(second).toMatchObject({ text: "a1", receiveCount: 2 });
  });

  test("what waits behind a message comes when it cannot be given back", async () => {
    const first = await next();
    const nacked = first.nack();
    expect((await next()).text).toBe("b1");
    await until(() => asked !== undefined);
    const later = consumer.next();
    const status = { code: 9, message: "", details: [] };
    confirm({ $case: "error", value: status });
    await expect(nacked).rejects.toMatchObject({ code: 9 });
    // Refused, so that "a1" is in hand as before and "a2" comes after it as always.
    expect(((await later).value as ConsumedMessage).text).toBe("a2");
    expect(await first.ack()).toBe("DELETED");
  });

  test("what is behind two that are given back waits until both are answered", async () => {
    await queue.send("a3", { groupId: "a", dedupId: "a3" });
    const [first, second] = [await next(), await next()];
    const nacks = Promise.allSettled([first.nack(), second.nack()]);
    expect((await next()).text).toBe("b1");
    await until(() => asked?.handles.length === 2);
    let behind: ConsumedMessage | undefined;
    const later = next().then((message) => {
      behind = message;
    });
    const error = { code: 9, message: "", details: [] };
    for (const receiptHandle of asked?.handles ?? []) {
      expect(behind).toBeUndefined();
      const result = { $case: "error" as const, value: error };
      answer({ $case: "results", value: { results: [{ receiptHandle, result }] } });
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    await Promise.all([later, nacks]);
    expect(behind?.text).toBe("a3");
  });

  test("what is behind a dead letter comes once it is one", async () => {
    const first = await next();
    const dead = first.reject({ reason: "bad", deadLetter: true });
    expect((await next()).text).toBe("b1");
    await until(() => asked !== undefined);
    const behind = consumer.next();
    confirm({ $case: "deadLetterQueue", value: "dead.fifo" });
    expect(await dead).toEqual({ kind: "dead_lettered", deadLetterQueue: "dead.fifo" });
    expect(((await behind).value as ConsumedMessage).text).toBe("a2");
  });

  test("what is behind a message that is being given back when the stream breaks stays behind it", async () => {
    const first = await next();
    const nacked = first.nack();
    expect((await next()).text).toBe("b1");
    await until(() => asked !== undefined);
    asked = undefined;
    server.die();
    await server.listen();
    await until(() => asked !== undefined);
    const behind = [...server.stored.values()].find(({ message }) => message.body?.value === "a2");
    answer({ $case: "lost", value: { receiptHandles: [`${behind?.message.messageId}#1`] } });
    confirm({ $case: "visibleTime", value: { seconds: 9n, nanos: 0 } });
    expect(await nacked).toEqual(new Date(9_000));
    let later: unknown;
    void consumer.next().then(({ value }) => {
      later = value;
    });
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(later).toBeUndefined();
  });

  test("what is behind a message that is given back while the stream is broken stays behind it", async () => {
    const first = await next();
    server.die();
    // Noticed here, so that what waits is in doubt.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const nacked = first.nack();
    await server.listen();
    // The other group is not held up.
    expect((await next()).text).toBe("b1");
    await until(() => asked !== undefined);
    const error = { code: 9, message: "", details: [] };
    const later = consumer.next();
    confirm({ $case: "error", value: error });
    await expect(nacked).rejects.toMatchObject({ code: 9 });
    expect(((await later).value as ConsumedMessage).text).toBe("a2");
  });

  test("a message handed out and lost with an earlier one is marked, and giving it back is done already", async () => {
    const first = await next();
    const second = await next();
    expect(second.text).toBe("a2");
    const nacked = first.nack();
    await until(() => asked !== undefined);
    answer({ $case: "lost", value: { receiptHandles: [second.receiptHandle] } });
    confirm({ $case: "visibleTime", value: { seconds: 0n, nanos: 0 } });
    await nacked;
    expect(second.isLost).toBe(true);
    expect(await second.nack()).toBeUndefined();
    expect(asked?.handles).toEqual([first.receiptHandle]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}
