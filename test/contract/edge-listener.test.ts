// The data listener as a door: who comes with another protocol is told, who says nothing is cut, and going down ends what
// hangs, in time, and refuses what comes after.

import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ListenFault } from "../../src/edge/grpc-server.js";
import type { CallContext } from "../../src/rpc/call.js";
import {
  collect,
  type EdgeServer,
  failureOfCall,
  produceRequest,
  startEdge,
} from "../support/edge.js";
import { ManualClock } from "../support/manual-clock.js";

let edge: EdgeServer;
beforeEach(async () => {
  edge = await startEdge();
});
afterEach(async () => {
  await edge.close();
});

function open(server = edge): Socket {
  const socket = connect(server.address.port, "127.0.0.1");
  socket.on("error", () => undefined);
  return socket;
}

/** Says something and returns all that is answered until the connection ends. */
async function say(bytes: string | Buffer): Promise<string> {
  const socket = open();
  let answer = "";
  socket.on("data", (chunk) => {
    answer += String(chunk);
  });
  socket.write(bytes);
  await once(socket, "close");
  return answer;
}

const sentence =
  "This is the gRPC port of Forebay; it speaks HTTP/2 without TLS. Health and metrics are at http://127.0.0.1:7401.";

describe("who comes with another protocol is told so in its own terms", () => {
  test("HTTP/1.1, by curl or a browser", async () => {
    const request = httpRequest({ port: edge.address.port, path: "/", host: "127.0.0.1" }).end();
    const [response] = await once(request, "response");
    response.setEncoding("utf8");
    expect(response.statusCode).toBe(400);
    expect((await response.toArray()).join("")).toBe(`${sentence}\n`);
  });

  test("Redis' protocol, in either form", async () => {
    expect(await say("*1\r\n$4\r\nPING\r\n")).toBe(`-ERR ${sentence}\r\n`);
    expect(await say("PING\r\n")).toBe(`-ERR ${sentence}\r\n`);
  });

  test("AMQP, and what nobody knows", async () => {
    expect(await say("AMQP\x00\x00\x09\x01")).toBe(`${sentence}\r\n`);
    expect(await say("\x01\x02\x03\x04")).toBe(`${sentence}\r\n`);
  });

  test("TLS, whose tools then say that it is the wrong version", async () => {
    const socket = connectTls({ port: edge.address.port, host: "127.0.0.1" });
    const [error] = await once(socket, "error");
    expect(String(error)).toMatch(/wrong version number|packet length too long/i);
  });

  test("and counted by what it was", async () => {
    await say("PING\r\n");
    expect(await edge.metrics.render()).toContain(
      'forebay_connections_rejected_total{cause="resp"} 1\n',
    );
  });
});

test("a preface that arrives byte by byte is understood", async () => {
  const socket = open();
  let answered = 0;
  socket.on("data", (chunk) => {
    answered += chunk.length;
  });
  for (const byte of "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n") {
    socket.write(byte);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  // An empty SETTINGS frame; the server answers with its own.
  socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  await expect.poll(() => answered).toBeGreaterThan(8);
  socket.destroy();
});

test("bytes that begin as HTTP/2 and go on as nonsense harm nobody else", async () => {
  const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const frames = [
    "PRI nonsense that is long enough for a preface",
    `${preface}${"\xff".repeat(64)}`,
    // A DATA frame on a stream that nobody opened, then a HEADERS frame that cannot be decoded.
    `${preface}\0\0\0\x04\0\0\0\0\0\0\0\x01\0\x01\0\0\0\x07x`,
    `${preface}\0\0\0\x04\0\0\0\0\0\0\0\x03\x01\x05\0\0\0\x01\xff\xff\xff`,
  ];
  for (const frame of frames) open().write(Buffer.from(frame, "latin1"));
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await edge.client().unary("unharmed")).toEqual({ queue: "unharmed" });
});

