// Messages from the command line: what FIFO queues, times, priorities and rejections add to sending, receiving and settling,
// and what can be asked about one message.

import { describe, expect, test } from "vitest";
import { type CliScenario, cliScenario } from "./harness.js";

/** What commands print of a message, as far as these tests look. */
interface Printed {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly sequenceNumber?: string;
  readonly visibleTime?: string;
  readonly deliverTime?: string;
  readonly sendTime?: string;
  readonly expireTime?: string;
  readonly timeToLiveEndTime?: string;
}

const hourMs = 3_600_000;
/** What may pass between a test's look at the clock and the server's. */
const slackMs = 10_000;

const fifo = { queue: "orders.fifo", type: "fifo" } as const;

async function sendOne({ json }: CliScenario, line: string | readonly string[]): Promise<Printed> {
  const [sent] = (await json(line)) as Printed[];
  if (sent === undefined) throw new Error("Nothing was sent.");
  return sent;
}

async function receiveOne({ json }: CliScenario, line = "receive orders"): Promise<Printed> {
  const [received] = (await json(line)) as Printed[];
  if (received === undefined) throw new Error("Nothing was received.");
  return received;
}

function expectNear(time: string | undefined, epochMs: number): void {
  expect(Math.abs(Date.parse(time ?? "") - epochMs)).toBeLessThan(slackMs);
}

describe("send to a FIFO queue", () => {
  test("shows places, and says what was dropped as a duplicate", async () => {
    const scenario = await cliScenario(fifo);
    const { json, run } = scenario;
    const line = "send orders.fifo pay --group customer-7 --dedup-id order-1";
    const first = await sendOne(scenario, line);
    expect(first.sequenceNumber).toMatch(/^\d{20}$/);
    expect(first).not.toHaveProperty("duplicate");
    expect(await json(line)).toMatchObject([
      { messageId: first.messageId, sequenceNumber: first.sequenceNumber, duplicate: true },
    ]);
    const again = await run(line);
    expect(again.stdout).toMatch(/^message +sequence +md5\n/);
    expect(again.stderr).toBe("1 of 1 dropped as duplicates.\n");
    const peeked = await run("peek orders.fifo");
    expect(peeked.stdout).toMatch(/^message +state +group +sent/);
    expect(await json("receive orders.fifo --max 10")).toMatchObject([
      {
        messageId: first.messageId,
        groupId: "customer-7",
        dedupId: "order-1",
        sequenceNumber: first.sequenceNumber,
        receiveCount: 1,
        queueReceiveCount: 1,
      },
    ]);
  });

  test("needs a group", async () => {
    const { run } = await cliScenario(fifo);
    const refused = await run("send orders.fifo pay --dedup-id order-1");
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("MISSING_PARAMETER");
    expect(refused.stderr).toContain("group_id");
  });
});

describe("receive from a FIFO queue", () => {
  test("gets the same messages again with the same attempt id", async () => {
    const scenario = await cliScenario(fifo);
    const { json, run } = scenario;
    for (const body of ["a", "b"]) {
      await run(`send orders.fifo ${body} --group g --dedup-id ${body}`);
    }
    const line = "receive orders.fifo --max 10 --attempt-id try-1";
    const first = await json(line);
    expect(first).toMatchObject([{ body: "a" }, { body: "b", receiveCount: 1 }]);
    const handles = (printed: unknown): string[] =>
      (printed as Printed[]).map(({ receiptHandle }) => receiptHandle);
    const second = await json(line);
    expect(handles(second)).toEqual(handles(first));
    expect(second).toMatchObject([{ receiveCount: 1 }, { receiveCount: 1 }]);
    expect((await run("receive orders.fifo")).stdout).toBe("");
  });

  test("shows the group of each message", async () => {
    const { run } = await cliScenario(fifo);
    await run("send orders.fifo pay --group customer-7 --dedup-id 1");
    expect((await run("receive orders.fifo")).stdout).toMatch(
      /^message +group +sent +receives +body\n\S+ +customer-7 /,
    );
  });
});

