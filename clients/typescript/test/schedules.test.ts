// Schedules: the calls of a second service over the same connection.

import { status } from "@grpc/grpc-js";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  type DeleteScheduleRequest,
  type GetScheduleRequest,
  GetScheduleResponse,
  type ListSchedulesRequest,
  ListSchedulesResponse,
  MissedRuns,
  type PutScheduleRequest,
  PutScheduleResponse,
} from "../gen/forebay/queue/v1/schedule_service.js";
import { ForebayClient, type Queue, type Schedule } from "../src/index.js";
import { FakeServer } from "./support/fake-server.js";

let server: FakeServer;
let client: ForebayClient;
let queue: Queue;

beforeEach(async () => {
  server = await FakeServer.start();
  client = new ForebayClient({ endpoint: server.endpoint });
  queue = client.queue("orders");
  server.override("putSchedule", () =>
    PutScheduleResponse.fromPartial({ created: true, status: { nextTime: { seconds: 9n } } }),
  );
});

afterEach(async () => {
  await client.close();
  server.kill();
});

const puts = () => server.callsOf<PutScheduleRequest>("putSchedule").map(({ request }) => request);

test("a cron schedule goes out with everything it says", async () => {
  const put = await queue.schedules.put({
    name: "nightly",
    timing: { kind: "cron", pattern: "0 3 * * *", timeZone: "Europe/Berlin" },
    message: {
      body: "close the books",
      attributes: { kind: "report" },
      groupId: "g",
      timeToLiveMs: 60_000,
      priority: 3,
    },
    startTime: new Date(1_000),
    endTime: new Date("2030-01-01T00:00:00.250Z"),
    paused: true,
    missedRuns: "SKIP",
  });
  expect(put).toEqual({
    created: true,
    status: {
      nextTime: new Date(9_000),
      lastTime: undefined,
      lastMessageId: undefined,
      runCount: 0,
      lastFailureReason: undefined,
    },
  });
  expect(puts()).toEqual([
    {
      queue: "orders",
      schedule: {
        name: "nightly",
        timing: { $case: "cron", value: "0 3 * * *" },
        timeZone: "Europe/Berlin",
        message: {
          body: { $case: "text", value: "close the books" },
          attributes: new Map([
            ["kind", { dataType: "String", value: { $case: "stringValue", value: "report" } }],
          ]),
          groupId: "g",
          timeToLive: { seconds: 60n, nanos: 0 },
          priority: 3,
        },
        startTime: { seconds: 1n, nanos: 0 },
        endTime: { seconds: 1_893_456_000n, nanos: 250_000_000 },
        paused: true,
        missedRuns: MissedRuns.SKIP,
      },
    },
  ]);
});

test("an interval goes out in milliseconds, and nothing that was not said", async () => {
  const message = { body: new Uint8Array([7]) };
  await queue.schedules.put({
    name: "beat",
    timing: { kind: "interval", intervalMs: 1_500 },
    message,
  });
  expect(puts()[0]?.schedule).toMatchObject({
    timing: { $case: "interval", value: { seconds: 1n, nanos: 500_000_000 } },
    timeZone: "",
    message: { body: { $case: "data" }, groupId: "", timeToLive: undefined, priority: undefined },
    startTime: undefined,
    endTime: undefined,
    paused: false,
    missedRuns: MissedRuns.UNSPECIFIED,
  });
});

test("what was read may be changed and put again, and is otherwise the same", async () => {
  const schedule: Schedule = {
    name: "nightly",
    timing: { kind: "cron", pattern: "0 3 * * *" },
    message: { body: "x", attributes: { n: { type: "Number.int", value: "1" } } },
  };
  await queue.schedules.put(schedule);
  server.override("getSchedule", () =>
    GetScheduleResponse.fromPartial({
      schedule: puts()[0]?.schedule,
      status: { runCount: 3n, lastMessageId: "m3", lastTime: { seconds: 2n } },
    }),
  );
  const read = await queue.schedules.get("nightly");
  expect(read.status).toMatchObject({
    runCount: 3,
    lastMessageId: "m3",
    lastTime: new Date(2_000),
    nextTime: undefined,
  });
  await queue.schedules.put({ ...read.schedule, paused: true });
  expect(puts()[1]?.schedule).toEqual({ ...puts()[0]?.schedule, paused: true });
  const [get] = server.callsOf<GetScheduleRequest>("getSchedule");
  expect(get?.request).toEqual({ queue: "orders", name: "nightly" });
});

test("a timing that only a newer client can name is shown as such, and not put again", async () => {
  server.override("getSchedule", () =>
    GetScheduleResponse.fromPartial({ schedule: { name: "odd", message: {} } }),
  );
  const { schedule } = await queue.schedules.get("odd");
  expect(schedule.timing).toEqual({ kind: "unknown" });
  await expect(queue.schedules.put(schedule)).rejects.toBeInstanceOf(TypeError);
  expect(puts()).toEqual([]);
});

test("the list goes over all pages", async () => {
  server.override("listSchedules", ({ pageToken }: ListSchedulesRequest) =>
    ListSchedulesResponse.fromPartial(
      pageToken === ""
        ? {
            schedules: [{ schedule: { name: "a" }, status: { lastFailureReason: "STORAGE_FULL" } }],
            nextPageToken: "2",
          }
        : { schedules: [{ schedule: { name: "b", missedRuns: MissedRuns.SKIP } }] },
    ),
  );
  const seen: unknown[] = [];
  for await (const { schedule, status: done } of queue.schedules.list({ pageSize: 1 })) {
    seen.push([schedule.name, schedule.missedRuns, done.lastFailureReason]);
  }
  expect(seen).toEqual([
    ["a", undefined, "STORAGE_FULL"],
    ["b", "SKIP", undefined],
  ]);
  expect(server.callsOf<ListSchedulesRequest>("listSchedules")).toMatchObject([
    { request: { queue: "orders", pageSize: 1, pageToken: "" } },
    { request: { queue: "orders", pageSize: 1, pageToken: "2" } },
  ]);
});

test("one is deleted by its name, and errors are those of every call", async () => {
  server.override("deleteSchedule", () => ({}));
  await queue.schedules.delete("nightly");
  const [call] = server.callsOf<DeleteScheduleRequest>("deleteSchedule");
  expect(call?.request).toEqual({ queue: "orders", name: "nightly" });
  server.fail("deleteSchedule", { code: status.NOT_FOUND, reason: "SCHEDULE_NOT_FOUND" });
  await expect(queue.schedules.delete("nightly")).rejects.toMatchObject({
    reason: "SCHEDULE_NOT_FOUND",
  });
});

test("a put is repeated when its answer is lost; a delete is not", async () => {
  const lost = { code: status.UNAVAILABLE };
  server.fail("putSchedule", lost);
  await queue.schedules.put({
    name: "beat",
    timing: { kind: "interval", intervalMs: 1_000 },
    message: { body: "x" },
  });
  expect(puts()).toHaveLength(2);
  server.fail("deleteSchedule", lost);
  await expect(queue.schedules.delete("beat")).rejects.toMatchObject({
    reason: "CONNECTION_LOST",
  });
  expect(server.callsOf("deleteSchedule")).toHaveLength(1);
});
