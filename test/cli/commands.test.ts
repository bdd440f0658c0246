// Every command on a real server: what it does, what it prints where, and how it exits.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { cliScenario, forebay } from "./harness.js";

describe("queues", () => {
  test("are created, listed, shown, changed and removed", async () => {
    const { json, run } = await cliScenario({ create: "none" });
    const made = "queue create orders --visibility 45s --retention 2d --tag team=billing";
    expect(await json(made)).toMatchObject({
      queue: "orders",
      attributes: { visibilityTimeoutMs: 45_000, messageRetentionPeriodMs: 172_800_000 },
      counters: { storedMessageCount: 0 },
    });
    expect(await json("queue ls")).toEqual([{ queue: "orders" }]);
    expect(await json("queue ls zzz")).toEqual([]);
    expect(await json("queue tags orders")).toEqual({ team: "billing" });
    const changed =
      "queue set orders --visibility 1500ms --reset retention --receipt-policy strict";
    expect(await json(changed)).toMatchObject({
      attributes: {
        visibilityTimeoutMs: 1_500,
        messageRetentionPeriodMs: 345_600_000,
        receiptPolicy: "STRICT",
      },
    });
    const info = await run("queue info orders");
    expect(info.stdout).toMatch(/^visibility timeout +1500ms$/m);
    expect(info.stdout).toMatch(/^message retention period +4d$/m);
    expect(await json("queue rm orders --yes")).toEqual({
      queue: "orders",
      deletedMessageCount: 0,
    });
    expect((await run("queue info orders")).exitCode).toBe(3);
  });

  test("created again: the same is fine, another setting is a conflict", async () => {
    const { run } = await cliScenario({ create: "none" });
    await run("queue create orders --delay 5s");
    const same = await run("queue create orders --delay 5s");
    expect(same).toMatchObject({ exitCode: 0, stderr: expect.stringContaining("exists already") });
    const other = await run("queue create orders --delay 6s");
    expect(other).toMatchObject({ exitCode: 4, stdout: "" });
    expect(other.stderr).toContain("QUEUE_ALREADY_EXISTS");
    expect(other.stderr).toContain("Next: ");
  });

  test("are tagged and untagged", async () => {
    const { json } = await cliScenario();
    expect(await json("queue tag orders a=1 b=x=y")).toEqual({ a: "1", b: "x=y" });
    expect(await json("queue untag orders a")).toEqual({ b: "x=y" });
  });

  test("show their counters in a list when asked", async () => {
    const { run, t } = await cliScenario();
    await t.send("x");
    const { stdout } = await run("queue ls --counts");
    expect(stdout).toMatch(/^queue +visible +in flight +delayed +bytes\norders +1 +0 +0 +1\n$/);
  });

  test("with a stale etag are not touched", async () => {
    const { run } = await cliScenario();
    const stale = await run("queue set orders --delay 1s --etag nonsense");
    expect(stale.exitCode).toBe(4);
    expect(stale.stderr).toContain("ETAG_MISMATCH");
  });
});

describe("what destroys", () => {
  test("is refused where nobody can be asked, unless told so", async () => {
    const { run, t } = await cliScenario();
    await t.send("x");
    for (const command of ["queue rm orders", "queue purge orders"]) {
      const refused = await run(command);
      expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
      expect(refused.stderr).toContain("--yes");
    }
    expect(await t.counts()).toBe("1/0/0");
    expect((await run("queue purge orders --yes -o raw")).stdout).toBe("1\n");
    expect(await t.counts()).toBe("0/0/0");
  });

  test("tells of messages that wait for their time, which go too", async () => {
    const { run, json, t } = await cliScenario();
    await t.send("x");
    for (const body of ["later", "later still"]) {
      await run(["send", "orders", body, "--deliver-at", "+1h"]);
    }
    const purge = await run("queue purge orders", { isTty: true, stdin: "y\n" });
    expect(purge.stderr).toContain("removes 1 message and 2 scheduled of orders");
    expect(await json("scheduled ls orders")).toEqual([]);
    await run(["send", "orders", "later", "--deliver-at", "+1h"]);
    const remove = await run("queue rm orders");
    expect(remove.stderr).toContain("deletes the queue orders with its 0 messages and 1 scheduled");
    expect(await json("queue rm orders --yes")).toEqual({
      queue: "orders",
      deletedMessageCount: 1,
    });
  });

  test("asks a person, and takes anything but yes for a no", async () => {
    const { run, t } = await cliScenario();
    await t.send("x");
    const no = await run("queue purge orders", { isTty: true, stdin: "\n" });
    expect(no).toMatchObject({ exitCode: 1 });
    expect(no.stderr).toContain("removes 1 message of orders");
    expect(await t.counts()).toBe("1/0/0");
    const yes = await run("queue purge orders", { isTty: true, stdin: "y\n" });
    expect(yes.exitCode).toBe(0);
    expect(await t.counts()).toBe("0/0/0");
  });
});

