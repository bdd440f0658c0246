// Calls as such: deadlines, signals, errors with their details, and which calls are repeated how.

import { createServer } from "node:net";
import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { BitmapServiceDefinition } from "../gen/forebay/cache/v1/bitmap_service.js";
import {
  type AddPermissionRequest,
  CreateQueueRequest,
  GetQueueUrlRequest,
  QueueServiceDefinition,
  type ReceiveMessageRequest,
  type SendMessageRequest,
  type StartMessageMoveTaskRequest,
} from "../gen/forebay/queue/v1/queue_service.js";
import { BadRequest, ResourceInfo, RetryInfo } from "../gen/google/rpc/error_details.js";
import {
  ConnectionError,
  DeadlineError,
  ForebayClient,
  type ForebayClientOptions,
  ForebayError,
} from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let clients: ForebayClient[];

beforeEach(async () => {
  server = await FakeServer.start();
  clients = [];
});

afterEach(async () => {
  await Promise.all(clients.map((client) => client.close()));
  server.kill();
});

function connect(options: ForebayClientOptions = {}): ForebayClient {
  const client = new ForebayClient({ endpoint: server.endpoint, ...options });
  clients.push(client);
  return client;
}

const unavailable = { code: status.UNAVAILABLE, message: "hung up" };

describe("errors", () => {
  test("carry everything the server attached", async () => {
    const details = [
      {
        typeUrl: "type.googleapis.com/google.rpc.BadRequest",
        value: BadRequest.encode(
          BadRequest.create({ fieldViolations: [{ field: "delay", description: "too long" }] }),
        ).finish(),
      },
      {
        typeUrl: "type.googleapis.com/google.rpc.RetryInfo",
        value: RetryInfo.encode({ retryDelay: { seconds: 1n, nanos: 500_000_000 } }).finish(),
      },
      {
        typeUrl: "type.googleapis.com/google.rpc.ResourceInfo",
        value: ResourceInfo.encode(
          ResourceInfo.create({ resourceType: "queue", resourceName: "orders" }),
        ).finish(),
      },
      { typeUrl: "type.googleapis.com/of.the.Future", value: new Uint8Array([1, 2, 3]) },
    ];
    const failure = { code: status.INVALID_ARGUMENT, reason: "INVALID_PARAMETER", details };
    server.fail("getQueueAttributes", failure);
    const error = await connect()
      .queue("orders")
      .attributes()
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ForebayError);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({
      name: "ForebayError",
      code: 3,
      status: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      fieldViolations: [{ field: "delay", description: "too long" }],
      retryAfterMs: 1_500,
      resource: { type: "queue", name: "orders" },
    });
  });

  test("have a stack that names the caller", async () => {
    server.fail("getQueueAttributes", { code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" });
    async function theCaller(): Promise<void> {
      await connect().queue("orders").attributes();
    }
    await expect(theCaller()).rejects.toMatchObject({
      stack: expect.stringContaining("theCaller"),
    });
  });

  test("of a refused connection name the host, the cause and what to do", async () => {
    server.kill();
    const startedMs = Date.now();
    const error = await connect()
      .queue("orders")
      .send("x")
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.reason).toBe("CONNECTION_FAILED");
    expect(error.message).toContain(server.endpoint);
    expect(error.message).toContain("connection refused");
    expect(error.message).toContain("forebay serve");
    // A server that was never reached is not waited for until the deadline.
    expect(Date.now() - startedMs).toBeLessThan(6_000);
  });

  test("of something that is no gRPC server say so", async () => {
    const other = createServer((socket) => socket.end("220 smtp ready\r\n"));
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const port = typeof address === "object" ? address?.port : 0;
    const client = connect({ endpoint: `127.0.0.1:${port}` });
    const error = await client
      .queue("orders")
      .attributes()
      .catch((thrown) => thrown);
    other.close();
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.message).toContain(String(port));
  });

  test("of an unknown host name it", async () => {
    const client = connect({ endpoint: "no-such-host.invalid:7400" });
    const error = await client
      .queue("orders")
      .attributes()
      .catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ConnectionError);
    expect(error.message).toContain("no-such-host.invalid");
  });
});

