// What every call can rely on, whatever its handler: typed details, honest codes, no text of ours to strangers, cancellation
// that is told, streams that honour backpressure. Over real sockets, with a service made for the purpose.

import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from "node:http2";
import { type handleUnaryCall, Server, ServerCredentials, status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createMetrics } from "../../src/edge/metrics.js";
import { timeoutMsOf } from "../../src/edge/stream-gate.js";
import type { ProduceResponse } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { GetQueueUrlRequest } from "../../src/gen/forebay/queue/v1/queue_service.js";
import type { CallContext } from "../../src/rpc/call.js";
import { statusObjectOf, statusOf, WireFault } from "../../src/rpc/status-details.js";
import {
  collect,
  type EdgeServer,
  failureOf,
  failureOfCall,
  produceRequest,
  startEdge,
} from "../support/edge.js";

let edge: EdgeServer;
beforeEach(async () => {
  edge = await startEdge({
    translateError: (error) =>
      error instanceof RangeError
        ? new WireFault({
            code: status.RESOURCE_EXHAUSTED,
            reason: "STORAGE_FULL",
            message: "Full.",
          })
        : undefined,
  });
});
afterEach(async () => {
  await edge.close();
});

const unaryPath = "/forebay.test.EchoService/Unary";
const urlRequest = (queue: string) => GetQueueUrlRequest.encode({ queue }).finish();

