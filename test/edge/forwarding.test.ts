// Calls that one node passes on to another, over real sockets: a listener whose router sends everything to a bare grpc-js server,
// which sees the very bytes and headers that arrive; in the clear, and through the listener for members with certificates.

import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServiceError,
  type StatusObject,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import type { CallRouter, Placement, Tenure } from "../../src/edge/call-router.js";
import { createDataListener } from "../../src/edge/data-listener.js";
import { Forwarders, inTheClear, type LeadingNode } from "../../src/edge/forwarder.js";
import { createMetrics } from "../../src/edge/metrics.js";
import { QueueServiceDefinition } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { leadershipLost } from "../../src/rpc/leader-faults.js";
import { failureOf, recordingLog } from "../support/edge.js";
import { filesOf, type NodeFiles, newCa, newNode } from "../transport/certificates.js";
import {
  configurationOf,
  idOf,
  memberOf,
  startMember,
  type TestMember,
} from "../transport/harness.js";

const sendPath = "/forebay.queue.v1.QueueService/SendMessage";
const producePath = "/forebay.queue.v1.QueueService/Produce";
type Way = "in the clear" | "with certificates";
const ways: readonly Way[] = ["in the clear", "with certificates"];

const asIs = (bytes: Buffer): Buffer => bytes;

/** The node that leads: whatever a test makes of it. */
class Leader {
  readonly #server = new Server({ "grpc.max_receive_message_length": -1 });
  unary: (call: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) => void = (
    { request },
    respond,
  ) => respond(null, request);
  bidi: (call: ServerDuplexStream<Buffer, Buffer>) => void = (call) => {
    call.on("data", (bytes: Buffer) => {
      if (call.write(bytes)) return;
      call.pause();
      call.once("drain", () => call.resume());
    });
    call.on("end", () => call.end());
  };
  endpoint = "";
  #member: TestMember | undefined;

  get node(): LeadingNode {
    const { endpoint } = this;
    return {
      node: "b",
      dataEndpoint: endpoint,
      replicationEndpoint: this.#member?.endpoint ?? "none:1",
    };
  }

  async start(way: Way, files: NodeFiles): Promise<void> {
    this.#server.register(
      sendPath,
      (given: ServerUnaryCall<Buffer, Buffer>, respond: sendUnaryData<Buffer>) =>
        this.unary(given, respond),
      asIs,
      asIs,
      "unary",
    );
    this.#server.register(
      producePath,
      (given: ServerDuplexStream<Buffer, Buffer>) => this.bidi(given),
      asIs,
      asIs,
      "bidi",
    );
    if (way === "with certificates") {
      const injector = this.#server.createConnectionInjector(ServerCredentials.createInsecure());
      this.#member = await startMember("b", {
        tls: files.options,
        takeCalls: (socket) => injector.injectConnection(socket),
      });
      this.endpoint = "unreachable.invalid:7400";
      return;
    }
    const port = await new Promise<number>((resolve, reject) => {
      this.#server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.endpoint = `127.0.0.1:${port}`;
  }

  kill(): void {
    this.#server.forceShutdown();
    void this.#member?.network.close();
  }
}

let ca: ReturnType<typeof newCa>;
let hereFiles: NodeFiles;
let leaderFiles: NodeFiles;
let here: TestMember;
let leader: Leader;
let forwarders: Forwarders;
let placement: () => Placement;
let client: Client;
let stop: () => Promise<void>;

const leaderIs = (endpoint: string): Metadata => {
  const metadata = new Metadata();
  metadata.set("forebay-leader", endpoint);
  return metadata;
};

