// Moves out of a dead-letter queue: what goes on the wire, and what becomes of the answers.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MoveTaskStatus } from "../gen/forebay/queue/v1/queue.js";
import {
  type CancelMessageMoveTaskRequest,
  type ListMessageMoveTasksRequest,
  ListMessageMoveTasksResponse,
  type PreviewMessageMoveTaskRequest,
  PreviewMessageMoveTaskResponse,
  type StartMessageMoveTaskRequest,
} from "../gen/forebay/queue/v1/queue_service.js";
import { ForebayClient, type Queue } from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let dead: Queue;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  dead = client.queue("orders-dead");
  server.override("startMessageMoveTask", () => ({ taskHandle: "t1", replayed: false }));
});

afterEach(async () => {
  await client.close();
  server.kill();
});

test("a move says what to take, where to, how fast and what to change", async () => {
  const move = await dead.startMove({
    destination: "orders",
    maxPerSecond: 10,
    filter: {
      messageIds: ["m1"],
      attributes: { kind: "order" },
      rejectionReason: "no_invoice",
      deadLetterSourceQueue: "orders",
      groupId: "g",
      bodyContains: "é",
      minimumAgeMs: 1_500,
      maximumAgeMs: 60_000,
    },
    edit: {
      setAttributes: { tries: 1 },
      removeAttributes: ["old"],
      body: new Uint8Array([1]),
      groupId: "h",
    },
    requestId: "mine",
  });
  expect(move).toMatchObject({ taskHandle: "t1", source: "orders-dead" });
  const [call] = server.callsOf<StartMessageMoveTaskRequest>("startMessageMoveTask");
  expect(call?.request).toEqual({
    source: "orders-dead",
    destination: "orders",
    maxPerSecond: 10,
    requestId: "mine",
    filter: {
      messageIds: ["m1"],
      attributes: new Map([["kind", "order"]]),
      rejectionReason: "no_invoice",
      deadLetterSourceQueue: "orders",
      groupId: "g",
      bodyContains: "é",
      minimumAge: { seconds: 1n, nanos: 500_000_000 },
      maximumAge: { seconds: 60n, nanos: 0 },
    },
    edit: {
      setAttributes: new Map([
        ["tries", { dataType: "Number", value: { $case: "stringValue", value: "1" } }],
      ]),
      removeAttributes: ["old"],
      body: { $case: "data", value: Buffer.from([1]) },
      groupId: "h",
    },
  });
});

test("a move of everything to where it came from says nothing more", async () => {
  await dead.startMove();
  const [call] = server.callsOf<StartMessageMoveTaskRequest>("startMessageMoveTask");
  expect(call?.request).toMatchObject({
    source: "orders-dead",
    destination: "",
    maxPerSecond: undefined,
    filter: undefined,
    edit: undefined,
  });
});

test("a preview counts, by destination and by reason, and shows samples", async () => {
  server.override("previewMessageMoveTask", () =>
    PreviewMessageMoveTaskResponse.fromPartial({
      matchingMessageCount: 7n,
      otherMessageCount: 1n,
      skippedMessageCount: 2n,
      unavailableMessageCount: 3n,
      destinationMessageCounts: new Map([["orders", 7n]]),
      rejectionReasonCounts: new Map([
        ["no_invoice", 5n],
        ["", 2n],
      ]),
      samples: [{ messageId: "m1", body: { $case: "text", value: "edited" }, bodyBytes: 6 }],
    }),
  );
  const preview = await dead.previewMove({
    filter: { groupId: "g" },
    sampleCount: 0,
    bodyBytesMax: 10,
  });
  expect(preview).toMatchObject({
    matchingMessageCount: 7,
    otherMessageCount: 1,
    skippedMessageCount: 2,
    unavailableMessageCount: 3,
    destinationMessageCounts: { orders: 7 },
    rejectionReasonCounts: { no_invoice: 5, "": 2 },
    samples: [{ messageId: "m1", text: "edited" }],
  });
  const [call] = server.callsOf<PreviewMessageMoveTaskRequest>("previewMessageMoveTask");
  expect(call?.request).toMatchObject({
    source: "orders-dead",
    filter: { groupId: "g" },
    edit: undefined,
    sampleCount: 0,
    bodyBytesMax: 10,
  });
});