describe("deadlines and signals", () => {
  test("every call has a deadline", async () => {
    const queue = connect({ timeoutMs: 7_000 }).queue("orders");
    const nowMs = Date.now();
    await queue.exists();
    await queue.receive({ waitTimeMs: 0 });
    await queue.receive({ waitTimeMs: 1_000, maxMessages: 1, timeoutMs: 9_000 });
    const [exists, receive, receiveLonger] = server.calls.map(
      ({ deadlineMs }) => deadlineMs - nowMs,
    );
    expect(exists).toBeGreaterThan(6_000);
    expect(exists).toBeLessThan(8_000);
    // A long poll: its wait plus 5 s, whatever the client's own deadline.
    expect(receive).toBeGreaterThan(4_000);
    expect(receive).toBeLessThan(6_000);
    expect(receiveLonger).toBeGreaterThan(8_000);
  });

  test("a receive without a wait of its own outlasts the longest a queue can be set to", async () => {
    const nowMs = Date.now();
    server.override("receiveMessage", () => ({ messages: [] }));
    await connect().queue("orders").receive();
    expect(server.calls[0]?.deadlineMs).toBeGreaterThan(nowMs + 24_000);
  });

  test("a call past its deadline throws a DeadlineError", async () => {
    server.override("getQueueAttributes", () => new Promise(() => undefined));
    const attributes = connect().queue("orders").attributes({ timeoutMs: 100 });
    await expect(attributes).rejects.toBeInstanceOf(DeadlineError);
  });

  test("an aborted call throws the signal's reason and is cancelled on the wire", async () => {
    server.override("getQueueAttributes", () => new Promise(() => undefined));
    const abort = new AbortController();
    const attributes = connect().queue("orders").attributes({ signal: abort.signal });
    const reason = new Error("enough");
    setTimeout(() => abort.abort(reason), 50);
    await expect(attributes).rejects.toBe(reason);
  });

  test("one signal may end any number of calls, without a warning", async () => {
    const warnings: Error[] = [];
    const listener = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listener);
    server.override("receiveMessage", () => new Promise(() => undefined));
    const abort = new AbortController();
    const queue = connect().queue("orders");
    const calls = Array.from({ length: 30 }, () => queue.receive({ signal: abort.signal }));
    const ended = Promise.allSettled(calls);
    setTimeout(() => abort.abort(new Error("enough")), 50);
    expect((await ended).every(({ status }) => status === "rejected")).toBe(true);
    process.off("warning", listener);
    expect(warnings).toEqual([]);
  });

  test("an aborted signal makes no call at all", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(connect().queue("orders").send("x", { signal })).rejects.toThrow("too late");
    await expect(connect().queue("orders").exists({ signal })).rejects.toThrow("too late");
    expect(server.calls).toEqual([]);
  });
});