async function start(way: Way): Promise<void> {
  ca = newCa();
  hereFiles = filesOf("a", ca);
  leaderFiles = filesOf("b", ca);
  leader = new Leader();
  await leader.start(way, leaderFiles);
  here = await startMember("a", {
    tls: way === "with certificates" ? hereFiles.options : undefined,
  });
  forwarders = new Forwarders(
    createSystemClock(),
    (node) => here.network.callsWayTo(node) ?? inTheClear(node),
  );
  placement = () => ({ kind: "elsewhere", forwarder: forwarders.to(leader.node) });
  const router: CallRouter = {
    place: () => placement(),
    trailers: () => leaderIs(leader.endpoint),
  };
  const metrics = createMetrics("0.0.0");
  const listener = createDataListener({
    clock: createSystemClock(),
    wallMs,
    log: recordingLog().log,
    metrics,
    hasReflection: false,
    managementAddress: () => undefined,
  });
  listener.addRouted(QueueServiceDefinition, router);
  const { host, port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    "grpc.enable_retries": 0,
  });
  stop = async () => {
    client.close();
    forwarders.close();
    await listener.drain(0);
    leader.kill();
    await here.network.close();
    metrics.close();
  };
}

afterEach(async () => {
  await stop();
});

interface Answer {
  readonly bytes: Buffer;
  readonly trailers: Metadata;
}

function call(
  bytes: Buffer,
  options: { readonly metadata?: Metadata; readonly deadlineMs?: number } = {},
): { readonly answer: Promise<Answer>; cancel(): void } {
  let cancel = (): void => undefined;
  const answer = new Promise<Answer>((resolve, reject) => {
    let received: Buffer | undefined;
    const sent = client.makeUnaryRequest(
      sendPath,
      asIs,
      asIs,
      bytes,
      options.metadata ?? new Metadata(),
      { deadline: Date.now() + (options.deadlineMs ?? 5_000) },
      (error, response) => {
        received = response;
        if (error !== null) reject(error);
      },
    );
    sent.on("status", ({ metadata }: StatusObject) => {
      if (received !== undefined) resolve({ bytes: received, trailers: metadata });
    });
    cancel = () => sent.cancel();
  });
  return { answer, cancel };
}

const failed = async (answer: Promise<Answer>): Promise<ServiceError> =>
  await answer.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: ServiceError) => error,
  );

const openStream = (): ClientDuplexStream<Buffer, Buffer> =>
  client.makeBidiStreamRequest(producePath, asIs, asIs, { deadline: Date.now() + 20_000 });

const statusOf = (stream: ClientDuplexStream<Buffer, Buffer>): Promise<StatusObject> =>
  new Promise((resolve) => {
    stream.on("error", () => undefined).on("status", resolve);
  });

