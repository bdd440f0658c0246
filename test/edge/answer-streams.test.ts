// Streams that answer one request with many, as Tail, on a node of a cluster: passed on to a bare grpc-js server, which sees the very
// bytes and headers that arrive, or served here as long as this node leads.

import {
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type StatusObject,
  status,
} from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import type { Placement, Tenure } from "../../src/edge/call-router.js";
import { createDataListener } from "../../src/edge/data-listener.js";
import { Forwarders, inTheClear, type LeadingNode } from "../../src/edge/forwarder.js";
import { createMetrics } from "../../src/edge/metrics.js";
import { TopicServiceDefinition } from "../../src/gen/forebay/topic/v1/topic_service.js";
import type { ResponseStream } from "../../src/rpc/call.js";
import { leadershipLost, noLeader } from "../../src/rpc/leader-faults.js";
import type { WireFault } from "../../src/rpc/status-details.js";
import { failureOf, recordingLog } from "../support/edge.js";

const tailPath = "/forebay.topic.v1.TopicService/Tail";
const asIs = (bytes: Buffer): Buffer => bytes;

type LeaderCall = ServerWritableStream<Buffer, Buffer>;

let answer: (call: LeaderCall) => void;
let placement: () => Placement;
let leader: Server;
let leading: LeadingNode;
let forwarders: Forwarders;
let client: Client;
let stop: () => Promise<void>;

const leaderIs = (endpoint: string): Metadata => {
  const metadata = new Metadata();
  metadata.set("forebay-leader", endpoint);
  return metadata;
};