describe("repetition", () => {
  test("a send whose answer was lost is repeated with the same request id", async () => {
    server.fail("sendMessage", unavailable, unavailable);
    await connect().queue("orders").send("once");
    const ids = server
      .callsOf<SendMessageRequest>("sendMessage")
      .map(({ request }) => request.requestId);
    expect(ids).toHaveLength(3);
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toMatch(/^[0-9a-f-]{36}$/);
  });

  test("two sends have two request ids", async () => {
    const queue = connect({ batching: false }).queue("orders");
    await queue.send("one");
    await queue.send("two");
    const calls = server.callsOf<SendMessageRequest>("sendMessage");
    expect(calls[0]?.request.requestId).not.toBe(calls[1]?.request.requestId);
  });

  test("a method that is called by its definition gets a request id, and is repeated with it", async () => {
    const { createQueue, getQueueUrl } = QueueServiceDefinition.methods;
    const client = connect();
    server.fail("createQueue", unavailable);
    const orders = CreateQueueRequest.create({ queue: "orders" });
    expect(await client.call(createQueue, orders)).toMatchObject({ queue: "orders" });
    await client.call(createQueue, { ...orders, requestId: "mine" });
    const [first, repeated, named] = server
      .callsOf<CreateQueueRequest>("createQueue")
      .map(({ request }) => request.requestId);
    expect(first).toMatch(/^[0-9a-f-]{36}$/);
    expect(repeated).toBe(first);
    expect(named).toBe("mine");
    expect(orders.requestId).toBe("");
    const none = GetQueueUrlRequest.create({ queue: "none" });
    server.fail("getQueueUrl", { code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" });
    await expect(client.call(getQueueUrl, none)).rejects.toMatchObject({
      reason: "QUEUE_NOT_FOUND",
    });
    const { getBit } = BitmapServiceDefinition.methods;
    await expect(
      client.call(getBit, getBit.requestType.create({ cache: "default" })),
    ).rejects.toThrow("GetBit is a method of no known service");
  });

  test("a create is repeated, with the caller's request id if there is one", async () => {
    server.fail("createQueue", unavailable);
    await connect().createQueue("orders", { requestId: "mine" });
    const calls = server.callsOf<CreateQueueRequest>("createQueue");
    expect(calls.map(({ request }) => request.requestId)).toEqual(["mine", "mine"]);
  });

  test("a receive is repeated only with a request id", async () => {
    const queue = connect().queue("orders");
    server.fail("receiveMessage", unavailable);
    await expect(queue.receive({ waitTimeMs: 0 })).rejects.toMatchObject({
      reason: "CONNECTION_LOST",
    });
    expect(server.callsOf("receiveMessage")).toHaveLength(1);
    server.fail("receiveMessage", unavailable);
    await queue.receive({ waitTimeMs: 0, requestId: "r1" });
    expect(server.callsOf("receiveMessage")).toHaveLength(3);
  });

  test("a receive with an attempt id is repeated with the same", async () => {
    server.fail("receiveMessage", unavailable);
    await connect().queue("orders.fifo").receive({ waitTimeMs: 0, receiveAttemptId: "a1" });
    const calls = server.callsOf<ReceiveMessageRequest>("receiveMessage");
    expect(calls.map(({ request }) => request.receiveAttemptId)).toEqual(["a1", "a1"]);
  });

  test("a move and a permission are repeated with the same request id, which the caller may give", async () => {
    const queue = connect().queue("dead");
    server.override("startMessageMoveTask", () => ({ taskHandle: "t1", replayed: true }));
    server.override("addPermission", () => ({}));
    server.fail("startMessageMoveTask", unavailable);
    server.fail("addPermission", unavailable);
    await queue.startMove();
    await queue.addPermission(
      { label: "l", principals: ["key:a"], actions: ["*"] },
      { requestId: "mine" },
    );
    const moves = server.callsOf<StartMessageMoveTaskRequest>("startMessageMoveTask");
    expect(moves).toHaveLength(2);
    expect(moves[0]?.request.requestId).toMatch(/^[0-9a-f-]{36}$/);
    expect(moves[1]?.request.requestId).toBe(moves[0]?.request.requestId);
    const permissions = server.callsOf<AddPermissionRequest>("addPermission");
    expect(permissions.map(({ request }) => request.requestId)).toEqual(["mine", "mine"]);
  });

  test("what would not be the same twice is not repeated when lost: cancelling a scheduled message", async () => {
    server.fail("cancelScheduledMessage", unavailable);
    await expect(connect().queue("orders").cancelScheduledMessage("m1")).rejects.toMatchObject({
      reason: "CONNECTION_LOST",
    });
    expect(server.calls).toHaveLength(1);
  });

  test("an idempotent call is repeated by the channel, as the service config says", async () => {
    server.fail("getQueueUrl", unavailable, unavailable);
    expect(await connect().queue("orders").exists()).toBe(true);
    const attempts = server.calls.map(({ metadata }) => metadata.get("grpc-previous-rpc-attempts"));
    expect(attempts).toEqual([[], ["1"], ["2"]]);
  });

  test("a refused call is repeated although it changes something", async () => {
    server.fail("receiveMessage", { code: status.RESOURCE_EXHAUSTED, reason: "COMMIT_BACKLOG" });
    expect(await connect().queue("orders").receive({ waitTimeMs: 0 })).toEqual([]);
    expect(server.callsOf("receiveMessage")).toHaveLength(2);
  });

  test("no other failure is repeated", async () => {
    server.fail("sendMessage", { code: status.NOT_FOUND, reason: "QUEUE_NOT_FOUND" });
    await expect(connect().queue("orders").send("x")).rejects.toMatchObject({
      reason: "QUEUE_NOT_FOUND",
    });
    expect(server.calls).toHaveLength(1);
  });

  test("nothing is repeated when the client is told so", async () => {
    server.fail("getQueueUrl", unavailable);
    await expect(connect({ retry: false }).queue("orders").exists()).rejects.toBeInstanceOf(
      ConnectionError,
    );
    expect(server.calls).toHaveLength(1);
  });

  test("repetition ends at the deadline with what stood in the way", async () => {
    const queue = connect({ timeoutMs: 700 }).queue("orders");
    await queue.exists();
    server.kill();
    const startedMs = Date.now();
    const error = await queue.send("x").catch((thrown) => thrown);
    expect(error).toBeInstanceOf(ForebayError);
    expect(`${error.message}`).toContain("connection refused");
    expect(Date.now() - startedMs).toBeLessThan(1_500);
  });

  test("a send survives a restart of the server", async () => {
    const queue = connect().queue("orders");
    await queue.send("before");
    server.kill();
    const send = queue.send("during");
    setTimeout(() => void server.listen(), 600);
    await send;
    expect(server.bodies()).toEqual(["before", "during"]);
  });

  test("a delete survives a restart longer than the channel's own repetitions", async () => {
    const queue = connect().queue("orders");
    await queue.exists();
    server.kill();
    const deleted = queue.delete("gone#1");
    setTimeout(() => void server.listen(), 3_000);
    expect(await deleted).toBe("ALREADY_GONE");
  });
});

describe("the client", () => {
  test("refuses an endpoint that is none, and times that are none", () => {
    expect(() => new ForebayClient({ endpoint: "http://127.0.0.1:7400" })).toThrow("web address");
    expect(() => new ForebayClient({ endpoint: "" })).toThrow("empty");
    expect(() => new ForebayClient({ endpoint: "host:99999" })).toThrow("65535");
    expect(() => new ForebayClient({ timeoutMs: 0 })).toThrow(RangeError);
  });

  test("takes its endpoint from the environment, and port 7400 where none is named", () => {
    const before = process.env["FOREBAY_ENDPOINT"];
    process.env["FOREBAY_ENDPOINT"] = "queues.example";
    try {
      expect(connect({ endpoint: undefined }).endpoint).toBe("queues.example:7400");
    } finally {
      if (before === undefined) delete process.env["FOREBAY_ENDPOINT"];
      else process.env["FOREBAY_ENDPOINT"] = before;
    }
  });

  test("finishes joined sends when closed, and refuses later calls", async () => {
    const client = connect();
    const queue = client.queue("orders");
    const sends = Promise.all(Array.from({ length: 25 }, (_, index) => queue.send(`${index}`)));
    await client.close();
    await sends;
    expect(server.stored.size).toBe(25);
    await expect(queue.exists()).rejects.toMatchObject({ reason: "CLIENT_CLOSED" });
    await expect(queue.send("late")).rejects.toMatchObject({ reason: "CLIENT_CLOSED" });
    for (const open of [() => queue.producer(), () => queue.consume(), () => queue.work(() => 0)]) {
      expect(open).toThrow("closed");
    }
  });
});
