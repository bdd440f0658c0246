// Times of schedules that passed while the server was down: made up for once, or skipped; never doubled, also not by a crash.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { freePort } from "../../scripts/support/free-port.mjs";
import { answers, ServerProcess } from "../crash/server-process.js";
import { QueueClient } from "../support/queue-client.js";
import {
  bodiesOf,
  durationOf,
  fifoScenario,
  type Scenario,
  scenario,
} from "../support/scenario.js";
import { putSchedule, scheduleStatus } from "../support/schedules.js";

const minuteMs = 60_000;

/** The server is down for so long, and up again when this resolves. */
async function downFor(t: Scenario, spanMs: number): Promise<void> {
  await t.settle();
  t.client.close();
  await t.stop();
  t.clock.leap(spanMs);
  await t.start();
  // What was due runs at the start, and not by a timer.
  await t.advance(0);
}

describe("by default", () => {
  test("one message is sent for all times that passed, at the start, and then the beat goes on", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { intervalMs: minuteMs });
    await downFor(t, 10.5 * minuteMs);
    expect(await t.counts()).toBe("1/0/0");
    const { id, message } = await t.receiveOne();
    expect(message.systemAttributes?.sendTime?.seconds).toBe(BigInt(Math.floor(t.now / 1_000)));
    expect(await scheduleStatus(t)).toEqual({
      nextAt: nextAt + 10 * minuteMs,
      lastAt: nextAt,
      messageId: id,
      runs: 1,
      failure: "",
    });
    await t.advance(minuteMs / 2 - 1);
    expect(await t.counters()).toMatchObject({ sent: 1 });
    await t.advance(1);
    expect(await t.counters()).toMatchObject({ sent: 2 });
  });

  test("nothing is sent when no time has passed", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { cron: "0 3 * * *" });
    await downFor(t, nextAt - t.now - 1);
    expect(await t.counts()).toBe("0/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("1/0/0");
  });

  test("a start at the very time is no miss", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { cron: "0 3 * * *", missedRuns: "skip" });
    await downFor(t, nextAt - t.now);
    expect(await t.counts()).toBe("1/0/0");
    expect(await scheduleStatus(t)).toMatchObject({ lastAt: nextAt, runs: 1 });
  });

  test("a time up to the end is made up for when the end has passed as well", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: minuteMs, endAt: t.now + 90_000 });
    await downFor(t, 10 * minuteMs);
    expect(await t.counts()).toBe("1/0/0");
    expect(await scheduleStatus(t)).toMatchObject({ runs: 1, nextAt: Number.NaN });
  });

  test("a paused one has missed nothing", async () => {
    const t = await scenario();
    await putSchedule(t, { intervalMs: minuteMs, isPaused: true });
    await downFor(t, 10 * minuteMs);
    expect(await t.counts()).toBe("0/0/0");
  });

  test("a thousand are made up for", async () => {
    const t = await scenario();
    await Promise.all(
      Array.from({ length: 1_000 }, (_, index) =>
        putSchedule(t, { name: `s${index}`, intervalMs: minuteMs + index }),
      ),
    );
    await downFor(t, 3 * minuteMs);
    for (let commands = 0; commands < 12; commands += 1) await t.settle();
    expect(await t.counts()).toBe("1000/0/0");
  });
});

describe("with SKIP", () => {
  test("a time 60 s ago is made up for", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 10 * minuteMs, missedRuns: "skip" });
    await downFor(t, 11 * minuteMs);
    expect(await t.counts()).toBe("1/0/0");
    expect(await scheduleStatus(t)).toMatchObject({ lastAt: nextAt, runs: 1 });
  });

  test("a time more than 60 s ago is not, and the beat goes on", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 10 * minuteMs, missedRuns: "skip" });
    await downFor(t, 11 * minuteMs + 1);
    expect(await t.counts()).toBe("0/0/0");
    expect(await scheduleStatus(t)).toEqual({
      nextAt: nextAt + 10 * minuteMs,
      lastAt: Number.NaN,
      messageId: "",
      runs: 0,
      failure: "",
    });
    await t.skip(nextAt + 10 * minuteMs - t.now - 1);
    expect(await t.counts()).toBe("0/0/0");
    await t.advance(1);
    expect(await t.counts()).toBe("1/0/0");
  });

  test("of many times those of the last 60 s count, and one message is sent for them", async () => {
    const t = await scenario();
    const { nextAt } = await putSchedule(t, { intervalMs: 25_000, missedRuns: "skip" });
    // Times at 25, 50, … 300 s; at 301 s those at 250, 275 and 300 are not long ago.
    await downFor(t, 301_000);
    expect(await t.counts()).toBe("1/0/0");
    expect(await scheduleStatus(t)).toMatchObject({
      runs: 1,
      lastAt: nextAt + 225_000,
      nextAt: nextAt + 300_000,
    });
  });

  test("the last 60 s begin with the instant 60 s ago", async () => {
    for (const [lateMs, runs] of [
      [minuteMs, 1],
      [minuteMs + 1, 0],
    ] as const) {
      const t = await scenario();
      const { nextAt } = await putSchedule(t, { intervalMs: 10 * minuteMs, missedRuns: "skip" });
      await downFor(t, 20 * minuteMs + lateMs);
      expect(await scheduleStatus(t)).toMatchObject({ runs, nextAt: nextAt + 20 * minuteMs });
    }
  });

  test("an end that has passed ends it", async () => {
    const t = await scenario();
    const endAt = t.now + 15 * minuteMs;
    await putSchedule(t, { intervalMs: 10 * minuteMs, missedRuns: "skip", endAt });
    await downFor(t, 60 * minuteMs);
    expect(await scheduleStatus(t)).toMatchObject({ runs: 0, nextAt: Number.NaN });
    expect(await t.counts()).toBe("0/0/0");
  });
});