/** Opens a call past any client library, which would check what it sends and read what it gets. */
function openRawCall(
  path: string,
  message: Uint8Array,
  headers: OutgoingHttpHeaders = {},
): { readonly session: ClientHttp2Session; readonly stream: ClientHttp2Stream } {
  const session = connectHttp2(`http://127.0.0.1:${edge.address.port}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    te: "trailers",
    "content-type": "application/grpc",
    ...headers,
  });
  stream.on("error", () => undefined);
  stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]));
  return { session, stream };
}

describe("a call that fails", () => {
  test("tells reason, metadata and details", async () => {
    edge.handlers.unary = () => {
      throw new WireFault({
        code: status.NOT_FOUND,
        reason: "QUEUE_NOT_FOUND",
        message: "There is no queue orders.",
        metadata: { queue: "orders" },
        resource: { type: "queue", name: "orders" },
      });
    };
    expect(await failureOfCall(edge.client().unary("orders"))).toEqual({
      code: "NOT_FOUND",
      message: "There is no queue orders.",
      reason: "QUEUE_NOT_FOUND",
      metadata: { queue: "orders" },
      details: ["ErrorInfo", "ResourceInfo"],
      pushbackMs: undefined,
    });
  });

  test("tells nothing of a bug but an incident, under which the log has the rest", async () => {
    edge.handlers.unary = () => Promise.reject(new TypeError("secret of /var/lib"));
    const failure = await failureOfCall(edge.client().unary("orders"));
    expect(failure).toMatchObject({ code: "INTERNAL", reason: "INTERNAL_ERROR" });
    expect(failure.message).not.toContain("secret");
    const incident = failure.metadata["incident"];
    expect(failure.message).toContain(`incident ${incident}.`);
    expect(edge.logged).toContainEqual({
      level: "error",
      message: "call failed",
      fields: expect.objectContaining({
        service: "forebay.test.EchoService",
        method: "Unary",
        code: "INTERNAL",
        incident,
        err: expect.objectContaining({ message: "secret of /var/lib" }),
      }),
    });
  });

  test("tells a fault of the floors below as it was translated", async () => {
    edge.handlers.unary = () => {
      throw new RangeError("MDB_MAP_FULL");
    };
    expect(await failureOfCall(edge.client().unary("orders"))).toMatchObject({
      code: "RESOURCE_EXHAUSTED",
      reason: "STORAGE_FULL",
    });
  });

  test("is counted under its code and reason", async () => {
    edge.handlers.unary = ({ queue }) => {
      if (queue === "") throw new WireFault({ code: status.NOT_FOUND, reason: "A", message: "a" });
      return { queue };
    };
    const client = edge.client();
    await client.unary("x");
    await client.unary("y");
    await failureOfCall(client.unary(""));
    const text = await edge.metrics.render();
    const labels = 'service="forebay.test.EchoService",method="Unary"';
    expect(text).toContain(`forebay_rpc_requests_total{${labels},code="OK",reason=""} 2\n`);
    expect(text).toContain(`forebay_rpc_requests_total{${labels},code="NOT_FOUND",reason="A"} 1\n`);
    expect(text).toContain(`forebay_rpc_duration_seconds_count{${labels}} 3\n`);
    expect(text).toContain(`forebay_rpc_in_flight{${labels}} 0\n`);
  });
});

describe("bytes that are no message answer INVALID_ARGUMENT / MALFORMED_REQUEST", () => {
  const malformed = { code: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" };

  test.each([
    ["cut short", Buffer.from([0x0a, 0x05, 0x61])],
    ["an endless number", Buffer.from([0x0a, ...Array.from({ length: 12 }, () => 0xff)])],
    ["a field number of 0", Buffer.from([0x00, 0x01])],
    ["an end of group without a begin", Buffer.from([0x0c, 0x0a, 0x00])],
    ["text that is not UTF-8", Buffer.from([0x0a, 0x02, 0xc3, 0x28])],
  ])("%s, in a unary call", async (_, bytes) => {
    let callCount = 0;
    edge.handlers.unary = () => {
      callCount += 1;
      return { queue: "" };
    };
    expect(await failureOfCall(edge.client().raw(unaryPath, bytes))).toMatchObject(malformed);
    expect(callCount).toBe(0);
    expect(await edge.client().unary("unharmed")).toEqual({ queue: "" });
  });

  test("in a call that streams its answer", async () => {
    const { failure } = await collect(edge.client().serverStream(Buffer.from([0x0a, 0x05])));
    expect(failure).toMatchObject(malformed);
  });

  test("in the middle of a stream, after what was answered before", async () => {
    const stream = edge.client().bidi();
    const ended = collect<ProduceResponse>(stream);
    stream.write(produceRequest(1));
    stream.write(Buffer.from([0x12, 0x7f]));
    stream.write(produceRequest(2));
    const { responses, failure } = await ended;
    expect(responses.map(({ firstIndex }) => firstIndex)).toEqual([1n]);
    expect(failure).toMatchObject(malformed);
  });

  test("but unknown fields are skipped, as newer clients may send them", async () => {
    const bytes = Buffer.concat([urlRequest("orders"), Buffer.from([0xf8, 0x3f, 0x01])]);
    expect(await edge.client().raw(unaryPath, bytes)).toEqual({ queue: "orders" });
  });
});

test("a message above 4 MiB is refused, one of exactly 4 MiB is not", async () => {
  edge.handlers.unary = ({ queue }) => ({ queue: String(queue.length) });
  // Five bytes of tag and length precede the text.
  const largest = 4 * 1_048_576 - 5;
  const client = edge.client();
  expect(await client.unary("x".repeat(largest))).toEqual({ queue: String(largest) });
  expect(await failureOfCall(client.unary("x".repeat(largest + 1)))).toMatchObject({
    code: "RESOURCE_EXHAUSTED",
  });
});

describe("an unknown method", () => {
  test.each(["/forebay.test.EchoService/Nope", "/no.such.Service/Unary"])(
    "%s answers UNIMPLEMENTED with details, and its name is not repeated",
    async (path) => {
      const failure = await failureOfCall(edge.client().raw(path, Buffer.alloc(0)));
      expect(failure).toMatchObject({ code: "UNIMPLEMENTED", reason: "UNKNOWN_METHOD" });
      expect(failure.message).not.toMatch(/Nope|no\.such/);
      expect(await edge.metrics.render()).toContain(
        'forebay_rpc_requests_total{service="_unknown",method="_unknown",code="UNIMPLEMENTED",reason="UNKNOWN_METHOD"} 1\n',
      );
    },
  );
});

describe("the caller's timeout", () => {
  /** Calls with a timeout as written, past any client library that would check it. */
  function callWithTimeout(timeout: string): Promise<Readonly<Record<string, unknown>>> {
    const { session, stream } = openRawCall(unaryPath, urlRequest("orders"), {
      "grpc-timeout": timeout,
    });
    return new Promise((resolve) => {
      let received: Readonly<Record<string, unknown>> = {};
      stream.on("response", (headers) => {
        received = headers;
      });
      stream.on("trailers", (trailers) => {
        received = trailers;
      });
      stream.on("close", () => {
        session.close();
        resolve(received);
      });
      stream.resume();
    });
  }

  test.each(["-5S", "5", "S", "123456789S", "5s", "5 S", "5S5S", "0x5S"])(
    "%s is refused",
    async (timeout) => {
      expect(await callWithTimeout(timeout)).toMatchObject({
        "grpc-status": String(status.INVALID_ARGUMENT),
      });
    },
  );

  test.each(["0n", "0S"])("%s is spent, and the handler is not called", async (timeout) => {
    let callCount = 0;
    edge.handlers.unary = () => {
      callCount += 1;
      return { queue: "" };
    };
    expect(await callWithTimeout(timeout)).toMatchObject({
      "grpc-status": String(status.DEADLINE_EXCEEDED),
    });
    expect(callCount).toBe(0);
  });

  // 597 h and more wrap around at 32 bits of milliseconds inside grpc-js.
  test.each(["10S", "597H", "99999999H", "99999999S"])("%s lies ahead", async (timeout) => {
    expect(await callWithTimeout(timeout)).toMatchObject({ "grpc-status": "0" });
  });

  test("is understood in all units", () => {
    expect(["2H", "3M", "4S", "5m", "6u", "7n"].map(timeoutMsOf)).toEqual([
      7_200_000, 180_000, 4_000, 5, 0.006, 0.000007,
    ]);
  });

  test("is told to handlers in server time", async () => {
    const seen: (number | undefined)[] = [];
    edge.handlers.unary = ({ queue }, context) => {
      seen.push(context.deadline);
      return { queue };
    };
    const beforeMs = Date.now();
    await edge.client().unary("orders", { deadlineMs: 5_000 });
    expect(seen[0]).toBeGreaterThan(beforeMs + 4_000);
    expect(seen[0]).toBeLessThan(beforeMs + 6_000);
  });
});

describe("a call nobody waits for any more", () => {
  interface Seen {
    readonly context: CallContext;
    readonly reactions: string[];
  }

  /** A handler that waits until it is cancelled. */
  function waitForCancellation(): Promise<Seen> {
    return new Promise((resolve) => {
      edge.handlers.unary = (_, context) =>
        new Promise((answer) => {
          const reactions: string[] = [];
          context.onCancelled(() => {
            reactions.push("cancelled");
            answer({ queue: "too late" });
          });
          resolve({ context, reactions });
        });
    });
  }

  test("because its deadline passed, tells its handler", async () => {
    const seen = waitForCancellation();
    const failure = failureOfCall(edge.client().unary("orders", { deadlineMs: 200 }));
    const { context, reactions } = await seen;
    expect(context.isCancelled).toBe(false);
    expect(await failure).toMatchObject({ code: "DEADLINE_EXCEEDED" });
    await expect.poll(() => reactions).toEqual(["cancelled"]);
    expect(context.isCancelled).toBe(true);
    expect(await edge.metrics.render()).toMatch(
      /code="(?:DEADLINE_EXCEEDED|CANCELLED)",reason=""} 1/,
    );
    expect(edge.logged).toEqual([]);
  });

  test("because its connection broke, tells its handler", async () => {
    const seen = waitForCancellation();
    const { session } = openRawCall(unaryPath, urlRequest("orders"));
    const { context, reactions } = await seen;
    session.destroy();
    await expect.poll(() => reactions).toEqual(["cancelled"]);
    expect(context.isCancelled).toBe(true);
  });

  test("runs a reaction at once when it is cancelled already, and none after the answer", async () => {
    const late: string[] = [];
    const seen = waitForCancellation();
    const failure = failureOfCall(edge.client().unary("orders", { deadlineMs: 100 }));
    const { context, reactions } = await seen;
    await failure;
    await expect.poll(() => reactions).toEqual(["cancelled"]);
    context.onCancelled(() => late.push("after the answer"));
    expect(late).toEqual([]);
  });

  test("does not disturb an answered one: its reactions never run", async () => {
    const reactions: string[] = [];
    edge.handlers.unary = ({ queue }, context) => {
      context.onCancelled(() => reactions.push("cancelled"));
      return { queue };
    };
    await edge.client().unary("orders");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(reactions).toEqual([]);
  });
});

describe("a stream", () => {
  test("answers in order and ends when its caller has", async () => {
    const stream = edge.client().bidi();
    const ended = collect<ProduceResponse>(stream);
    for (const count of [3, 1, 2]) stream.write(produceRequest(count));
    stream.end();
    const { responses, failure } = await ended;
    expect(failure).toBeUndefined();
    expect(responses.map(({ firstIndex }) => firstIndex)).toEqual([3n, 1n, 2n]);
  });

  test("ends with a fault after what was written before it", async () => {
    edge.handlers.serverStream = ({ queue }, stream) => {
      for (let count = 0; count < 100; count += 1) stream.write({ queue });
      stream.fail(
        new WireFault({
          code: status.UNAVAILABLE,
          reason: "SHUTTING_DOWN",
          message: "The server is stopping.",
          retryAfterMs: 1_000,
        }),
      );
      expect(stream.write({ queue })).toBe(true);
      stream.end();
      stream.fail(new Error("ignored"));
    };
    const { responses, failure } = await collect(edge.client().serverStream(urlRequest("orders")));
    expect(responses).toHaveLength(100);
    expect(failure).toMatchObject({
      code: "UNAVAILABLE",
      reason: "SHUTTING_DOWN",
      details: ["ErrorInfo", "RetryInfo"],
    });
    expect(Number(failure?.pushbackMs)).toBeGreaterThanOrEqual(1_000);
    expect(Number(failure?.pushbackMs)).toBeLessThanOrEqual(1_500);
    const text = await edge.metrics.render();
    expect(text).toContain('method="ServerStream",code="UNAVAILABLE",reason="SHUTTING_DOWN"} 1\n');
    expect(text).toContain(
      'forebay_rpc_in_flight{service="forebay.test.EchoService",method="ServerStream"} 0\n',
    );
  });

  test("whose handler throws ends INTERNAL, at once or in a reaction", async () => {
    edge.handlers.bidi = (stream) => {
      stream.onRequest(() => {
        throw new TypeError("in a reaction");
      });
    };
    const stream = edge.client().bidi();
    const ended = collect(stream);
    stream.write(produceRequest(1));
    expect((await ended).failure).toMatchObject({ code: "INTERNAL" });
    edge.handlers.serverStream = () => {
      throw new TypeError("at once");
    };
    const { failure } = await collect(edge.client().serverStream(urlRequest("orders")));
    expect(failure).toMatchObject({ code: "INTERNAL" });
    expect(edge.logged.map(({ fields }) => String(fields["err"]))).toEqual([
      "TypeError: in a reaction",
      "TypeError: at once",
    ]);
  });

  test("tells a writer to wait for a reader that does not read, and when to go on", async () => {
    const steps: string[] = [];
    edge.handlers.serverStream = (_, stream) => {
      const chunk = { queue: "x".repeat(64_000) };
      const writeOn = (left: number): void => {
        for (let count = left; count > 0; count -= 1) {
          if (stream.write(chunk)) continue;
          steps.push("wait");
          stream.drained().then(
            () => writeOn(count - 1),
            () => steps.push("never"),
          );
          return;
        }
        stream.end();
      };
      writeOn(200);
    };
    const { session, stream } = openRawCall(
      "/forebay.test.EchoService/ServerStream",
      urlRequest("orders"),
    );
    // What the windows and buffers on the way hold has left; then the writer waits.
    await new Promise((resolve) => setTimeout(resolve, 200));
    const waitedCount = steps.length;
    expect(waitedCount).toBeGreaterThan(0);
    expect(waitedCount).toBeLessThan(4);
    let receivedBytes = 0;
    stream.on("data", (chunk: Buffer) => {
      receivedBytes += chunk.length;
    });
    await once(stream, "close");
    session.close();
    expect(receivedBytes).toBeGreaterThan(200 * 64_000);
    expect(steps.length).toBeGreaterThan(waitedCount);
  });

  test("stops its caller while it does not read, and goes on when it does", async () => {
    const received: bigint[] = [];
    let resume = (): void => undefined;
    edge.handlers.bidi = (stream) => {
      stream.onRequest(({ entries }) => {
        received.push(BigInt(entries.length));
        if (received.length === 1) stream.pauseRequests();
      });
      resume = () => stream.resumeRequests();
      stream.onRequestsEnd(() => stream.end());
    };
    const stream = edge.client().bidi();
    const ended = collect(stream);
    for (let count = 0; count < 500; count += 1) stream.write(produceRequest(100));
    stream.end();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(received).toHaveLength(1);
    resume();
    await ended;
    expect(received).toHaveLength(500);
  });

  test("whose caller goes away tells its handler, and forgets what is written after", async () => {
    const events: string[] = [];
    edge.handlers.bidi = (stream, context) => {
      context.onCancelled(() => {
        events.push("cancelled");
        stream.write({ firstIndex: 0n, results: [] });
        stream.end();
        stream.fail(new Error("too late"));
      });
      stream.onRequest(() => events.push("request"));
      stream.onRequestsEnd(() => events.push("end"));
    };
    const stream = edge.client().bidi();
    stream.on("error", () => undefined);
    stream.write(produceRequest(1));
    await expect.poll(() => events).toEqual(["request"]);
    stream.cancel();
    // A client of Node half-closes before it resets.
    await expect.poll(() => events.at(-1)).toBe("cancelled");
    expect(events.filter((event) => event === "cancelled")).toHaveLength(1);
    expect(await edge.metrics.render()).toContain('method="Bidi",code="CANCELLED",reason=""} 1\n');
    expect(edge.logged).toEqual([]);
  });
});

test("of many calls on one connection none starves", async () => {
  const client = edge.client();
  let started = 0;
  let oldestOvertakenBy = 0;
  const queue = "x".repeat(1_024);
  const run = async (): Promise<void> => {
    while (started < 4_000) {
      started += 1;
      const place = started;
      await client.unary(queue);
      oldestOvertakenBy = Math.max(oldestOvertakenBy, started - place);
    }
  };
  await Promise.all(Array.from({ length: 256 }, run));
  // With HTTP/2's own windows, the 64th call was still waiting when thousands of later ones were answered.
  expect(oldestOvertakenBy).toBeLessThan(1_500);
});

test("metadata that grpc-js cannot take is not quoted in any log", async () => {
  const { session, stream } = openRawCall(unaryPath, urlRequest("orders"), {
    authorization: "Bearer s\u00e9cret",
  });
  await once(stream.resume(), "close");
  session.close();
  expect(edge.logged).toContainEqual({
    level: "warn",
    message: "grpc-js complained",
    fields: { text: expect.stringContaining("metadata entry authorization") },
  });
  expect(JSON.stringify(edge.logged)).not.toContain("cret");
});

describe("what is reached for inside grpc-js is there", () => {
  test("so that the gate, the windows and the look at a stream work", async () => {
    expect(edge.logged.filter(({ level }) => level === "warn")).toEqual([]);
    const server = new Server({ "grpc.enable_channelz": 0 }) as unknown as Record<string, unknown>;
    for (const member of ["_streamHandler", "_respondWithError", "_sessionHandler"]) {
      expect(typeof server[member]).toBe("function");
    }
    expect(typeof server["commonServerOptions"]).toBe("object");
  });

  test("and a call knows its stream, by which a reset is seen before the event that tells of it", async () => {
    const server = new Server();
    const seen = new Promise<unknown>((resolve) => {
      const decode = (bytes: Buffer): Buffer => bytes;
      const handle: handleUnaryCall<Buffer, Buffer> = (call, respond) => {
        resolve((call as unknown as { call: { stream: unknown } }).call.stream);
        respond(null, call.request);
      };
      server.register("/s/M", handle, decode, decode, "unary");
    });
    const port = await new Promise<number>((resolve, reject) => {
      const insecure = ServerCredentials.createInsecure();
      server.bindAsync("127.0.0.1:0", insecure, (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    const headers = { ":method": "POST", ":path": "/s/M", "content-type": "application/grpc" };
    session.request(headers).end(Buffer.from([0, 0, 0, 0, 1, 7]));
    expect(await seen).toMatchObject({ closed: false, destroyed: false });
    session.destroy();
    server.forceShutdown();
  });
});

describe("a fault on the wire", () => {
  test("keeps its size within what clients accept, whatever it is made of", () => {
    const huge = "é".repeat(5_000);
    const fault = new WireFault({
      code: status.INVALID_ARGUMENT,
      reason: "INVALID_PARAMETER",
      message: huge,
      metadata: { huge },
      violations: Array.from({ length: 500 }, (_, index) => ({
        field: `entries[${index}].delay`,
        description: "must be at most 900 s",
      })),
    });
    const { details, metadata } = statusObjectOf(fault);
    const [trailer] = metadata.get("grpc-status-details-bin");
    expect(details.length).toBe(1_024);
    expect(Buffer.byteLength(trailer as Buffer)).toBeLessThan(6_144);
  });

  test("can be sent even where it quotes half a character", () => {
    const fault = new WireFault({
      code: status.INVALID_ARGUMENT,
      reason: "INVALID_PARAMETER",
      message: "not allowed: \ud83d",
      metadata: { text: "\udc00" },
    });
    expect(encodeURI(statusObjectOf(fault).details)).toContain("not%20allowed");
    expect(statusOf(fault).message).toBe("not allowed: \ufffd");
  });

  test("spreads the pushback of those refused together, and says when waiting cannot help", () => {
    const pushbackOf = (retryAfterMs: number | "never") =>
      String(
        statusObjectOf(
          new WireFault({
            code: status.RESOURCE_EXHAUSTED,
            reason: "R",
            message: "m",
            retryAfterMs,
          }),
        ).metadata.get("grpc-retry-pushback-ms")[0],
      );
    const spread = Array.from({ length: 10 }, () => Number(pushbackOf(1_000)));
    expect(new Set(spread).size).toBe(10);
    expect(Math.min(...spread)).toBeGreaterThanOrEqual(1_000);
    expect(Math.max(...spread)).toBeLessThanOrEqual(1_200);
    expect(pushbackOf(0)).toBe("1");
    expect(pushbackOf("never")).toBe("-1");
  });
});

test("metrics name queues up to a thousand, and the others together", async () => {
  const metrics = createMetrics("1.2.3");
  metrics.observe({
    queues: () =>
      Array.from({ length: 1_002 }, (_, index) => ({
        queue: `q${index}`,
        visible: 2,
        inFlight: 1,
        delayed: 0,
        targetMissing: 3,
        oldestAgeMs: index,
      })),
    store: () => ({ mapUsedRatio: 0.5, commitBacklogAgeMs: 1_500 }),
    waiters: () => ({ receive: 7 }),
  });
  const text = await metrics.render();
  metrics.close();
  expect(text).toContain('forebay_queue_messages{queue="q999",state="visible"} 2\n');
  expect(text).toContain('forebay_queue_messages{queue="_other",state="visible"} 4\n');
  expect(text).toContain('forebay_queue_dead_letter_target_missing{queue="q999"} 3\n');
  expect(text).toContain('forebay_queue_dead_letter_target_missing{queue="_other"} 6\n');
  expect(text).toContain('forebay_queue_oldest_message_age_seconds{queue="_other"} 1.001\n');
  expect(text).not.toContain("q1000");
  expect(text).toContain("forebay_store_map_used_ratio 0.5\n");
  expect(text).toContain("forebay_engine_commit_backlog_age_seconds 1.5\n");
  expect(text).toContain('forebay_rpc_waiters{kind="receive"} 7\n');
  expect(text).toContain(`forebay_build_info{version="1.2.3",node="${process.versions.node}"} 1\n`);
});

test("failureOf reads what statusObjectOf writes", () => {
  const fault = new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "REQUEST_ID_REUSED",
    message: "m",
    quota: [{ subject: "s", description: "d" }],
    preconditions: [{ type: "t", subject: "s", description: "d" }],
    violations: [{ field: "f", description: "d" }],
  });
  expect(failureOf(statusObjectOf(fault)).details).toEqual([
    "ErrorInfo",
    "BadRequest",
    "QuotaFailure",
    "PreconditionFailure",
  ]);
});