describe.each(ways)("a call passed on %s", (way) => {
  beforeEach(() => start(way));

  test("arrives with the very bytes it was sent with, also those that no field of ours holds", async () => {
    // Field 1000 as a varint, which no version of the contract knows; then bytes that are no message at all.
    const unknown = Buffer.from([0xc0, 0x3e, 0x2a]);
    expect((await call(unknown).answer).bytes).toEqual(unknown);
    const garbage = Buffer.from([0xff, 0xff, 0x07]);
    expect((await call(garbage).answer).bytes).toEqual(garbage);
  });

  test("keeps its metadata and its deadline, and is marked as passed on", async () => {
    let seen: { metadata: Metadata; leftMs: number } | undefined;
    leader.unary = (given, respond) => {
      seen = { metadata: given.metadata, leftMs: Number(given.getDeadline()) - Date.now() };
      respond(null, given.request);
    };
    const metadata = new Metadata();
    metadata.set("authorization", "Bearer t");
    metadata.set("traceparent", "00-1-2-01");
    metadata.set("forebay-acks", "all");
    metadata.set("some-bin", Buffer.from([1, 2]));
    await call(Buffer.of(), { metadata, deadlineMs: 3_000 }).answer;
    expect(seen?.metadata.getMap()).toMatchObject({
      authorization: "Bearer t",
      traceparent: "00-1-2-01",
      "forebay-acks": "all",
      "some-bin": Buffer.from([1, 2]),
      "forebay-forwarded": "1",
    });
    expect(seen?.leftMs).toBeGreaterThan(1_000);
    expect(seen?.leftMs).toBeLessThanOrEqual(3_000);
  });

  test("brings back the leader's trailers with a success and with a refusal, as they are", async () => {
    const trailers = new Metadata();
    trailers.set("forebay-position", "3/42");
    trailers.set("forebay-leader", "elsewhere:1");
    leader.unary = ({ request }, respond) => respond(null, request, trailers);
    expect((await call(Buffer.of(8, 1)).answer).trailers.getMap()).toMatchObject({
      "forebay-position": "3/42",
      "forebay-leader": "elsewhere:1",
    });
    leader.unary = (_, respond) =>
      respond({ code: status.NOT_FOUND, details: "There is no queue.", metadata: trailers });
    const error = await failed(call(Buffer.of()).answer);
    expect([error.code, error.details]).toEqual([status.NOT_FOUND, "There is no queue."]);
    expect(error.metadata.getMap()).toMatchObject({ "forebay-leader": "elsewhere:1" });
  });

  test("that its caller cancels is cancelled at the leader", async () => {
    const cancelled = new Promise<void>((resolve) => {
      leader.unary = (given) => {
        given.on("cancelled", resolve);
        sent.cancel();
      };
    });
    const sent = call(Buffer.of());
    expect((await failed(sent.answer)).code).toBe(status.CANCELLED);
    await cancelled;
  });

  test("ends at its deadline when the leader does not answer", async () => {
    leader.unary = () => undefined;
    const error = await failed(call(Buffer.of(), { deadlineMs: 200 }).answer);
    expect(error.code).toBe(status.DEADLINE_EXCEEDED);
  });

  test("to a leader that cannot be reached is refused before any effect, with a time to wait", async () => {
    leader.kill();
    const failure = failureOf(await failed(call(Buffer.of()).answer));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "NOT_LEADER" });
    expect(failure.details).toContain("RetryInfo");
    expect(Number(failure.pushbackMs)).toBeGreaterThan(0);
  });

  test("whose leader dies under it has an unknown outcome, and says so", async () => {
    leader.unary = () => leader.kill();
    const failure = failureOf(await failed(call(Buffer.of()).answer));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "LEADERSHIP_LOST" });
    expect(failure.details).not.toContain("RetryInfo");
  });
});

