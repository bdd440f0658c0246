// The log of failed calls: at the level that says who should care, and never more than a hundred lines a second.

import { status } from "@grpc/grpc-js";
import { beforeEach, expect, test } from "vitest";
import { createFailedCallsLog, type FailedCallsLog } from "../../src/edge/failed-calls-log.js";
import { type LoggedLine, recordingLog } from "../support/edge.js";
import { ManualClock } from "../support/manual-clock.js";

let clock: ManualClock;
let lines: LoggedLine[];
let failedCalls: FailedCallsLog;

beforeEach(() => {
  clock = new ManualClock();
  const recording = recordingLog();
  lines = recording.lines;
  failedCalls = createFailedCallsLog(recording.log, clock);
});

function fail(code: status, count = 1): void {
  for (let index = 0; index < count; index += 1) {
    failedCalls.write({ service: "s", method: "m", code, reason: "R", durationMs: 1.23456 });
  }
}

test.each([
  [status.INTERNAL, "error"],
  [status.DATA_LOSS, "error"],
  [status.UNAVAILABLE, "warn"],
  [status.RESOURCE_EXHAUSTED, "warn"],
  [status.INVALID_ARGUMENT, "info"],
  [status.NOT_FOUND, "info"],
])("code %i is logged at %s", (code, level) => {
  fail(code);
  expect(lines).toEqual([
    {
      level,
      message: "call failed",
      fields: { service: "s", method: "m", code: status[code], reason: "R", durationMs: 1.235 },
    },
  ]);
});

test("a caller that stopped waiting is not logged", () => {
  fail(status.CANCELLED);
  fail(status.DEADLINE_EXCEEDED);
  expect(lines).toEqual([]);
});

test("a hundred lines a second are written, and one tells how many were not", async () => {
  fail(status.NOT_FOUND, 100);
  expect(lines).toHaveLength(100);
  fail(status.NOT_FOUND, 250);
  expect(lines).toHaveLength(100);
  await clock.advance(999);
  expect(lines).toHaveLength(100);
  await clock.advance(1);
  expect(lines.at(100)).toEqual({
    level: "warn",
    message: "failed calls were not logged one by one",
    fields: { suppressedCount: 250 },
  });
  fail(status.NOT_FOUND, 101);
  expect(lines).toHaveLength(201);
  await clock.advance(10_000);
  expect(lines.at(201)?.fields).toEqual({ suppressedCount: 1 });
  await clock.advance(10_000);
  expect(lines).toHaveLength(202);
});
