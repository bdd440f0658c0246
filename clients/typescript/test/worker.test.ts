// The worker: acks what returned, gives back what threw, renews leases, stops without losing anything.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type {
  ChangeMessageVisibilityBatchRequest,
  ChangeMessageVisibilityRequest,
  ReceiveMessageRequest,
  RejectMessageRequest,
} from "../gen/forebay/queue/v1/queue_service.js";
import {
  ForebayClient,
  type Queue,
  type ReceivedMessage,
  Reject,
  Retry,
  type WorkerOptions,
} from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let queue: Queue;
let errors: { readonly error: unknown; readonly message: ReceivedMessage | undefined }[];
let options: WorkerOptions;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  queue = client.queue("orders");
  errors = [];
  options = { waitTimeMs: 1_000, onError: (error, message) => errors.push({ error, message }) };
});

afterEach(async () => {
  await client.close();
  server.kill();
});

test("what the handler returns from is deleted", async () => {
  const bodies = Array.from({ length: 30 }, (_, index) => `${index}`);
  await Promise.all(bodies.map((body) => queue.send(body)));
  const seen: string[] = [];
  const worker = queue.work((message) => {
    seen.push(message.text);
  }, options);
  await until(() => server.stored.size === 0);
  await worker.stop();
  expect(seen.sort()).toEqual(bodies.sort());
  expect(errors).toEqual([]);
});

test("at most `concurrency` handlers run at once, and no more is received", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => queue.send(`${index}`)));
  let running = 0;
  let runningMax = 0;
  const worker = queue.work(
    async () => {
      running += 1;
      runningMax = Math.max(runningMax, running);
      expect(worker.inHandCount).toBeLessThanOrEqual(20);
      await sleep(10);
      running -= 1;
    },
    { ...options, concurrency: 3 },
  );
  await until(() => server.stored.size === 0);
  await worker.stop();
  expect(runningMax).toBe(3);
  for (const { request } of server.callsOf<ReceiveMessageRequest>("receiveMessage")) {
    expect(request.maxMessages).toBeLessThanOrEqual(3);
  }
});

test("what the handler throws on comes back, later with every receive, and is reported", async () => {
  await queue.send("poison");
  let runs = 0;
  const worker = queue.work(
    () => {
      runs += 1;
      throw new Error("cannot");
    },
    { ...options, backoff: { initialMs: 100, maxMs: 400 } },
  );
  await until(() => runs === 4);
  await worker.stop();
  const delays = server
    .callsOf<ChangeMessageVisibilityRequest>("changeMessageVisibility")
    .map(({ request }) => (request.visibilityTimeout?.nanos ?? 0) / 1e6);
  // Half to all of 100, 200, 400 and again 400 ms.
  for (const [index, fullMs] of [100, 200, 400, 400].entries()) {
    expect(delays[index]).toBeGreaterThanOrEqual(fullMs / 2);
    expect(delays[index]).toBeLessThanOrEqual(fullMs);
  }
  expect(errors[0]).toMatchObject({ error: { message: "cannot" }, message: { body: "poison" } });
});

test("Retry says itself when", async () => {
  await queue.send("later");
  const worker = queue.work(() => {
    throw new Retry(77_000);
  }, options);
  await until(() => server.callsOf("changeMessageVisibility").length === 1);
  await worker.stop();
  const [changed] = server.callsOf<ChangeMessageVisibilityRequest>("changeMessageVisibility");
  expect(changed?.request.visibilityTimeout).toEqual({ seconds: 77n, nanos: 0 });
});

test("Reject dead-letters at once, with its reason", async () => {
  server.deadLetterQueue = "orders-dead";
  await queue.send("never");
  const worker = queue.work(() => {
    throw new Reject("bad_invoice", { cause: new Error("no total") });
  }, options);
  await until(() => server.stored.size === 0);
  await worker.stop();
  expect(server.callsOf<RejectMessageRequest>("rejectMessage")).toMatchObject([
    {
      request: {
        queue: "orders",
        reason: "bad_invoice",
        error: expect.stringContaining("no total"),
        delay: undefined,
        deadLetter: true,
      },
    },
  ]);
  expect(errors).toMatchObject([{ error: { name: "Reject" }, message: { text: "never" } }]);
});

test("Reject gives back later, with its reason, where there is no dead-letter queue", async () => {
  await queue.send("never");
  const worker = queue.work(
    () => {
      throw new Reject("bad_invoice");
    },
    { ...options, backoff: { initialMs: 60_000, maxMs: 60_000 } },
  );
  await until(() => server.callsOf("rejectMessage").length === 2);
  await worker.stop();
  const [, second] = server.callsOf<RejectMessageRequest>("rejectMessage");
  expect(second?.request).toMatchObject({ reason: "bad_invoice", deadLetter: false });
  expect(Number(second?.request.delay?.seconds)).toBeGreaterThanOrEqual(30);
  // That there is none is no error: only the handler's own is told.
  expect(errors).toMatchObject([{ error: { name: "Reject" } }]);
  expect(server.stored.size).toBe(1);
});