describe.each(ways)("a stream passed on %s", (way) => {
  beforeEach(() => start(way));

  test("carries thousands of messages both ways, in order, and its half-close", async () => {
    const stream = openStream();
    const received: number[] = [];
    stream.on("data", (bytes: Buffer) => received.push(bytes.readUInt32BE(0)));
    const ended = statusOf(stream);
    for (let index = 0; index < 5_000; index += 1) {
      const bytes = Buffer.alloc(1_024);
      bytes.writeUInt32BE(index);
      if (!stream.write(bytes)) await new Promise((resolve) => stream.once("drain", resolve));
    }
    stream.end();
    expect((await ended).code).toBe(status.OK);
    expect(received).toEqual(Array.from({ length: 5_000 }, (_, index) => index));
  });

  test("holds the leader back when its caller does not read", async () => {
    let writtenCount = 0;
    leader.bidi = (given) => {
      const pour = (): void => {
        while (writtenCount < 2_000) {
          writtenCount += 1;
          if (!given.write(Buffer.alloc(65_536))) {
            given.once("drain", pour);
            return;
          }
        }
        given.end();
      };
      pour();
    };
    const stream = openStream();
    const ended = statusOf(stream);
    // A client of grpc-js that never began to read takes everything there is.
    stream.once("data", () => stream.pause());
    let before = -1;
    while (before !== writtenCount) {
      before = writtenCount;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    // 128 MiB wait to be written; on their way are the windows of two connections and a few buffers.
    expect(writtenCount).toBeLessThan(600);
    stream.on("data", () => undefined);
    stream.resume();
    expect((await ended).code).toBe(status.OK);
    expect(writtenCount).toBe(2_000);
  });

  test("ends in order after everything the leader sent", async () => {
    leader.bidi = (given) => {
      for (let index = 0; index < 100; index += 1) given.write(Buffer.of(index));
      given.end();
    };
    const stream = openStream();
    const received: number[] = [];
    stream.on("data", (bytes: Buffer) => received.push(bytes[0] as number));
    expect((await statusOf(stream)).code).toBe(status.OK);
    expect(received).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  test("ends with the error that the leader ended it with, after what was read until then", async () => {
    leader.bidi = (given) => {
      for (let index = 0; index < 100; index += 1) given.write(Buffer.of(index));
      given.emit("error", {
        code: status.UNAVAILABLE,
        details: "The server is stopping.",
        metadata: leaderIs("next:1"),
      });
    };
    const stream = openStream();
    const received: number[] = [];
    stream.on("data", (bytes: Buffer) => received.push(bytes[0] as number));
    const { code, details, metadata } = await statusOf(stream);
    expect([code, details, metadata.get("forebay-leader")]).toEqual([
      status.UNAVAILABLE,
      "The server is stopping.",
      ["next:1"],
    ]);
    expect(received).toEqual(Array.from(received, (_, index) => index));
  });

  test("whose leader dies ends, with the leader known here in its trailers", async () => {
    leader.bidi = (given) => {
      given.write(Buffer.of(1));
      setTimeout(() => leader.kill(), 20);
    };
    const stream = openStream();
    stream.on("data", () => undefined);
    const ended = await statusOf(stream);
    expect(failureOf(ended)).toMatchObject({ code: "UNAVAILABLE", reason: "LEADERSHIP_LOST" });
    expect(ended.metadata.get("forebay-leader")).toEqual([leader.endpoint]);
  });

  test("that its caller cancels is cancelled at the leader", async () => {
    const cancelled = new Promise<void>((resolve) => {
      leader.bidi = (given) => {
        given.on("cancelled", resolve);
        given.write(Buffer.of(1));
      };
    });
    const stream = openStream();
    stream.on("data", () => stream.cancel());
    expect((await statusOf(stream)).code).toBe(status.CANCELLED);
    await cancelled;
  });
});

describe.each(ways)("a leader that hangs %s", (way) => {
  beforeEach(() => start(way));

  test("is given a second for its answers once another leads, and no more", async () => {
    let respondLate = (): void => undefined;
    leader.unary = ({ request }, respond) => {
      if (request[0] === 1) respondLate = () => respond(null, request);
    };
    const answered = call(Buffer.of(1)).answer;
    const unanswered = failed(call(Buffer.of(2)).answer);
    const stream = openStream();
    stream.write(Buffer.of(1));
    await new Promise((resolve) => stream.once("data", resolve));
    const ended = statusOf(stream);
    forwarders.leads({ ...leader.node, node: "another" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    respondLate();
    expect((await answered).bytes).toEqual(Buffer.of(1));
    expect(failureOf(await unanswered).reason).toBe("LEADERSHIP_LOST");
    expect(failureOf(await ended).reason).toBe("LEADERSHIP_LOST");
  });
});

describe("certificates", () => {
  beforeEach(() => start("with certificates"));

  test("that are new are used from then on, and calls under way go on", async () => {
    let respondLate = (): void => undefined;
    const connections = new Set<string>();
    leader.unary = (given, respond) => {
      connections.add(given.getPeer());
      if (given.request[0] === 1) respondLate = () => respond(null, given.request);
      else respond(null, given.request);
    };
    const slow = call(Buffer.of(1)).answer;
    await expect.poll(() => connections.size).toBe(1);
    const credentialsNow = () => here.network.callsWayTo(leader.node)?.credentials();
    const before = credentialsNow();
    hereFiles.put({ node: newNode(ca, "a") });
    // It looks at its files when it dials a member.
    const absent = memberOf({ id: idOf("c"), node: "c", endpoint: "127.0.0.1:1" });
    here.network.setConfiguration(configurationOf([absent]));
    await expect.poll(() => credentialsNow() === before).toBe(false);
    expect((await call(Buffer.of(2)).answer).bytes).toEqual(Buffer.of(2));
    expect(connections.size).toBe(2);
    respondLate();
    expect((await slow).bytes).toEqual(Buffer.of(1));
    await call(Buffer.of(3)).answer;
    expect(connections.size).toBe(2);
  });

  test("that the leader does not accept are no fault of whoever called", async () => {
    leaderFiles.put({ ca: newCa().certificate });
    const failure = failureOf(await failed(call(Buffer.of()).answer));
    expect(failure).toMatchObject({ code: "UNAVAILABLE", reason: "NOT_LEADER" });
  });
});

describe.each(ways)("a node that stops %s", (way) => {
  beforeEach(() => start(way));

  test("ends the streams it passes on, and leaves what takes no time alone", async () => {
    const arrived = new Promise<() => void>((resolve) => {
      leader.unary = ({ request }, respond) => resolve(() => respond(null, request));
    });
    const stream = openStream();
    stream.write(Buffer.of(1));
    await new Promise((resolve) => stream.once("data", resolve));
    const { answer } = call(Buffer.of(7));
    const respondLate = await arrived;
    const ended = statusOf(stream);
    forwarders.endLongCalls();
    const failure = failureOf(await ended);
    expect([failure.code, failure.reason]).toEqual(["UNAVAILABLE", "SHUTTING_DOWN"]);
    respondLate();
    expect((await answer).bytes).toEqual(Buffer.of(7));
  });
});

describe("a call served here", () => {
  beforeEach(() => start("in the clear"));

  const ends = new Set<(fault: ReturnType<typeof leadershipLost>) => void>();
  const tenure = (handler: unknown): Tenure => ({
    handlerOf: () => handler,
    onEnd: (react) => {
      ends.add(react);
      return () => ends.delete(react);
    },
    holdOf: () => undefined,
    trailers: () => leaderIs("here:1"),
  });

  test("ends as soon as this node leads no more, with an unknown outcome", async () => {
    placement = () => ({ kind: "here", tenure: tenure(() => new Promise(() => undefined)) });
    const { answer } = call(Buffer.of());
    await expect.poll(() => ends.size).toBe(1);
    for (const end of ends) end(leadershipLost());
    const error = await failed(answer);
    expect(failureOf(error).reason).toBe("LEADERSHIP_LOST");
    expect(error.metadata.get("forebay-leader")).toEqual([leader.endpoint]);
    expect(ends.size).toBe(0);
  });

  test("that is a stream ends with it, too", async () => {
    placement = () => ({ kind: "here", tenure: tenure(() => undefined) });
    const ended = statusOf(openStream().resume() as ClientDuplexStream<Buffer, Buffer>);
    await expect.poll(() => ends.size).toBe(1);
    for (const end of ends) end(leadershipLost());
    expect(failureOf(await ended).reason).toBe("LEADERSHIP_LOST");
  });

  test("waits before its answer for what it asked for, and fails with what that fails with", async () => {
    let release = (_error?: Error): void => undefined;
    let holdCount = 0;
    const hold = (): Promise<void> =>
      new Promise((resolve, reject) => {
        release = (error) => (error === undefined ? resolve() : reject(error));
        holdCount += 1;
      });
    const held: Tenure = { ...tenure(() => ({ messageId: "1" })), holdOf: () => hold };
    placement = () => ({ kind: "here", tenure: held });
    let isAnswered = false;
    const first = call(Buffer.of()).answer.then((answered) => {
      isAnswered = true;
      return answered;
    });
    await expect.poll(() => holdCount).toBe(1);
    expect(isAnswered).toBe(false);
    release();
    expect((await first).trailers.get("forebay-leader")).toEqual(["here:1"]);
    const second = call(Buffer.of());
    const failure = failed(second.answer);
    await expect.poll(() => holdCount).toBe(2);
    release(leadershipLost());
    expect(failureOf(await failure).reason).toBe("LEADERSHIP_LOST");
  });
});
