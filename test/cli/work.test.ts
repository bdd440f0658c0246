// `forebay work`: a program for every message, whose exit code decides.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { type CliScenario, cliScenario } from "./harness.js";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "forebay-work-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Run {
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a shell script as the handler until the queue's counts are as expected. */
async function workUntil(
  { run, t }: CliScenario,
  script: string,
  counts: string,
  options: readonly string[] = [],
): Promise<Run> {
  const stop = new AbortController();
  const line = ["work", t.queue, ...options, "--", "sh", "-c", script];
  const working = run(line, { interrupted: stop.signal, env: { PATH: process.env["PATH"] ?? "" } });
  while ((await t.counts()) !== counts) await new Promise((resolve) => setTimeout(resolve, 20));
  stop.abort();
  const { exitCode, ...result } = await working;
  expect(exitCode).toBe(0);
  return result;
}

test("a program gets the body on stdin and the rest in its environment; 0 deletes", async () => {
  const scenario = await cliScenario();
  await scenario.t.send('{"id":1}', { attributes: { kind: "order" }, groupId: "g7" });
  const script =
    'printf "%s|%s|%s|%s|%s" "$(cat)" "$FOREBAY_QUEUE" "$FOREBAY_RECEIVE_COUNT" "$FOREBAY_GROUP_ID" "$FOREBAY_ATTRIBUTES"';
  const { stdout } = await workUntil(scenario, script, "0/0/0");
  expect(stdout).toBe('{"id":1}|orders|1|g7|{"kind":"order"}');
});

test("a program of a FIFO queue gets the messages of a group one at a time, in order", async () => {
  const scenario = await cliScenario({ queue: "orders.fifo", type: "fifo" });
  for (const body of ["a", "b", "c"]) {
    await scenario.run(`send orders.fifo ${body} --group g --dedup-id id-${body}`);
  }
  const path = join(folder(), "log");
  writeFileSync(path, "");
  const script = `printf "<%s %s %s" "$(cat)" "$FOREBAY_DEDUP_ID" "$FOREBAY_SEQUENCE_NUMBER" >> ${path}; sleep 0.1; echo ">" >> ${path}`;
  await workUntil(scenario, script, "0/0/0", ["--concurrency", "4"]);
  expect(readFileSync(path, "utf8")).toMatch(
    /^<a id-a \d{20}>\n<b id-b \d{20}>\n<c id-c \d{20}>\n$/,
  );
});

test("a body that is not read is no failure", async () => {
  const scenario = await cliScenario();
  await scenario.t.send("x".repeat(500_000));
  await workUntil(scenario, "exit 0", "0/0/0");
});

test("65 sends a message to the dead-letter queue with what the program wrote to stderr", async () => {
  const scenario = await cliScenario({ create: "none" });
  const { run, json } = scenario;
  await run("queue create dead");
  await run("queue create orders --dead-letter-queue dead --max-receive-count 100");
  await run("send orders bad");
  await workUntil(scenario, "echo no total >&2; exit 65", "0/0/0");
  expect(await json("peek dead")).toMatchObject([
    {
      body: "bad",
      deadLetterReason: "REJECTED",
      rejection: { reason: "rejected_by_handler", error: "no total" },
    },
  ]);
});

test("65 without a dead-letter queue keeps the message, and what the program wrote to stderr", async () => {
  const scenario = await cliScenario();
  await scenario.t.send("bad");
  const { stderr } = await workUntil(scenario, "echo no total >&2; exit 65", "0/0/1");
  expect(stderr).toContain("no total");
  const { messages } = await scenario.t.call("peekMessages", { queue: "orders" });
  expect(messages[0]?.systemAttributes?.rejection).toMatchObject({
    reason: "rejected_by_handler",
    error: "no total",
  });
});

test("75 brings the message back after --retry, anything else after a backoff", async () => {
  const scenario = await cliScenario();
  await scenario.t.send("again");
  const path = join(folder(), "runs");
  writeFileSync(path, "");
  // Fails with 75, then with 3, then succeeds.
  const script = `echo run >> ${path}; case $(wc -l < ${path}) in 1) exit 75;; 2) exit 3;; *) exit 0;; esac`;
  const { stderr } = await workUntil(scenario, script, "0/0/0", ["--retry", "100ms"]);
  expect(readFileSync(path, "utf8")).toBe("run\nrun\nrun\n");
  expect(stderr).toContain("exited with 3");
});

test("programs run side by side up to --concurrency", async () => {
  const scenario = await cliScenario();
  for (let index = 0; index < 4; index += 1) await scenario.t.send(`${index}`);
  const path = join(folder(), "log");
  writeFileSync(path, "");
  const script = `echo start >> ${path}; sleep 0.4; echo end >> ${path}`;
  await workUntil(scenario, script, "0/0/0", ["--concurrency", "2"]);
  const lines = readFileSync(path, "utf8").trim().split("\n");
  expect(lines).toHaveLength(8);
  let running = 0;
  let runningMax = 0;
  for (const line of lines) {
    running += line === "start" ? 1 : -1;
    runningMax = Math.max(runningMax, running);
  }
  expect(runningMax).toBe(2);
});

test("an interruption lets what runs finish", async () => {
  const { run, t } = await cliScenario();
  await t.send("slow");
  const stop = new AbortController();
  const line = ["work", "orders", "--", "sh", "-c", "sleep 0.5; echo finished"];
  const working = run(line, { interrupted: stop.signal, env: { PATH: process.env["PATH"] ?? "" } });
  while ((await t.counts()) !== "0/1/0") await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  stop.abort();
  expect((await working).stdout).toBe("finished\n");
  expect(await t.counts()).toBe("0/0/0");
});

test("a program that takes longer than --stop-timeout is ended, and its message given back", async () => {
  const { run, t } = await cliScenario();
  await t.send("endless");
  const stop = new AbortController();
  const path = join(folder(), "pid");
  const script = `echo $$ > ${path}; exec sleep 60`;
  const line = ["work", "orders", "--stop-timeout", "100ms", "--", "sh", "-c", script];
  const working = run(line, { interrupted: stop.signal, env: { PATH: process.env["PATH"] ?? "" } });
  while ((await t.counts()) !== "0/1/0") await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  stop.abort();
  await working;
  expect(await t.counts()).toBe("1/0/0");
  const pid = Number(readFileSync(path, "utf8"));
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow("ESRCH"));
});

test("a program that does not exist is said to", async () => {
  const scenario = await cliScenario();
  await scenario.t.send("x");
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 500);
  const { stderr } = await scenario.run("work orders -- /no/such/program", {
    interrupted: stop.signal,
  });
  expect(stderr).toContain("ENOENT");
});

test("a queue that does not exist is said at once", async () => {
  const { run } = await cliScenario({ create: "none" });
  expect(await run("work orders -- true")).toMatchObject({
    exitCode: 3,
    stderr: expect.stringContaining("QUEUE_NOT_FOUND"),
  });
});