test("a move is cancelled by its task, or anywhere by its handle", async () => {
  server.override("cancelMessageMoveTask", () => ({ movedMessageCount: 4n }));
  const move = await dead.startMove();
  expect(await move.cancel()).toBe(4);
  expect(await client.cancelMove("t2")).toBe(4);
  const calls = server.callsOf<CancelMessageMoveTaskRequest>("cancelMessageMoveTask");
  expect(calls.map(({ request }) => request.taskHandle)).toEqual(["t1", "t2"]);
  server.fail("cancelMessageMoveTask", {
    code: status.FAILED_PRECONDITION,
    reason: "MOVE_TASK_NOT_RUNNING",
  });
  await expect(move.cancel()).rejects.toMatchObject({ reason: "MOVE_TASK_NOT_RUNNING" });
});

test("the list shows every task, what it was asked and what it did", async () => {
  server.override("listMessageMoveTasks", ({ pageToken }: ListMessageMoveTasksRequest) =>
    ListMessageMoveTasksResponse.fromPartial(
      pageToken === ""
        ? {
            tasks: [
              {
                taskHandle: "t1",
                status: MoveTaskStatus.RUNNING,
                source: "orders-dead",
                destination: "orders",
                maxPerSecond: 5,
                movedMessageCount: 2n,
                toMoveMessageCount: 9n,
                startTime: { seconds: 8n },
                filter: { rejectionReason: "no_invoice", minimumAge: { seconds: 1n } },
                edit: {
                  setAttributes: new Map([
                    ["a", { dataType: "String", value: { $case: "stringValue", value: "b" } }],
                  ]),
                  body: { $case: "text", value: "new" },
                },
              },
            ],
            nextPageToken: "2",
          }
        : {
            tasks: [
              {
                status: MoveTaskStatus.FAILED,
                source: "orders-dead",
                skippedMessageCount: 1n,
                failureReason: "COULD_NOT_DETERMINE_SOURCE",
                startTime: { seconds: 1n },
                endTime: { seconds: 2n },
              },
            ],
          },
    ),
  );
  const tasks: unknown[] = [];
  for await (const task of dead.listMoves()) tasks.push(task);
  expect(tasks).toEqual([
    {
      taskHandle: "t1",
      status: "RUNNING",
      source: "orders-dead",
      destination: "orders",
      maxPerSecond: 5,
      movedMessageCount: 2,
      toMoveMessageCount: 9,
      skippedMessageCount: 0,
      failureReason: undefined,
      startTime: new Date(8_000),
      endTime: undefined,
      filter: { rejectionReason: "no_invoice", minimumAgeMs: 1_000 },
      edit: { setAttributes: { a: { type: "String", value: "b" } }, body: "new" },
    },
    {
      taskHandle: undefined,
      status: "FAILED",
      source: "orders-dead",
      destination: undefined,
      maxPerSecond: undefined,
      movedMessageCount: 0,
      toMoveMessageCount: 0,
      skippedMessageCount: 1,
      failureReason: "COULD_NOT_DETERMINE_SOURCE",
      startTime: new Date(1_000),
      endTime: new Date(2_000),
      filter: undefined,
      edit: undefined,
    },
  ]);
  const calls = server.callsOf<ListMessageMoveTasksRequest>("listMessageMoveTasks");
  expect(calls.map(({ request }) => [request.pageSize, request.pageToken])).toEqual([
    [10, ""],
    [10, "2"],
  ]);
});

describe("the status of a move", () => {
  let tasks: { taskHandle?: string; status: MoveTaskStatus; startTime: { seconds: bigint } }[];

  beforeEach(() => {
    server.override("listMessageMoveTasks", () =>
      ListMessageMoveTasksResponse.fromPartial({ tasks }),
    );
  });

  test("is found by its handle while it runs, and by its start when it has ended", async () => {
    const move = await dead.startMove();
    tasks = [{ taskHandle: "t1", status: MoveTaskStatus.RUNNING, startTime: { seconds: 5n } }];
    expect(await move.status()).toMatchObject({ status: "RUNNING" });
    // Meanwhile it was cancelled, and somebody started another.
    tasks = [
      { taskHandle: "t2", status: MoveTaskStatus.RUNNING, startTime: { seconds: 9n } },
      { status: MoveTaskStatus.CANCELLED, startTime: { seconds: 5n } },
      { status: MoveTaskStatus.COMPLETED, startTime: { seconds: 1n } },
    ];
    expect(await move.status()).toMatchObject({ status: "CANCELLED" });
    tasks = [];
    await expect(move.status()).rejects.toThrow("any more");
  });

  test("is that of the newest task when it ended before anybody looked", async () => {
    const move = await dead.startMove();
    tasks = [
      { status: MoveTaskStatus.COMPLETED, startTime: { seconds: 5n } },
      { status: MoveTaskStatus.FAILED, startTime: { seconds: 1n } },
    ];
    expect(await move.status()).toMatchObject({ status: "COMPLETED" });
  });
});
