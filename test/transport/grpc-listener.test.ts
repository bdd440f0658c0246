// The dialling side speaks gRPC: here the member that is dialled is served by grpc-js, not by ours.

import { Server, ServerCredentials, type ServerDuplexStream, status } from "@grpc/grpc-js";
import { afterEach, expect, test } from "vitest";
import {
  type ConnectRequest,
  type ConnectResponse,
  type PeerMessage,
  ReplicationServiceService,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import {
  append,
  configurationOf,
  hello,
  idOf,
  isSame,
  memberOf,
  startMember,
  until,
} from "./harness.js";
import { introductionBy } from "./plain-caller.js";

type Stream = ServerDuplexStream<ConnectRequest, ConnectResponse>;

const opened: Server[] = [];
afterEach(() => {
  for (const server of opened.splice(0)) server.forceShutdown();
});

/** Serves the method with `connect`, and a member that dials it. */
async function dialled(connect: (stream: Stream) => void) {
  const server = new Server({ "grpc.max_receive_message_length": 16 * 1_048_576 });
  opened.push(server);
  server.addService(ReplicationServiceService, { connect });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const a = await startMember("a");
  const b = { id: idOf("b"), node: "b", endpoint: `127.0.0.1:${port}` };
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(b)]));
  return { a, b: b.id };
}

test("a member that grpc-js serves is introduced to, sent long records, and heard", async () => {
  const heard: PeerMessage[] = [];
  const { a, b } = await dialled((stream) => {
    stream.on("error", () => undefined);
    stream.on("data", ({ message }: ConnectRequest) => {
      if (message === undefined) return;
      heard.push(message);
      if (heard.length === 1) stream.write({ message: introductionBy(idOf("b")) });
      // As long as an answer gets.
      else stream.write({ message: append(9, 2 * 1_048_576) });
    });
  });
  await until(() => a.network.isReady(b));
  a.network.send(b, append(3, 5 * 1_048_576));
  await until(() => a.heard.length === 1);
  expect(heard[0]?.kind?.$case).toBe("introduction");
  expect(isSame(heard[1] ?? {}, append(3, 5 * 1_048_576))).toBe(true);
  expect(isSame(a.heard[0]?.message ?? {}, append(9, 2 * 1_048_576))).toBe(true);
  await a.network.close();
});

test("a status that ends the stream is the reason that is told", async () => {
  let count = 0;
  const { a, b } = await dialled((stream) => {
    count += 1;
    stream.on("error", () => undefined);
    stream.resume();
    // First at once, then after an answer: in the headers, then in the trailers.
    if (count > 1) stream.write({ message: introductionBy(idOf("b")) });
    const error = { code: status.UNAVAILABLE, details: "going away, 100 %" };
    setTimeout(() => stream.emit("error", error), 50);
  });
  const said = () => a.network.status()[0]?.why;
  await until(() => said()?.startsWith("it refused: UNAVAILABLE") === true);
  expect(said()).toBe("it refused: UNAVAILABLE / no reason: going away, 100 %");
  await until(() => a.network.isReady(b));
  await until(() => !a.network.isReady(b));
  expect(said()).toBe("it refused: UNAVAILABLE / no reason: going away, 100 %");
  a.network.send(b, hello(1));
  expect(a.network.status()).toMatchObject([{ droppedCount: 1, downCount: 1 }]);
  await a.network.close();
});