describe("send", () => {
  test("with a priority is received before what was sent earlier", async () => {
    const { json, run } = await cliScenario();
    await run("send orders ordinary");
    await run("send orders urgent --priority 9");
    const received = await json("receive orders --max 2");
    expect(received).toMatchObject([{ body: "urgent", priority: 9 }, { body: "ordinary" }]);
    const refused = await run("send orders x --priority 10");
    expect(refused).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("priority"),
    });
  });

  test("with a time to live expires by it", async () => {
    const scenario = await cliScenario();
    const nowMs = Date.now();
    await sendOne(scenario, "send orders brief --ttl 1h");
    const [peeked] = (await scenario.json("peek orders")) as Printed[];
    expectNear(peeked?.timeToLiveEndTime, nowMs + hourMs);
    expect(peeked?.expireTime).toBe(peeked?.timeToLiveEndTime);
  });

  test("at an instant that has come delivers at once", async () => {
    const { json, run } = await cliScenario();
    await run("send orders late --deliver-at 2020-02-29T12:00:00+01:00");
    expect(await json("receive orders")).toMatchObject([{ body: "late" }]);
  });

  test("refuses a delay beside an instant", async () => {
    const { run } = await cliScenario();
    const refused = await run("send orders x --delay 1s --deliver-at +1h");
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("INVALID_PARAMETER");
  });
});

describe("scheduled", () => {
  test("messages are listed in the order of their times, and cancelled by id", async () => {
    const scenario = await cliScenario();
    const { json, run, t } = scenario;
    const nowMs = Date.now();
    const later = await sendOne(scenario, [
      ...["send", "orders", "later", "--deliver-at", "2099-01-01T00:00:00Z"],
      ...["--attribute", "kind=order", "--group", "tenant-7"],
    ]);
    const soon = await sendOne(scenario, "send orders soon --deliver-at +1h");
    expect(await t.counts()).toBe("0/0/0");
    expect(await json("queue info orders")).toMatchObject({
      counters: { scheduledMessageCount: 2 },
    });
    const listed = (await json("scheduled ls orders")) as Printed[];
    expect(listed).toMatchObject([
      { messageId: soon.messageId, body: "soon" },
      {
        messageId: later.messageId,
        body: "later",
        deliverTime: "2099-01-01T00:00:00.000Z",
        groupId: "tenant-7",
        attributes: { kind: { type: "String", value: "order" } },
      },
    ]);
    expectNear(listed[0]?.deliverTime, nowMs + hourMs);
    expectNear(listed[0]?.sendTime, nowMs);
    expect(await json("scheduled list orders --limit 1 --body-bytes 2")).toMatchObject([
      { body: "so", bodyBytes: 4 },
    ]);
    expect((await run("scheduled ls orders")).stdout).toMatch(
      /^message +joins +sent +bytes +body\n/,
    );
    const both = ["scheduled", "cancel", "orders", soon.messageId, later.messageId];
    expect(await json(both)).toEqual([
      { messageId: soon.messageId },
      { messageId: later.messageId },
    ]);
    const none = await run("scheduled ls orders");
    expect(none).toMatchObject({ stdout: "", stderr: "orders has no scheduled messages.\n" });
    const gone = await run(["scheduled", "cancel", "orders", soon.messageId]);
    expect(gone).toMatchObject({ exitCode: 3, stdout: "" });
    expect(gone.stderr).toContain("MESSAGE_NOT_FOUND");
  });

  test("messages join the queue under their id when their time has come", async () => {
    const scenario = await cliScenario();
    const sent = await sendOne(scenario, "send orders soon --deliver-at +300ms");
    expect(await scenario.json("receive orders --wait 10s")).toMatchObject([
      { messageId: sent.messageId, body: "soon" },
    ]);
  });
});

describe("delete", () => {
  test("removes by the handle of a receive, and says so when it was gone before", async () => {
    const scenario = await cliScenario();
    const { json, run, t } = scenario;
    await t.send("x");
    const { receiptHandle } = await receiveOne(scenario);
    const line = ["delete", "orders", receiptHandle];
    expect(await json(line)).toEqual([{ receiptHandle, outcome: "DELETED" }]);
    expect(await t.counts()).toBe("0/0/0");
    expect((await run([...line, "-o", "raw"])).stdout).toBe("ALREADY_GONE\n");
    const garbage = await run("delete orders nonsense");
    expect(garbage).toMatchObject({ exitCode: 2 });
    expect(garbage.stderr).toContain("RECEIPT_HANDLE_INVALID");
    expect(garbage.stderr).toContain("forebay receive -o json");
  });
});