describe("on a FIFO queue", () => {
  beforeEach(() => {
    queue = client.queue("orders.fifo");
  });

  const send = (groupId: string, ...bodies: string[]) =>
    Promise.all(bodies.map((body) => queue.send(body, { groupId, dedupId: body })));

  test("the messages of a group are processed one at a time and in order, groups side by side", async () => {
    await Promise.all([send("a", "a1", "a2", "a3"), send("b", "b1", "b2", "b3")]);
    const running = new Map<string | undefined, number>();
    const seen: string[] = [];
    let sideBySide = 0;
    const worker = queue.work(async ({ text, groupId }) => {
      expect(running.get(groupId) ?? 0).toBe(0);
      running.set(groupId, 1);
      sideBySide = Math.max(sideBySide, [...running.values()].filter((count) => count > 0).length);
      await sleep(20);
      running.set(groupId, 0);
      seen.push(text);
    }, options);
    await until(() => server.stored.size === 0);
    await worker.stop();
    expect(seen.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2", "a3"]);
    expect(seen.filter((text) => text.startsWith("b"))).toEqual(["b1", "b2", "b3"]);
    expect(sideBySide).toBe(2);
    expect(errors).toEqual([]);
  });

  test("what is behind a message that was not processed comes again after it", async () => {
    await send("a", "a1", "a2", "a3");
    const seen: string[] = [];
    const worker = queue.work(
      ({ text }) => {
        seen.push(text);
        if (text === "a2" && seen.length === 2) throw new Error("not now");
      },
      { ...options, backoff: { initialMs: 100, maxMs: 100 } },
    );
    await until(() => server.stored.size === 0);
    await worker.stop();
    expect(seen).toEqual(["a1", "a2", "a2", "a3"]);
  });

  test("a group that is given back leaves its place to others", async () => {
    await send("a", "a1", "a2");
    let running = 0;
    const worker = queue.work(
      async ({ groupId }) => {
        if (groupId === "a") throw new Error("not now");
        running += 1;
        await until(() => running === 2);
      },
      { ...options, concurrency: 2, backoff: { initialMs: 60_000, maxMs: 60_000 } },
    );
    await until(() => errors.length === 1 && worker.inHandCount === 0);
    await Promise.all([send("b", "b1"), send("c", "c1")]);
    await until(() => server.stored.size === 2);
    await worker.stop();
  });

  test("a dead letter leaves its group, which goes on", async () => {
    server.deadLetterQueue = "dead.fifo";
    await send("a", "a1", "a2");
    const seen: string[] = [];
    const worker = queue.work(({ text, receiveCount }) => {
      seen.push(`${text}#${receiveCount}`);
      if (text === "a1") throw new Reject("hopeless");
    }, options);
    await until(() => server.stored.size === 0);
    await worker.stop();
    // In one receive: "a2" was not given back for it.
    expect(seen).toEqual(["a1#1", "a2#1"]);
  });

  test("a message whose delete was refused holds up those behind it", async () => {
    await send("a", "a1", "a2");
    server.fail("deleteMessage", { code: 9, reason: "RECEIPT_HANDLE_EXPIRED" });
    const seen: string[] = [];
    const worker = queue.work(
      ({ text, receiveCount }) => {
        seen.push(`${text}#${receiveCount}`);
        // Its lease ended meanwhile, so that it comes again.
        if (seen.length === 1) for (const stored of server.stored.values()) stored.visibleAtMs = 0;
      },
      { ...options, concurrency: 1 },
    );
    await until(() => server.stored.size === 0);
    await worker.stop();
    expect(seen.slice(0, 2)).toEqual(["a1#1", "a1#2"]);
    expect(seen.at(-1)).toMatch(/^a2/);
  });

  test("stop starts nothing more of a group and gives back what waits", async () => {
    await send("a", "a1", "a2", "a3");
    let runs = 0;
    const worker = queue.work(async () => {
      runs += 1;
      await sleep(100);
    }, options);
    await until(() => runs === 1);
    expect(worker.inHandCount).toBe(3);
    await worker.stop();
    expect(runs).toBe(1);
    expect(server.visible().map(({ message }) => message.body?.value)).toEqual(["a2", "a3"]);
  });

  test("as many groups run as `concurrency` says, however many messages wait", async () => {
    await Promise.all(["a", "b", "c"].map((group) => send(group, `${group}1`, `${group}2`)));
    let running = 0;
    let runningMax = 0;
    const worker = queue.work(
      async () => {
        running += 1;
        runningMax = Math.max(runningMax, running);
        await sleep(30);
        running -= 1;
      },
      { ...options, concurrency: 2 },
    );
    await until(() => server.stored.size === 0);
    await worker.stop();
    expect(runningMax).toBe(2);
  });
});

test("leases are renewed while handlers run, whatever happens to single renewals", async () => {
  await queue.send("long");
  server.fail(
    "changeMessageVisibilityBatch",
    { code: status.INTERNAL, reason: "RECORD_CORRUPT" },
    { code: status.INTERNAL, reason: "RECORD_CORRUPT" },
  );
  let runs = 0;
  const worker = queue.work(
    async () => {
      runs += 1;
      await sleep(2_500);
    },
    { ...options, visibilityTimeoutMs: 1_000, heartbeatMs: 200 },
  );
  await until(() => server.stored.size === 0);
  await worker.stop();
  expect(runs).toBe(1);
  const renewals = server.callsOf<ChangeMessageVisibilityBatchRequest>(
    "changeMessageVisibilityBatch",
  );
  expect(renewals.length).toBeGreaterThan(8);
  expect(errors).toMatchObject([
    { error: { reason: "RECORD_CORRUPT" }, message: undefined },
    { error: { reason: "RECORD_CORRUPT" }, message: undefined },
  ]);
});

test("a handler is told when its lease is gone", async () => {
  await queue.send("x");
  let reason: unknown;
  const worker = queue.work(
    async (_, { signal }) => {
      server.stored.clear();
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reason = signal.reason;
    },
    { ...options, heartbeatMs: 100 },
  );
  await until(() => reason !== undefined);
  expect(reason).toMatchObject({ reason: "MESSAGE_NOT_FOUND" });
  await worker.stop();
});

test("stop waits for what runs and receives nothing more", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  let done = 0;
  const worker = queue.work(
    async () => {
      await sleep(300);
      done += 1;
    },
    { ...options, concurrency: 1 },
  );
  await until(() => worker.inHandCount === 1);
  await worker.stop();
  expect(done).toBe(1);
  expect(server.stored.size).toBe(1);
  await worker.stopped;
});

