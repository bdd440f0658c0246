// The command line as such: what goes where, exit codes, help, and the two commands that others run.

import { Writable } from "node:stream";
import { describe, expect, test } from "vitest";
import { runCli } from "../../src/cli/cli.js";
import { formatDuration, parseDuration } from "../../src/cli/durations.js";
import { Histogram } from "../../src/cli/histogram.js";
import { parseInstant, roughDuration } from "../../src/cli/instants.js";
import { cliScenario, forebay } from "./harness.js";

describe("serve and check", () => {
  test("get their arguments as they are, help included", async () => {
    const served: (readonly string[])[] = [];
    const dependencies = {
      serve: async (args: readonly string[]) => {
        served.push(args);
        return 7;
      },
      check: async (args: readonly string[]) => {
        served.push(["check", ...args]);
        return 1;
      },
    };
    expect(await forebay(["serve", "--listen", "x", "--help"], { dependencies })).toMatchObject({
      exitCode: 7,
    });
    expect(await forebay([], { dependencies })).toMatchObject({ exitCode: 7 });
    expect(await forebay(["check", "--data-dir", "d"], { dependencies })).toMatchObject({
      exitCode: 1,
    });
    expect(served).toEqual([["--listen", "x", "--help"], [], ["check", "--data-dir", "d"]]);
  });
});