describe("visibility", () => {
  test("keeps a message invisible from now on, or gives it back", async () => {
    const scenario = await cliScenario();
    const { json, run, t } = scenario;
    await t.send("x");
    const { receiptHandle } = await receiveOne(scenario);
    const changed = (await json(["visibility", "orders", receiptHandle, "1h"])) as Printed;
    expectNear(changed.visibleTime, Date.now() + hourMs);
    expect(await t.counts()).toBe("0/1/0");
    await json(["visibility", "orders", receiptHandle, "0s"]);
    expect(await t.counts()).toBe("1/0/0");
    const late = await run(["visibility", "orders", receiptHandle, "1m"]);
    expect(late).toMatchObject({ exitCode: 4, stdout: "" });
    expect(late.stderr).toContain("MESSAGE_NOT_IN_FLIGHT");
  });
});

describe("reject", () => {
  test("gives a message back with a reason, visible after --delay", async () => {
    const scenario = await cliScenario();
    const { json, t } = scenario;
    await t.send("bad");
    const { receiptHandle } = await receiveOne(scenario);
    const outcome = (await json([
      ...["reject", "orders", receiptHandle, "--reason", "no_total"],
      ...["--error", "the total is missing", "--delay", "1h"],
    ])) as Printed;
    expectNear(outcome.visibleTime, Date.now() + hourMs);
    expect(await t.counts()).toBe("0/0/1");
    expect(await json("peek orders")).toMatchObject([
      {
        body: "bad",
        rejection: {
          reason: "no_total",
          error: "the total is missing",
          rejectTime: expect.any(String),
        },
      },
    ]);
  });

  test("sends a message to the dead-letter queue at once with --dead-letter", async () => {
    const scenario = await cliScenario({ create: "none" });
    const { json, run, t } = scenario;
    await run("queue create dead");
    await run("queue create orders --dead-letter-queue dead --max-receive-count 5");
    const sent = await sendOne(scenario, "send orders bad");
    const { receiptHandle } = await receiveOne(scenario);
    const line = ["reject", "orders", receiptHandle, "--reason", "no_total", "--dead-letter"];
    expect(await json(line)).toEqual({ deadLetterQueue: "dead" });
    expect(await t.counts()).toBe("0/0/0");
    expect(await json("peek dead")).toMatchObject([
      {
        messageId: sent.messageId,
        deadLetterSourceQueue: "orders",
        deadLetterReason: "REJECTED",
        deadLetterTime: expect.any(String),
        rejection: { reason: "no_total" },
      },
    ]);
  });

  test("says what to do when there is no dead-letter queue", async () => {
    const scenario = await cliScenario();
    await scenario.t.send("bad");
    const { receiptHandle } = await receiveOne(scenario);
    const line = ["reject", "orders", receiptHandle, "--reason", "no_total", "--dead-letter"];
    const refused = await scenario.run(line);
    expect(refused).toMatchObject({ exitCode: 4, stdout: "" });
    expect(refused.stderr).toContain("DLQ_NOT_FOUND");
    expect(refused.stderr).toContain("--dead-letter-queue");
    expect(await scenario.t.counts()).toBe("0/1/0");
  });
});

