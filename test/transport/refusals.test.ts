// What the listener says to those who do not belong, and that it speaks gRPC: the caller is grpc-js, not ours.

import { connect as connectHttp2 } from "node:http2";
import { connect as connectTcp } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type ConnectResponse,
  type PeerMessage,
  ReplicationServiceClient,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import {
  acquaint,
  append,
  configurationOf,
  hello,
  idOf,
  isSame,
  memberOf,
  rememberingLog,
  startMember,
  type TestMember,
  until,
} from "./harness.js";
import { dialByHand, introductionBy } from "./plain-caller.js";

let b: TestMember;
beforeEach(async () => {
  b = await startMember("b");
});
afterEach(() => b.network.close());

test("a caller through grpc-js is introduced to, and heard, and answered", async () => {
  const answer = await dialByHand(b.endpoint);
  expect(answer.introduction).toMatchObject({ protocolMin: 1, protocolMax: 1, release: "test" });
  expect(Buffer.from(answer.introduction?.memberId ?? []).toString("hex")).toBe(b.id);

  const client = new ReplicationServiceClient(b.endpoint, credentials.createInsecure());
  const stream = client.connect();
  const heard: (PeerMessage | undefined)[] = [];
  stream.on("data", ({ message }: ConnectResponse) => heard.push(message));
  stream.on("error", () => undefined);
  stream.write({ message: introductionBy(idOf("caller")) });
  stream.write({ message: append(1, 3 * 1_048_576) });
  await until(() => b.heard.length === 1);
  expect(isSame(b.heard[0]?.message ?? {}, append(1, 3 * 1_048_576))).toBe(true);
  const slice = { epoch: 1n, fromSeq: 1n, entries: [] };
  b.network.send(idOf("caller"), { kind: { $case: "logSlice", value: slice } });
  await until(() => heard.some((message) => message?.kind?.$case === "logSlice"));
  // An introduction, then beats and the answer.
  expect(heard[0]?.kind?.$case).toBe("introduction");
  expect(heard.every((message) => message === undefined || message.kind !== undefined)).toBe(true);
  stream.cancel();
  client.close();
});

test("a caller of another group is told so", async () => {
  const groupId = Buffer.alloc(16, 1);
  const answer = await dialByHand(b.endpoint, { introduction: { groupId } });
  expect(answer).toMatchObject({ status: "FAILED_PRECONDITION", reason: "WRONG_GROUP" });
  expect(answer.message).toContain("01".repeat(16));
});

test.each([
  [0, 0, "FAILED_PRECONDITION"],
  [2, 3, "FAILED_PRECONDITION"],
  [0, 1, "introduced"],
  [1, 9, "introduced"],
])(
  "a caller that speaks versions %i to %i of the protocol: %s",
  async (protocolMin, protocolMax, status) => {
    const answer = await dialByHand(b.endpoint, { introduction: { protocolMin, protocolMax } });
    expect(answer.status).toBe(status);
    expect(answer.reason).toBe(status === "introduced" ? undefined : "UNKNOWN_PROTOCOL");
  },
);

test("a caller that is this very member is told so", async () => {
  const answer = await dialByHand(b.endpoint, { introduceAs: b.id });
  expect(answer).toMatchObject({ status: "FAILED_PRECONDITION", reason: "WRONG_GROUP" });
  expect(answer.message).toContain("copy of its data directory");
});

test("a caller that does not introduce itself is told so", async () => {
  const answer = await dialByHand(b.endpoint, { first: hello(1) });
  expect(answer).toMatchObject({ status: "INVALID_ARGUMENT", reason: "MALFORMED_REQUEST" });
  const shortId = await dialByHand(b.endpoint, { introduction: { memberId: Buffer.alloc(15) } });
  expect(shortId.reason).toBe("MALFORMED_REQUEST");
  expect(b.heard).toEqual([]);
});