test("a connection that stays silent is cut after ten seconds", async () => {
  const clock = new ManualClock();
  const slow = await startEdge({ clock });
  const socket = open(slow);
  await once(socket, "connect");
  // So that the end is noticed.
  socket.resume();
  socket.write("PR");
  await new Promise((resolve) => setTimeout(resolve, 50));
  await clock.advance(9_999);
  expect(socket.closed).toBe(false);
  const closed = once(socket, "close");
  await clock.advance(1);
  await closed;
  expect(await slow.metrics.render()).toContain(
    'forebay_connections_rejected_total{cause="silent"} 1\n',
  );
  // Its drain waits by the clock that stands still, unless nothing is open.
  await slow.close();
});

test("a port that is taken is refused with what to do", async () => {
  const other = await startEdge();
  await expect(startOn(other.address.port)).rejects.toThrow(ListenFault);
  await expect(startOn(other.address.port)).rejects.toThrow(
    /^127\.0\.0\.1:\d+ is in use by another program \(perhaps another Forebay\); stop it or choose another port\.$/,
  );
  await other.close();
});

async function startOn(port: number): Promise<void> {
  const { createDataListener } = await import("../../src/edge/data-listener.js");
  const { createMetrics } = await import("../../src/edge/metrics.js");
  const { silentLog } = await import("../../src/base/log.js");
  const { createSystemClock, wallMs } = await import("../../src/base/clock.js");
  const metrics = createMetrics("0.0.0");
  try {
    await createDataListener({
      clock: createSystemClock(),
      wallMs,
      log: silentLog,
      metrics,
      hasReflection: false,
      managementAddress: () => undefined,
    }).listen({ host: "127.0.0.1", port });
  } finally {
    metrics.close();
  }
}

describe("draining", () => {
  test("lets a call that is under way end, and is done as soon as it has", async () => {
    let answer: (response: { queue: string }) => void = () => undefined;
    edge.handlers.unary = () =>
      new Promise((resolve) => {
        answer = resolve;
      });
    const call = edge.client().unary("orders");
    await expect.poll(() => inFlight()).toBe(1);
    const startedMs = performance.now();
    const drained = edge.listener.drain(10_000);
    setTimeout(() => answer({ queue: "answered" }), 100);
    expect(await call).toEqual({ queue: "answered" });
    await drained;
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });

  test("ends a call that hangs when the time is over, and tells its handler", async () => {
    let context: CallContext | undefined;
    const events: string[] = [];
    edge.handlers.bidi = (stream, given) => {
      context = given;
      given.onCancelled(() => events.push("cancelled"));
      stream.onRequest(() => undefined);
    };
    const stream = edge.client().bidi();
    const ended = collect(stream);
    stream.write(produceRequest(1));
    await expect.poll(() => context).toBeDefined();
    const startedMs = performance.now();
    await edge.listener.drain(200);
    expect(performance.now() - startedMs).toBeGreaterThan(150);
    expect(performance.now() - startedMs).toBeLessThan(3_000);
    expect((await ended).failure?.code).toMatch(/UNAVAILABLE|CANCELLED|INTERNAL/);
    await expect.poll(() => events).toEqual(["cancelled"]);
  });

  test("takes no time when nobody is connected, and refuses who comes after", async () => {
    const startedMs = performance.now();
    await edge.listener.drain(10_000);
    expect(performance.now() - startedMs).toBeLessThan(5_000);
    expect(await failureOfCall(edge.client().unary("orders", { deadlineMs: 500 }))).toMatchObject({
      code: expect.stringMatching(/UNAVAILABLE|DEADLINE_EXCEEDED/),
    });
  });

  test("closes a connection that is open and idle, or not yet anything", async () => {
    await edge.client().unary("orders");
    const silent = open();
    await once(silent, "connect");
    const closed = once(silent, "close");
    await edge.listener.drain(100);
    await closed;
  });

  async function inFlight(): Promise<number> {
    const text = await edge.metrics.render();
    return Number(/rpc_in_flight\{[^}]*method="Unary"\} (\d+)/.exec(text)?.[1]);
  }
});