test("a run that was missed on a FIFO queue has the deduplication id of its time", async () => {
  const t = await fifoScenario();
  const { nextAt } = await putSchedule(t, { intervalMs: minuteMs, groupId: "g" });
  await downFor(t, 10 * minuteMs);
  const { message } = await t.receiveOne();
  expect(message.systemAttributes?.dedupId).toBe(`nightly-${new Date(nextAt).toISOString()}`);
});

test("a crash right after a run doubles it not, and one right before loses it not", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: minuteMs });
  await t.advance(minuteMs);
  await t.crash();
  await t.advance(1_000);
  expect(await t.counts()).toBe("1/0/0");
  await t.advance(minuteMs - 1_001);
  await t.crash();
  expect(await t.counts()).toBe("1/0/0");
  await t.advance(1);
  expect(await t.counts()).toBe("2/0/0");
});

/** Runs of schedules by second, as their messages tell: `a` at 12:00:05 is `a 5`. */
test("killed again and again, a server runs each of its schedules once a time, save for those missed together", async () => {
  const dataDirectory = mkdtempSync(join(tmpdir(), "forebay-schedules-"));
  const port = await freePort();
  let life = new ServerProcess({ dataDirectory, port });
  onTestFinished(async () => {
    await life.kill();
    rmSync(dataDirectory, { recursive: true, force: true });
  });
  await answers(port);
  let client = new QueueClient({ host: "127.0.0.1", port });
  const queue = "runs.fifo";
  const names = ["a", "b", "c", "d"];
  await client.call("createQueue", {
    queue,
    attributes: { fifoQueue: true, dedupWindow: durationOf(0), maxInFlight: 100_000 },
  });
  for (const name of names) {
    await client.call("putSchedule", {
      queue,
      schedule: {
        name,
        timing: { $case: "interval", value: durationOf(1_000) },
        message: { body: { $case: "text", value: name }, groupId: name },
      },
    });
  }
  for (let round = 0; round < 4; round += 1) {
    // Not at the same point of a second each time.
    await new Promise((resolve) => setTimeout(resolve, 1_100 + 237 * round));
    await life.kill();
    client.close();
    life = new ServerProcess({ dataDirectory, port });
    await answers(port);
    client = new QueueClient({ host: "127.0.0.1", port });
  }
  const counts = new Map<string, number>();
  for (const name of names) {
    const { status } = await client.call("getSchedule", { queue, name });
    await client.call("deleteSchedule", { queue, name });
    counts.set(name, Number(status?.runCount));
  }
  // With no window nothing is a duplicate: were a run doubled, its id would be there twice.
  const ids: string[] = [];
  let pageToken = "";
  do {
    const page = await client.call("peekMessages", { queue, pageSize: 100, pageToken });
    ids.push(...page.messages.map(({ systemAttributes }) => systemAttributes?.dedupId ?? "?"));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  client.close();
  expect(new Set(ids).size).toBe(ids.length);
  for (const name of names) {
    const own = ids.filter((id) => id.startsWith(`${name}-`));
    // A run may have come between the look and the deletion.
    expect(own.length - (counts.get(name) ?? 0)).toBeLessThanOrEqual(1);
    expect(own.length).toBeGreaterThanOrEqual(counts.get(name) ?? 0);
    expect(own.length).toBeGreaterThanOrEqual(4);
  }
});

test("what a server that is drained does not run, the next one does", async () => {
  const t = await scenario();
  await putSchedule(t, { intervalMs: 5_000 });
  await t.advance(4_999);
  await t.restart();
  expect(await t.counts()).toBe("0/0/0");
  await t.advance(1);
  expect(bodiesOf(await t.receive({ max: 10 }))).toEqual(["run"]);
});