beforeEach(async () => {
  leader = new Server();
  leader.register(tailPath, (call: LeaderCall) => answer(call), asIs, asIs, "serverStream");
  const port = await new Promise<number>((resolve, reject) => {
    leader.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  leading = { node: "b", dataEndpoint: `127.0.0.1:${port}`, replicationEndpoint: "none:1" };
  const clock = createSystemClock();
  forwarders = new Forwarders(clock, inTheClear);
  placement = () => ({ kind: "elsewhere", forwarder: forwarders.to(leading) });
  const metrics = createMetrics("0.0.0");
  const listener = createDataListener({
    clock,
    wallMs,
    log: recordingLog().log,
    metrics,
    hasReflection: false,
    managementAddress: () => undefined,
  });
  listener.addRouted(TopicServiceDefinition, {
    place: () => placement(),
    trailers: () => leaderIs(leading.dataEndpoint),
  });
  const { host, port: here } = await listener.listen({ host: "127.0.0.1", port: 0 });
  client = new Client(`${host}:${here}`, credentials.createInsecure(), {
    "grpc.enable_retries": 0,
  });
  stop = async () => {
    client.close();
    forwarders.close();
    await listener.drain(0);
    leader.forceShutdown();
    metrics.close();
  };
});

afterEach(() => stop());

const open = (
  request = Buffer.of(),
  { metadata = new Metadata(), deadlineMs = 20_000 } = {},
): ClientReadableStream<Buffer> =>
  client.makeServerStreamRequest(tailPath, asIs, asIs, request, metadata, {
    deadline: Date.now() + deadlineMs,
  });

const statusOf = (stream: ClientReadableStream<Buffer>): Promise<StatusObject> =>
  new Promise((resolve) => {
    stream.on("error", () => undefined).on("status", resolve);
  });

describe("a stream of answers that is passed on", () => {
  test("arrives with its very bytes, its metadata and its deadline, and is marked", async () => {
    let seen: { request: Buffer; metadata: Metadata; leftMs: number } | undefined;
    answer = (call) => {
      const leftMs = Number(call.getDeadline()) - Date.now();
      seen = { request: call.request, metadata: call.metadata, leftMs };
      call.end(leaderIs("elsewhere:1"));
    };
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer t");
    const unknown = Buffer.from([0xc0, 0x3e, 0x2a]);
    const ended = await statusOf(open(unknown, { metadata, deadlineMs: 3_000 }).resume());
    expect(ended.code).toBe(status.OK);
    expect(ended.metadata.get("forebay-leader")).toEqual(["elsewhere:1"]);
    expect(seen?.request).toEqual(unknown);
    const expected = { authorization: "Bearer t", "forebay-forwarded": "1" };
    expect(seen?.metadata.getMap()).toMatchObject(expected);
    expect(seen?.leftMs).toBeGreaterThan(1_000);
    expect(seen?.leftMs).toBeLessThanOrEqual(3_000);
  });

  test("brings everything in order, and the end that the leader gave it", async () => {
    answer = (call) => {
      for (let index = 0; index < 100; index += 1) call.write(Buffer.of(index));
      call.end();
    };
    const stream = open();
    const received: number[] = [];
    stream.on("data", (bytes: Buffer) => received.push(bytes[0] as number));
    expect((await statusOf(stream)).code).toBe(status.OK);
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => index));
    answer = (call) => {
      const details = "The topic was deleted.";
      call.emit("error", { code: status.NOT_FOUND, details, metadata: leaderIs("next:1") });
    };
    const refused = await statusOf(open().resume());
    expect([refused.code, refused.details]).toEqual([status.NOT_FOUND, "The topic was deleted."]);
    expect(refused.metadata.get("forebay-leader")).toEqual(["next:1"]);
  });

  test("holds the leader back when its caller does not read", async () => {
    let writtenCount = 0;
    answer = (call) => {
      const pour = (): void => {
        while (writtenCount < 1_000) {
          writtenCount += 1;
          if (!call.write(Buffer.alloc(65_536))) {
            call.once("drain", pour);
            return;
          }
        }
        call.end();
      };
      pour();
    };
    const stream = open();
    const ended = statusOf(stream);
    stream.once("data", () => stream.pause());
    let before = -1;
    while (before !== writtenCount) {
      before = writtenCount;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // 64 MiB wait to be written; on their way are the windows of two connections and a few buffers.
    expect(writtenCount).toBeLessThan(600);
    stream.on("data", () => undefined);
    stream.resume();
    expect((await ended).code).toBe(status.OK);
    expect(writtenCount).toBe(1_000);
  });

  test("that its caller cancels is cancelled at the leader", async () => {
    const cancelled = new Promise<void>((resolve) => {
      answer = (call) => {
        call.on("cancelled", resolve);
        call.write(Buffer.of(1));
      };
    });
    const stream = open();
    stream.on("data", () => stream.cancel());
    expect((await statusOf(stream)).code).toBe(status.CANCELLED);
    await cancelled;
  });

  test("ends at its deadline when the leader says nothing", async () => {
    answer = () => undefined;
    const ended = await statusOf(open(Buffer.of(), { deadlineMs: 200 }).resume());
    expect(ended.code).toBe(status.DEADLINE_EXCEEDED);
  });

  test("whose leader dies says when to ask again, as nothing is lost with it", async () => {
    answer = (call) => {
      call.write(Buffer.of(1));
      setTimeout(() => leader.forceShutdown(), 20);
    };
    expectSomeTime(failureOf(await statusOf(open().resume())), "LEADERSHIP_LOST");
  });

  test("ends when another node leads and this one's leader hangs", async () => {
    answer = (call) => void call.write(Buffer.of(1));
    const stream = open();
    await new Promise((resolve) => stream.once("data", resolve));
    const ended = statusOf(stream);
    forwarders.leads({ ...leading, node: "another" });
    expectSomeTime(failureOf(await ended), "LEADERSHIP_LOST");
  });

  test("ends when this node stops", async () => {
    answer = (call) => void call.write(Buffer.of(1));
    const stream = open();
    await new Promise((resolve) => stream.once("data", resolve));
    const ended = statusOf(stream);
    forwarders.endLongCalls();
    expectSomeTime(failureOf(await ended), "SHUTTING_DOWN");
  });
});

function expectSomeTime(failure: ReturnType<typeof failureOf>, reason: string): void {
  expect(failure).toMatchObject({ code: "UNAVAILABLE", reason });
  expect(failure.details).toContain("RetryInfo");
  expect(Number(failure.pushbackMs)).toBeGreaterThan(0);
}

describe("a stream of answers that is served here", () => {
  const ends = new Set<(fault: WireFault) => void>();
  let hold: (() => Promise<void>) | undefined;
  const tenure = (handler: unknown): Tenure => ({
    handlerOf: () => handler,
    onEnd: (react) => {
      ends.add(react);
      return () => ends.delete(react);
    },
    holdOf: () => hold,
    trailers: () => leaderIs("here:1"),
  });
  const heartbeat = { item: { $case: "heartbeat", value: { currentSequence: "7" } } };

  beforeEach(() => {
    ends.clear();
    hold = undefined;
  });

  test("ends as soon as this node leads no more, and says when to ask again", async () => {
    const handler = (_: unknown, stream: ResponseStream<unknown>) => stream.write(heartbeat);
    placement = () => ({ kind: "here", tenure: tenure(handler) });
    const stream = open();
    await new Promise((resolve) => stream.once("data", resolve));
    const ended = statusOf(stream);
    for (const end of ends) end(leadershipLost());
    expectSomeTime(failureOf(await ended), "LEADERSHIP_LOST");
    expect(ends.size).toBe(0);
  });

  test("ends well with the trailers of who leads", async () => {
    const handler = (_: unknown, stream: ResponseStream<unknown>) => stream.end();
    placement = () => ({ kind: "here", tenure: tenure(handler) });
    const { code, metadata } = await statusOf(open().resume());
    expect([code, metadata.get("forebay-leader")]).toEqual([status.OK, ["here:1"]]);
  });

  test("that is no request is refused", async () => {
    placement = () => ({ kind: "here", tenure: tenure(() => undefined) });
    const ended = await statusOf(open(Buffer.from([0xff, 0xff, 0x07])).resume());
    expect(failureOf(ended)).toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "MALFORMED_REQUEST",
    });
  });

  test("shows nothing before what its caller asked for holds", async () => {
    let release = (): void => undefined;
    hold = () =>
      new Promise((resolve) => {
        release = resolve;
      });
    const handler = (_: unknown, stream: ResponseStream<unknown>) => {
      stream.write(heartbeat);
      stream.end();
    };
    placement = () => ({ kind: "here", tenure: tenure(handler) });
    const stream = open();
    let shownCount = 0;
    stream.on("data", () => {
      shownCount += 1;
    });
    const ended = statusOf(stream);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(shownCount).toBe(0);
    release();
    expect((await ended).code).toBe(status.OK);
    expect(shownCount).toBe(1);
  });

  test("is served nowhere while nobody leads", async () => {
    placement = () => ({ kind: "nowhere", fault: noLeader() });
    expectSomeTime(failureOf(await statusOf(open().resume())), "NOT_LEADER");
  });
});