describe("usage", () => {
  test("help goes to stdout, lists all commands and exit codes, and is no failure", async () => {
    const { exitCode, stdout, stderr } = await forebay(["--help"]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe("");
    const commands = [
      ...["serve", "check", "queue", "send", "receive", "delete", "visibility", "reject", "peek"],
      ...["message", "work", "scheduled", "schedule", "move", "bench"],
    ];
    for (const word of commands) {
      expect(stdout).toMatch(new RegExp(`^  ${word}`, "m"));
    }
    expect(stdout).toContain("Exit codes:");
    expect((await forebay(["work", "--help"])).stdout).toContain("FOREBAY_MESSAGE_ID");
  });

  test("a version is printed", async () => {
    expect((await forebay(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  test.each([
    { line: "sendd", says: "Did you mean send?" },
    { line: "queue", says: "Usage: forebay queue" },
    { line: "queue info", says: "missing required argument" },
    { line: "queue info a b", says: "too many arguments" },
    { line: "queue info a --nonsense", says: "unknown option" },
    { line: "queue ls -o yaml", says: "table, json, jsonl, raw" },
    { line: "queue create a --tag nonsense", says: "name=value" },
    { line: "queue create a --receipt-policy harsh", says: "lenient, strict" },
    { line: "queue set a", says: "Nothing to change" },
    { line: "queue set a --reset nonsense", says: "visibility" },
    { line: "queue set a --reset max-receive-count", says: "dead-letter-queue, " },
    { line: "queue create a --dead-letter-queue d", says: "--max-receive-count" },
    { line: "queue create a --max-receive-count 3", says: "--dead-letter-queue" },
    { line: "queue create a --retry-maximum 3s", says: "--retry-minimum" },
    { line: "queue create a --retry-factor much", says: "no number" },
    { line: "queue allow a b --principal p --action Fly", says: "sendmessage, " },
    { line: "receive a --max 0", says: "at least 1" },
    { line: "receive a --attempt-id b --max 11", says: "at most 10" },
    { line: "send a b --deliver-at tomorrow", says: "+2h" },
    { line: "send a b --deliver-at 2026-12-24T18:00", says: "zone" },
    { line: "reject a b", says: "--reason" },
    { line: "reject a b --reason c --delay 1s --dead-letter", says: "not both" },
    { line: "visibility a b soon", says: "no span" },
    { line: "message", says: "Usage: forebay message" },
    { line: "scheduled", says: "Usage: forebay scheduled" },
    { line: "schedule put a b c", says: "--cron or --every" },
    { line: "schedule put a b c --cron x --every 5m", says: "not both" },
    { line: "schedule put a b c --every 5m --zone UTC", says: "no zone" },
    { line: "schedule put a b --every 5m", says: "a body, or --file" },
    { line: "move start a --set-body b --set-body-file c", says: "not both" },
    { line: "queue ls --endpoint http://x", says: "web address" },
  ])("`forebay $line` is refused with a sentence", async ({ line, says }) => {
    const { exitCode, stdout, stderr } = await forebay(line.split(" "));
    expect(exitCode).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(says);
  });
});

describe("failures", () => {
  test("of the connection say what to do, and exit with 6", async () => {
    const { exitCode, stdout, stderr } = await forebay([
      "queue",
      "ls",
      "--endpoint",
      "127.0.0.1:1",
    ]);
    expect(exitCode).toBe(6);
    expect(stdout).toBe("");
    expect(stderr).toContain("CONNECTION_FAILED: ");
    expect(stderr).toContain("127.0.0.1:1");
  });

  test("the flag wins over the environment", async () => {
    const { endpoint } = await cliScenario();
    const env = { FOREBAY_ENDPOINT: "127.0.0.1:1" };
    expect((await forebay(["queue", "ls", "--endpoint", endpoint], { env })).exitCode).toBe(0);
    expect((await forebay(["queue", "ls"], { env })).exitCode).toBe(6);
  });

  test("a reader that has had enough is none", async () => {
    const { endpoint, t } = await cliScenario();
    await t.send("x");
    const gone = new Writable({
      write: (_chunk, _encoding, done) =>
        done(Object.assign(new Error("EPIPE"), { code: "EPIPE" })),
    });
    const exitCode = await runCli(["peek", "orders", "-o", "raw", "--endpoint", endpoint], {
      serve: async () => 0,
      check: async () => 0,
      env: {},
      stdout: gone,
      stderr: new Writable({ write: (_chunk, _encoding, done) => done() }),
    });
    expect(exitCode).toBe(0);
  });

  test("an interrupted wait exits with 130", async () => {
    const { run } = await cliScenario();
    const interrupted = AbortSignal.timeout(200);
    expect((await run("receive orders --wait 20s", { interrupted })).exitCode).toBe(130);
  });
});

test.each([
  { text: "0s", spanMs: 0, written: "0s" },
  { text: "500ms", spanMs: 500, written: "500ms" },
  { text: "1.5s", spanMs: 1_500, written: "1500ms" },
  { text: "90s", spanMs: 90_000, written: "90s" },
  { text: "2m", spanMs: 120_000, written: "2m" },
  { text: "24h", spanMs: 86_400_000, written: "1d" },
  { text: "4d", spanMs: 345_600_000, written: "4d" },
])("the span $text is $spanMs ms, and written $written", ({ text, spanMs, written }) => {
  expect(parseDuration(text)).toBe(spanMs);
  expect(formatDuration(spanMs)).toBe(written);
});

test.each(["", "5", "-5s", "5 s", "5S", "s", "1e3s", "5sec"])("%j is no span", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test.each([
  { text: "2026-12-24T18:00:00Z", instant: "2026-12-24T18:00:00.000Z" },
  { text: "2026-12-24T18:00Z", instant: "2026-12-24T18:00:00.000Z" },
  { text: "2026-12-24T19:00:00.25+01:00", instant: "2026-12-24T18:00:00.250Z" },
  { text: "2028-02-29T23:59:59-00:30", instant: "2028-03-01T00:29:59.000Z" },
])("the instant $text is $instant", ({ text, instant }) => {
  expect(parseInstant(text)).toEqual({ kind: "at", time: new Date(instant) });
});

test.each([
  { text: "+2h", spanMs: 7_200_000 },
  { text: "+0s", spanMs: 0 },
  { text: "+1.5s", spanMs: 1_500 },
])("the instant $text is $spanMs ms from now", ({ text, spanMs }) => {
  expect(parseInstant(text)).toEqual({ kind: "fromNow", spanMs });
});

test.each([
  ...["", "+", "2h", "+2", "-2h", "now", "2026-12-24", "2026-12-24T18:00", "2026-12-24 18:00Z"],
  ...["2027-02-29T18:00Z", "2026-04-31T18:00Z", "2026-13-01T18:00Z", "2026-12-00T18:00Z"],
  ...["2026-12-24T24:00Z", "2026-12-24T18:60Z", "2026-12-24T18:00+99:00", "1798135200"],
])("%j is no instant", (text) => {
  expect(parseInstant(text)).toBeUndefined();
});

test.each([
  { spanMs: 1, said: "1s" },
  { spanMs: 1_499, said: "1s" },
  { spanMs: 119_999, said: "2m" },
  { spanMs: 119_400, said: "119s" },
  { spanMs: 120_000, said: "2m" },
  { spanMs: 7_199_000, said: "2h" },
  { spanMs: 172_800_000, said: "2d" },
])("a span of $spanMs ms is said as $said", ({ spanMs, said }) => {
  expect(roughDuration(spanMs)).toBe(said);
});

test("percentiles are within 2 % of the truth", () => {
  const histogram = new Histogram();
  for (let index = 1; index <= 10_000; index += 1) histogram.record(index / 10);
  for (const share of [0.5, 0.9, 0.99]) {
    expect(Math.abs(histogram.percentileMs(share) / (share * 1_000) - 1)).toBeLessThan(0.02);
  }
  expect(histogram.percentileMs(1)).toBe(1_000);
  expect(new Histogram().percentileMs(0.5)).toBe(0);
});
