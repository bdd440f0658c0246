// Reflection, asked by a client that nobody here wrote (buf curl) and, for what that does not show, by one of ours.

import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Client, credentials } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { createDataListener } from "../../src/edge/data-listener.js";
import { createMetrics } from "../../src/edge/metrics.js";
import { noopHandlers } from "../../src/edge/noop-service.js";
import { QueueServiceDefinition } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../../src/gen/forebay/queue/v1/schedule_service.js";
import {
  ServerReflectionRequest,
  ServerReflectionResponse,
} from "../../src/gen/grpc/reflection/v1/reflection.js";
import type { ServiceHandlers } from "../../src/rpc/call.js";

const run = promisify(execFile);
const metrics = createMetrics("0.0.0");
const listener = createDataListener({
  clock: createSystemClock(),
  wallMs,
  log: silentLog,
  metrics,
  hasReflection: true,
  managementAddress: () => undefined,
});
let port = 0;
let client: Client;

// Only sending answers; reflection asks no handler.
const handlersOf = <
  Definition extends typeof QueueServiceDefinition | typeof ScheduleServiceDefinition,
>({
  methods,
}: Definition) =>
  Object.fromEntries(
    Object.keys(methods).map((name) => [name, noopHandlers.sendMessage]),
  ) as unknown as ServiceHandlers<Definition>;

beforeAll(async () => {
  listener.add(QueueServiceDefinition, handlersOf(QueueServiceDefinition));
  listener.add(ScheduleServiceDefinition, handlersOf(ScheduleServiceDefinition));
  ({ port } = await listener.listen({ host: "127.0.0.1", port: 0 }));
  client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
});
afterAll(async () => {
  client.close();
  await listener.drain(0);
  metrics.close();
});

async function bufCurl(...args: readonly string[]): Promise<string> {
  const buf = join("node_modules", ".bin", "buf");
  const url = `http://127.0.0.1:${port}`;
  const common = ["curl", "--http2-prior-knowledge", "--protocol", "grpc"];
  const withUrl = args.map((arg) => (arg.startsWith("/") ? `${url}${arg}` : arg));
  const target = withUrl.some((arg) => arg.startsWith(url)) ? withUrl : [...withUrl, url];
  return (await run(buf, [...common, ...target])).stdout;
}

type Question = NonNullable<ServerReflectionRequest["messageRequest"]>;
type Answer = NonNullable<ServerReflectionResponse["messageResponse"]>;