test("a member that dials anew is answered there, and what it dialled before is closed", async () => {
  const streams = [1, 2].map(() => {
    const client = new ReplicationServiceClient(b.endpoint, credentials.createInsecure(), {
      "grpc.use_local_subchannel_pool": 1,
    });
    return { client, heard: [] as string[], isClosed: false };
  });
  for (const [index, one] of streams.entries()) {
    const stream = one.client.connect();
    stream.on("data", ({ message }: ConnectResponse) =>
      one.heard.push(message?.kind?.$case ?? "beat"),
    );
    stream.on("error", () => {
      one.isClosed = true;
    });
    stream.write({ message: introductionBy(idOf("caller")) });
    await until(() => streams[index]?.heard[0] === "introduction");
  }
  await until(() => streams[0]?.isClosed === true);
  b.network.send(idOf("caller"), {
    kind: { $case: "refusal", value: { epoch: 1n, promisedEpoch: 2n } },
  });
  await until(() => streams[1]?.heard.includes("refusal") === true);
  expect(streams[0]?.heard).not.toContain("refusal");
  for (const { client } of streams) client.close();
});

test("a member that stops says so to those who are connected", async () => {
  const ended = dialByHand(b.endpoint, { thenSay: hello(1) });
  await until(() => b.heard.length === 1);
  await b.network.close();
  expect(await ended).toMatchObject({ status: "UNAVAILABLE", reason: "SHUTTING_DOWN" });
});

test("who dials a member of another group finds out why, and goes on dialling", async () => {
  const a = await startMember("a", { groupId: "ff".repeat(16) as never });
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(b)]));
  await until(() => a.network.status()[0]?.why?.includes("WRONG_GROUP") === true);
  expect(a.network.status()[0]?.why).toMatch(/^it refused: FAILED_PRECONDITION \/ WRONG_GROUP: /);
  expect(a.readyFrom).toEqual([]);
  await a.network.close();
});

test("a caller who comes back every second is a warning once", async () => {
  const { log, lines } = rememberingLog();
  const c = await startMember("c", { log });
  for (let count = 0; count < 3; count += 1) {
    await dialByHand(c.endpoint, { introduction: { groupId: Buffer.alloc(16, 1) } });
  }
  await dialByHand(c.endpoint, { introduction: { protocolMin: 5, protocolMax: 5 } });
  await c.network.close();
  const reasons = lines.filter(({ level }) => level === "warn").map(({ reason }) => reason);
  expect(reasons).toEqual(["WRONG_GROUP", "UNKNOWN_PROTOCOL"]);
});

test("another method is none of this listener's", async () => {
  const session = connectHttp2(`http://${b.endpoint}`);
  const stream = session.request({
    ":method": "POST",
    ":path": "/a.B/C",
    "content-type": "application/grpc",
  });
  const headers = await new Promise<Record<string, unknown>>((resolve) => {
    stream.on("response", (received) => resolve(received));
  });
  expect(headers).toMatchObject({ ":status": 200, "grpc-status": "12" });
  session.destroy();
});

test.each([
  ["no HTTP/2", Buffer.from("GET / HTTP/1.1\r\n\r\n")],
  ["nothing at all", Buffer.alloc(0)],
])("a connection that says %s is closed", async (_, bytes) => {
  const [host = "", port] = b.endpoint.split(":");
  const socket = connectTcp({ host, port: Number(port) });
  socket.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    socket.once("close", () => resolve());
  });
  socket.resume();
  socket.write(bytes);
  const from = performance.now();
  await closed;
  expect(performance.now() - from).toBeLessThan(3_000);
});

test.each([
  ["a length beyond the limit", Buffer.from([0, 1, 0, 0, 1])],
  ["a compressed message", Buffer.from([1, 0, 0, 0, 0])],
  ["bytes that are no message", Buffer.from([0, 0, 0, 0, 2, 0x0a, 0x7f])],
])("a stream with %s is closed, and others go on", async (_, bytes) => {
  const a = await startMember("a");
  await acquaint(a, b);
  const session = connectHttp2(`http://${b.endpoint}`);
  session.on("error", () => undefined);
  const stream = session.request({
    ":method": "POST",
    ":path": "/forebay.replication.v1.ReplicationService/Connect",
    "content-type": "application/grpc",
  });
  stream.on("error", () => undefined);
  const closed = new Promise<void>((resolve) => {
    session.once("close", () => resolve());
  });
  stream.write(bytes);
  const from = performance.now();
  await closed;
  expect(performance.now() - from).toBeLessThan(3_000);
  a.network.send(b.id, hello(1));
  await until(() => b.heard.length === 1);
  await a.network.close();
});