describe("send", () => {
  test("sends one message with all that can be said of it", async () => {
    const { json, t } = await cliScenario();
    const sent = await json([
      ...["send", "orders", '{"id":1}', "--attribute", "kind=order", "--attribute", "a=b=c"],
      ...["--group", "tenant-7", "--trace-header", "Root=1"],
    ]);
    expect(sent).toMatchObject([{ messageId: expect.any(String), md5OfBody: expect.any(String) }]);
    const { message } = await t.receiveOne({ attributes: ["All"] });
    expect(message.body).toEqual({ $case: "text", value: '{"id":1}' });
    expect(Object.fromEntries(message.attributes)).toMatchObject({
      kind: { dataType: "String", value: { value: "order" } },
      a: { value: { value: "b=c" } },
    });
    expect(message.systemAttributes).toMatchObject({ groupId: "tenant-7", traceHeader: "Root=1" });
  });

  test("sends many, in order, and says how fast", async () => {
    const { run, t } = await cliScenario();
    const { stdout, stderr } = await run("send orders x --count 1200 -o raw");
    expect(stdout.trimEnd().split("\n")).toHaveLength(1_200);
    expect(stderr).toMatch(/^1200 messages sent in /);
    expect(await t.counts()).toBe("1200/0/0");
  });

  test("sends the lines of stdin, and the whole of a file", async () => {
    const { run, t } = await cliScenario();
    await run("send orders -", { stdin: "first\n\nsecond\r\nthird" });
    expect(await t.peek()).toEqual(["visible first x0", "visible second x0", "visible third x0"]);
    await t.purge();
    const folder = mkdtempSync(join(tmpdir(), "forebay-cli-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, "body"), Buffer.from([0, 1, 255]));
    await run(["send", "orders", "--file", join(folder, "body"), "--binary"]);
    const { message } = await t.receiveOne();
    expect(message.body).toEqual({ $case: "data", value: Buffer.from([0, 1, 255]) });
    const missing = await run(["send", "orders", "--file", join(folder, "missing")]);
    expect(missing).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("cannot be read"),
    });
  });

  test("delays, and refuses a span without a unit", async () => {
    const { run, t } = await cliScenario();
    await run("send orders x --delay 15m");
    expect(await t.counts()).toBe("0/0/1");
    const bare = await run("send orders x --delay 5");
    expect(bare).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("30s") });
  });

  test("shows every bad field that the server names", async () => {
    const { run } = await cliScenario();
    const bad = await run("send orders x --delay 16m --attribute aws.x=1");
    expect(bad.exitCode).toBe(2);
    expect(bad.stderr).toMatch(/delay/);
    expect(bad.stderr).toMatch(/aws\.x/);
  });

  test("needs a body, and only one", async () => {
    expect((await forebay(["send", "orders"])).exitCode).toBe(2);
    expect((await forebay(["send", "orders", "x", "--file", "y"])).exitCode).toBe(2);
  });
});