test("stop gives back what takes longer than it waits, and tells its handler", async () => {
  await queue.send("slow");
  let wasTold = false;
  const worker = queue.work(
    (_, { signal }) =>
      new Promise<void>((resolve) => {
        signal.addEventListener("abort", () => {
          wasTold = true;
          resolve();
        });
      }),
    { ...options, stopTimeoutMs: 100 },
  );
  await until(() => worker.inHandCount === 1);
  await worker.stop();
  expect(wasTold).toBe(true);
  await sleep(50);
  // The handler returned after the message was given back, which must not delete it.
  expect(server.visible()).toHaveLength(1);
});

test("a waiting receive does not hold up a stop, nor does a signal", async () => {
  const abort = new AbortController();
  const worker = queue.work(() => undefined, {
    ...options,
    waitTimeMs: 20_000,
    signal: abort.signal,
  });
  await until(() => server.callsOf("receiveMessage").length === 1);
  const startedMs = Date.now();
  abort.abort();
  await worker.stopped;
  expect(Date.now() - startedMs).toBeLessThan(5_000);
  expect(errors).toEqual([]);
});

test("a restart of the server is survived: what is in hand is deleted, what is left is received", async () => {
  await Promise.all(Array.from({ length: 20 }, (_, index) => queue.send(`${index}`)));
  const seen: string[] = [];
  const worker = queue.work(
    async (message) => {
      seen.push(message.text);
      await sleep(100);
    },
    { ...options, concurrency: 5 },
  );
  await until(() => seen.length >= 5);
  server.kill();
  await sleep(500);
  await server.listen();
  await until(() => server.stored.size === 0);
  await worker.stop();
  expect(seen.length).toBe(20);
  expect(errors.length).toBeGreaterThan(0);
});

test("a worker started before its server waits for it", async () => {
  const { port } = server;
  server.kill();
  let seen = 0;
  const worker = queue.work(() => {
    seen += 1;
  }, options);
  await until(() => errors.length > 0);
  await server.listen(port);
  await queue.send("x");
  await until(() => seen === 1);
  await worker.stop();
});

test("a hook that throws stops nothing", async () => {
  await Promise.all(["1", "2"].map((body) => queue.send(body)));
  const seen: string[] = [];
  const worker = queue.work(
    (message) => {
      seen.push(message.text);
      if (message.text === "1") throw new Error("cannot");
    },
    {
      ...options,
      onError: () => {
        throw new Error("the hook is broken too");
      },
    },
  );
  await until(() => seen.includes("2") && server.stored.size === 1);
  await worker.stop();
});

test("options out of range are refused with their range", () => {
  expect(() => queue.work(() => undefined, { concurrency: 0 })).toThrow("1 to 10000");
  expect(() => queue.work(() => undefined, { visibilityTimeoutMs: 999 })).toThrow("1000");
  expect(() => queue.work(() => undefined, { heartbeatMs: 60_000 })).toThrow("30000");
});

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5);
}