/** Asks all questions over one stream. */
function ask(version: "v1" | "v1alpha", ...questions: readonly Question[]): Promise<Answer[]> {
  const stream = client.makeBidiStreamRequest(
    `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
    (value: ServerReflectionRequest) => Buffer.from(ServerReflectionRequest.encode(value).finish()),
    (value: Buffer) => ServerReflectionResponse.decode(value),
  );
  for (const messageRequest of questions) stream.write({ host: "", messageRequest });
  stream.end();
  const answers: Answer[] = [];
  return new Promise((resolve, reject) => {
    stream.on("data", (response: ServerReflectionResponse) => {
      if (response.messageResponse !== undefined) answers.push(response.messageResponse);
    });
    stream.on("error", reject);
    stream.on("end", () => resolve(answers));
  });
}

async function filesOf(question: Question) {
  const [answer] = await ask("v1", question);
  if (answer?.$case !== "fileDescriptorResponse") throw new Error(JSON.stringify(answer));
  return answer.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
}

describe("buf curl", () => {
  test("lists the services", async () => {
    expect((await bufCurl("--list-services")).trim().split("\n").sort()).toEqual([
      "forebay.queue.v1.QueueService",
      "forebay.queue.v1.ScheduleService",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
    ]);
  });

  test("lists every method of each service", async () => {
    const listed = (await bufCurl("--list-methods")).trim().split("\n");
    for (const { fullName, methods } of [QueueServiceDefinition, ScheduleServiceDefinition]) {
      for (const { name } of Object.values(methods))
        expect(listed).toContain(`${fullName}/${name}`);
    }
  });

  test("does both over v1alpha, which older tools speak", async () => {
    const reflect = ["--reflect-protocol", "grpc-v1alpha"];
    expect(await bufCurl(...reflect, "--list-services")).toContain("forebay.queue.v1.QueueService");
    expect(await bufCurl(...reflect, "--list-methods")).toContain("QueueService/SendMessage");
  });

  test("calls a method in JSON, with nothing but what reflection told it", async () => {
    const data = '{"queue": "orders", "text": "hello"}';
    const answer = await bufCurl("-d", data, "/forebay.queue.v1.QueueService/SendMessage");
    expect(JSON.parse(answer)).toMatchObject({ messageId: expect.any(String) });
  });
});

describe("a file", () => {
  test("comes first, with everything it imports, directly or not", async () => {
    const files = await filesOf({
      $case: "fileContainingSymbol",
      value: "forebay.queue.v1.QueueService",
    });
    const names = files.map(({ name }) => name);
    expect(names[0]).toBe("forebay/queue/v1/queue_service.proto");
    expect(new Set(names).size).toBe(names.length);
    for (const { dependency } of files) expect(names).toEqual(expect.arrayContaining(dependency));
    expect(names).toContain("google/protobuf/any.proto");
  });

  test("keeps its comments", async () => {
    const [file] = await filesOf({
      $case: "fileByFilename",
      value: "forebay/queue/v1/queue_service.proto",
    });
    const comments = file?.sourceCodeInfo?.location.map(({ leadingComments }) => leadingComments);
    expect(comments?.join("")).toContain("Appends one message and returns once it is flushed");
  });

  test.each([
    ["a message", "forebay.queue.v1.SendMessageRequest"],
    ["a message inside another", "forebay.queue.v1.SendMessageRequest.AttributesEntry"],
    ["a field", "forebay.queue.v1.SendMessageRequest.queue"],
    ["a oneof", "forebay.queue.v1.SendMessageRequest.body"],
    ["a method", "forebay.queue.v1.QueueService.SendMessage"],
    ["a method of another service", "forebay.queue.v1.ScheduleService.PutSchedule"],
    ["an enum", "forebay.queue.v1.MessageState"],
    ["a value of an enum", "forebay.queue.v1.MESSAGE_STATE_UNSPECIFIED"],
    ["a type of Google's", "google.protobuf.Duration"],
    ["reflection itself", "grpc.reflection.v1alpha.ServerReflection"],
  ])("is found by %s it defines", async (_, symbol) => {
    expect(await filesOf({ $case: "fileContainingSymbol", value: symbol })).not.toEqual([]);
  });
});

describe("what is not there", () => {
  const notFound = { $case: "errorResponse", value: { errorCode: 5 } };

  test("is answered in the stream, which goes on", async () => {
    const answers = await ask(
      "v1",
      { $case: "fileByFilename", value: "nope.proto" },
      { $case: "fileContainingSymbol", value: "nope.Nope" },
      { $case: "listServices", value: "" },
    );
    expect(answers).toMatchObject([notFound, notFound, { $case: "listServicesResponse" }]);
  });

  test("extensions: none are defined, for messages that exist", async () => {
    const type = "forebay.queue.v1.SendMessageRequest";
    const answers = await ask(
      "v1",
      { $case: "allExtensionNumbersOfType", value: type },
      { $case: "allExtensionNumbersOfType", value: "nope.Nope" },
      { $case: "fileContainingExtension", value: { containingType: type, extensionNumber: 7 } },
    );
    expect(answers).toMatchObject([
      {
        $case: "allExtensionNumbersResponse",
        value: { baseTypeName: type, extensionNumber: [] },
      },
      notFound,
      notFound,
    ]);
  });

  test("a question of no kind is refused, not fatal", async () => {
    const stream = client.makeBidiStreamRequest(
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      (value: Buffer) => value,
      (value: Buffer) => ServerReflectionResponse.decode(value),
    );
    stream.end(Buffer.alloc(0));
    const [response] = await stream.toArray();
    expect(response).toMatchObject({
      messageResponse: { $case: "errorResponse", value: { errorCode: 3 } },
    });
  });
});