describe("receive", () => {
  test("prints messages and leaves them in flight", async () => {
    const { run, json, t } = await cliScenario();
    await t.send("one", { attributes: { kind: "order" } });
    await t.send(new Uint8Array([255, 0]));
    const received = await json("receive orders --max 10 --visibility 1h");
    expect(received).toMatchObject([
      {
        body: "one",
        encoding: "text",
        receiveCount: 1,
        attributes: { kind: { type: "String", value: "order" } },
        receiptHandle: expect.any(String),
      },
      { body: "/wA=", encoding: "base64" },
    ]);
    expect(await t.counts()).toBe("0/2/0");
    const none = await run("receive orders");
    expect(none).toMatchObject({
      exitCode: 0,
      stdout: "",
      stderr: "orders has no visible messages.\n",
    });
    expect(await json("receive orders")).toEqual([]);
  });

  test("deletes what it printed when told so, more than a call's worth too", async () => {
    const { run, t } = await cliScenario();
    for (let index = 0; index < 25; index += 1) await t.send(`message ${index}`);
    const { stdout } = await run("receive orders --max 23 --ack -o raw");
    expect(stdout.trimEnd().split("\n")).toHaveLength(23);
    expect(await t.counts()).toBe("2/0/0");
  });

  test("deletes nothing that could not be printed", async () => {
    const { run, t } = await cliScenario();
    for (let index = 0; index < 3; index += 1) await t.send(`message ${index}`);
    for (const format of ["table", "json", "jsonl", "raw"]) {
      const stdout = new Writable({
        write: (_chunk, _encoding, done) => done(new Error("the reader has gone")),
      });
      const line = `receive orders --max 3 --ack --visibility 0s -o ${format}`;
      expect((await run(line, { dependencies: { stdout } })).exitCode).toBe(0);
      expect(await t.counts()).toBe("3/0/0");
    }
  });

  test("waits for a message", async () => {
    const { run, t } = await cliScenario();
    const waiting = run("receive orders --wait 10s --ack -o raw");
    setTimeout(() => void t.send("late"), 200);
    expect((await waiting).stdout).toBe("late\n");
  });

  test("escapes what could move a terminal's cursor", async () => {
    const { run, t } = await cliScenario();
    await t.send(Buffer.from("red \u001b[31m alert"));
    const { stdout } = await run("receive orders");
    expect(stdout).toContain("red \\u001b[31m alert");
  });
});

describe("peek", () => {
  test("filters, limits, and changes nothing", async () => {
    const { json, t } = await cliScenario();
    for (let index = 0; index < 150; index += 1) {
      await t.send(`message ${index}`, {
        attributes: { parity: index % 2 === 0 ? "even" : "odd" },
      });
    }
    await t.send("later", { delayMs: 60_000 });
    expect(await json("peek orders")).toHaveLength(20);
    expect(await json("peek orders --limit 151")).toHaveLength(151);
    expect(await json("peek orders --state delayed")).toMatchObject([
      { body: "later", state: "DELAYED", visibleTime: expect.any(String) },
    ]);
    expect(
      await json(["peek", "orders", "--contains", "age 14", "--attribute", "parity=odd"]),
    ).toMatchObject([
      { body: "message 141" },
      { body: "message 143" },
      { body: "message 145" },
      { body: "message 147" },
      { body: "message 149" },
    ]);
    expect(await json("peek orders --limit 1 --body-bytes 3")).toMatchObject([
      { body: "mes", bodyBytes: 9 },
    ]);
    expect(await t.counts()).toBe("150/0/1");
  });
});

describe("bench", () => {
  test("measures each phase on a queue of its own and removes it", async () => {
    const { json } = await cliScenario({ create: "none" });
    const results = (await json("bench --seconds 1 --in-flight 16 --bytes 100")) as {
      phase: string;
      messageCount: number;
      failureCount: number;
      p50Ms: number;
      p99Ms: number;
    }[];
    expect(results.map(({ phase }) => phase)).toEqual(["send", "produce", "drain"]);
    for (const { messageCount, failureCount, p50Ms, p99Ms } of results) {
      expect(messageCount).toBeGreaterThan(0);
      expect(failureCount).toBe(0);
      expect(p50Ms).toBeGreaterThan(0);
      expect(p99Ms).toBeGreaterThanOrEqual(p50Ms);
    }
    expect(await json("queue ls")).toEqual([]);
  });
});