describe("message describe", () => {
  test("shows a message and what happened to it", async () => {
    const scenario = await cliScenario();
    const { json, run } = scenario;
    const line = ["send", "orders", "pay", "--attribute", "kind=order", "--priority", "3"];
    const { messageId } = await sendOne(scenario, line);
    const { receiptHandle } = await receiveOne(scenario);
    await run(["reject", "orders", receiptHandle, "--reason", "no_total", "--delay", "1h"]);
    const described = await json(["message", "describe", "orders", messageId]);
    expect(described).toMatchObject({
      message: { messageId, body: "pay", state: "DELAYED", priority: 3, receiveCount: 1 },
      events: [{ kind: "SENT" }, { kind: "RECEIVED" }, { kind: "REJECTED", reason: "no_total" }],
    });
    const { stdout } = await run(["message", "describe", "orders", messageId]);
    expect(stdout).toMatch(/^state +delayed$/m);
    expect(stdout).toMatch(/^attribute kind +order$/m);
    expect(stdout).toMatch(/^rejected for +no_total$/m);
    expect(stdout).toMatch(/\n\nevent +at +detail\nsent /);
    expect(stdout).toMatch(/^rejected +\S+ +for no_total$/m);
    const raw = await run(["message", "describe", "orders", messageId, "-o", "raw"]);
    expect(raw.stdout).toBe("pay\n");
    const cut = await json(["message", "describe", "orders", messageId, "--body-bytes", "1"]);
    expect(cut).toMatchObject({ message: { body: "p", bodyBytes: 3 } });
  });

  test("says that there is no such message", async () => {
    const { run } = await cliScenario();
    const line = "message describe orders 0192f3a4-0000-7000-8000-000000000000";
    const missing = await run(line);
    expect(missing).toMatchObject({ exitCode: 3, stdout: "" });
    expect(missing.stderr).toContain("MESSAGE_NOT_FOUND");
    expect(missing.stderr).toContain("forebay peek");
  });
});

describe("message explain", () => {
  test("says that the next receive may get it, and what comes before", async () => {
    const scenario = await cliScenario();
    const { json, run } = scenario;
    await run("send orders first --count 2");
    const { messageId } = await sendOne(scenario, "send orders last");
    const { stdout } = await run(["message", "explain", "orders", messageId]);
    expect(stdout).toBe(
      `${messageId} is visible: the next receive may get it.\n2 messages come before it.\n`,
    );
    expect(await json(["message", "explain", "orders", messageId])).toEqual({
      messageId,
      state: "VISIBLE",
      obstacles: [],
      aheadMessageCount: 2,
    });
  });

  test("names every obstacle with its end and the command that does something about it", async () => {
    const scenario = await cliScenario();
    const { json, run } = scenario;
    const { messageId } = await sendOne(scenario, "send orders busy");
    await receiveOne(scenario, "receive orders --visibility 1h");
    await run("queue pause orders");
    const { stdout } = await run(["message", "explain", "orders", messageId]);
    const [head, ...reasons] = stdout.trimEnd().split("\n");
    expect(head).toBe(`${messageId} is in flight and is not delivered now:`);
    expect(reasons).toHaveLength(2);
    expect(stdout).toMatch(/^- in flight, until \d{4}-\S+Z \(in (?:1h|60m|59m)\): [A-Z]/m);
    expect(stdout).toMatch(/^- paused: [A-Z].* Here: `forebay queue resume orders`\.$/m);
    const explained = (await json(["message", "explain", "orders", messageId])) as {
      readonly obstacles: readonly { readonly kind: string; readonly advice: string }[];
    };
    expect(explained.obstacles.map(({ kind }) => kind).sort()).toEqual(["IN_FLIGHT", "PAUSED"]);
    for (const { advice } of explained.obstacles) expect(advice).toMatch(/^[A-Z].*\.$/);
    const raw = await run(["message", "explain", "orders", messageId, "-o", "raw"]);
    expect(raw.stdout.trimEnd().split("\n").sort()).toEqual(["IN_FLIGHT", "PAUSED"]);
  });

  test("names the message that blocks a group", async () => {
    const scenario = await cliScenario(fifo);
    const { run } = scenario;
    const first = await sendOne(scenario, "send orders.fifo a --group g --dedup-id a");
    const second = await sendOne(scenario, "send orders.fifo b --group g --dedup-id b");
    await receiveOne(scenario, "receive orders.fifo");
    const { stdout } = await run(["message", "explain", "orders.fifo", second.messageId]);
    expect(stdout).toContain(`- group blocked by ${first.messageId}, until `);
    expect(stdout).toContain(`\`forebay message explain orders.fifo ${first.messageId}\``);
  });

  test("says of a scheduled message when it joins", async () => {
    const scenario = await cliScenario();
    const { messageId } = await sendOne(
      scenario,
      "send orders x --deliver-at 2099-01-01T00:00:00Z",
    );
    const { stdout } = await scenario.run(["message", "explain", "orders", messageId]);
    expect(stdout).toContain("is scheduled and is not delivered now:");
    expect(stdout).toContain("- scheduled, until 2099-01-01T00:00:00.000Z (in ");
  });
});
