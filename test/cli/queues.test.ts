// Queues from the command line beyond their life: every setting, pausing, dead-letter sources, permissions.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { cliScenario } from "./harness.js";

const policy = JSON.stringify(
  {
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Billing",
        Effect: "Allow",
        Principal: { Forebay: ["billing"] },
        Action: "queue:SendMessage",
        Resource: "queue/orders",
      },
    ],
  },
  undefined,
  2,
);

/** The path of a file that holds a text and is gone after the test. */
function fileOf(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "forebay-cli-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "file");
  writeFileSync(path, text);
  return path;
}

/** The settings that `queue info` shows. */
interface Described {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly etag: string;
}

describe("settings", () => {
  test("of a FIFO queue are given at creation", async () => {
    const { json, run } = await cliScenario({ create: "none" });
    const line =
      "queue create orders.fifo --fifo --content-based-deduplication --deduplication-scope message-group " +
      "--fifo-throughput-limit per-message-group-id --dedup-window 1h";
    expect(await json(line)).toMatchObject({
      queue: "orders.fifo",
      attributes: {
        fifoQueue: true,
        contentBasedDeduplication: true,
        deduplicationScope: "MESSAGE_GROUP",
        fifoThroughputLimit: "PER_MESSAGE_GROUP_ID",
        dedupWindowMs: 3_600_000,
      },
    });
    const { stdout } = await run("queue info orders.fifo");
    expect(stdout).toMatch(/^fifo queue +true$/m);
    expect(stdout).toMatch(/^deduplication scope +message-group$/m);
    expect(stdout).toMatch(/^dedup window +1h$/m);
    expect(
      await json("queue set orders.fifo --reset content-based-deduplication --dedup-window 2m"),
    ).toMatchObject({ attributes: { contentBasedDeduplication: false, dedupWindowMs: 120_000 } });
  });

  test("that only FIFO queues have are refused for others, and the name must fit", async () => {
    const { run } = await cliScenario({ create: "none" });
    const other = await run("queue create orders --content-based-deduplication");
    expect(other).toMatchObject({ exitCode: 2, stdout: "" });
    expect(other.stderr).toContain("UNKNOWN_ATTRIBUTE");
    const name = await run("queue create orders --fifo");
    expect(name).toMatchObject({ exitCode: 2, stdout: "" });
    expect(name.stderr).toContain("INVALID_PARAMETER");
  });

  test("of groups, priorities and deduplication are given to a standard queue and reset", async () => {
    const { json, run } = await cliScenario();
    const line =
      "queue set orders --max-in-flight-per-group 3 --priority-ageing 5m --dedup-window 10m";
    expect(await json(line)).toMatchObject({
      attributes: { maxInFlightPerGroup: 3, priorityAgeingMs: 300_000, dedupWindowMs: 600_000 },
    });
    const { stdout } = await run("queue info orders");
    expect(stdout).toMatch(/^max in flight per group +3$/m);
    expect(stdout).toMatch(/^priority ageing +5m$/m);
    const { attributes } = (await json(
      "queue set orders --reset max-in-flight-per-group --reset priority-ageing --reset dedup-window",
    )) as Described;
    // What SQS does not have may be left out at its default.
    expect(attributes["maxInFlightPerGroup"] ?? 0).toBe(0);
    expect(attributes["priorityAgeingMs"] ?? 60_000).toBe(60_000);
    expect(attributes["dedupWindowMs"] ?? 0).toBe(0);
  });

  test("of dead letters are given together, changed in part, and removed", async () => {
    const { json, run } = await cliScenario({ create: "none" });
    await run("queue create dead");
    const half = await run("queue create orders --dead-letter-queue dead");
    expect(half).toMatchObject({ exitCode: 2, stdout: "" });
    expect(half.stderr).toContain("--max-receive-count");
    const made = "queue create orders --dead-letter-queue dead --max-receive-count 3";
    expect(await json(made)).toMatchObject({
      attributes: { redrivePolicy: { deadLetterQueue: "dead", maxReceiveCount: 3 } },
    });
    const { stdout } = await run("queue info orders");
    expect(stdout).toMatch(/^dead letter queue +dead$/m);
    expect(stdout).toMatch(/^max receive count +3$/m);
    expect(await json("queue set orders --max-receive-count 5")).toMatchObject({
      attributes: { redrivePolicy: { deadLetterQueue: "dead", maxReceiveCount: 5 } },
    });
    const removed = (await json("queue set orders --reset dead-letter-queue")) as Described;
    expect(removed.attributes).not.toHaveProperty("redrivePolicy");
    const orphan = await run("queue set orders --max-receive-count 5");
    expect(orphan).toMatchObject({ exitCode: 2, stdout: "" });
    expect(orphan.stderr).toContain("--dead-letter-queue");
  });

  test("of retries are given together, changed in part, and removed", async () => {
    const { json, run } = await cliScenario();
    expect((await run("queue set orders --retry-factor 3")).stderr).toContain("--retry-minimum");
    const given = "queue set orders --retry-minimum 2s --retry-maximum 1h --retry-factor 1.5";
    expect(await json(given)).toMatchObject({
      attributes: {
        retryPolicy: { minimumBackoffMs: 2_000, maximumBackoffMs: 3_600_000, factor: 1.5 },
      },
    });
    const { stdout } = await run("queue info orders");
    expect(stdout).toMatch(/^retry minimum backoff +2s$/m);
    expect(stdout).toMatch(/^retry maximum backoff +1h$/m);
    expect(stdout).toMatch(/^retry factor +1\.5$/m);
    expect(await json("queue set orders --retry-maximum 2h")).toMatchObject({
      attributes: {
        retryPolicy: { minimumBackoffMs: 2_000, maximumBackoffMs: 7_200_000, factor: 1.5 },
      },
    });
    const removed = (await json("queue set orders --reset retry")) as Described;
    expect(removed.attributes).not.toHaveProperty("retryPolicy");
  });

  test("that are filled in heed a stale etag, too", async () => {
    const { json, run } = await cliScenario();
    const { etag } = (await json("queue set orders --retry-minimum 2s")) as Described;
    await run("queue set orders --retry-minimum 3s");
    const stale = await run(["queue", "set", "orders", "--retry-factor", "3", "--etag", etag]);
    expect(stale).toMatchObject({ exitCode: 4, stdout: "" });
    expect(stale.stderr).toContain("ETAG_MISMATCH");
  });

  test.each([
    { text: "none", policy: { permission: "DENY_ALL" }, shown: "none" },
    { text: "all", policy: { permission: "ALLOW_ALL" }, shown: "all" },
    {
      text: "orders,INVOICES",
      policy: { permission: "BY_QUEUE", sourceQueues: ["orders", "INVOICES"] },
      shown: "orders, INVOICES",
    },
  ])(
    "say with --redrive-allow $text whose dead letters are taken",
    async ({ text, policy, shown }) => {
      const { json, run } = await cliScenario();
      expect(await json(`queue set orders --redrive-allow ${text}`)).toMatchObject({
        attributes: { redriveAllowPolicy: policy },
      });
      const { stdout } = await run("queue info orders");
      expect(stdout).toContain(`\nredrive allowed`);
      expect(stdout).toMatch(new RegExp(`^redrive allowed +${shown}$`, "m"));
      const removed = (await json("queue set orders --reset redrive-allow")) as Described;
      expect(removed.attributes).not.toHaveProperty("redriveAllowPolicy");
    },
  );

  test("take a policy from a file or stdin, and show it on a line, in JSON as it is", async () => {
    const { json, run } = await cliScenario();
    const given = await json(["queue", "set", "orders", "--policy-file", fileOf(policy)]);
    expect(given).toMatchObject({ attributes: { policy } });
    expect((await run("queue info orders")).stdout).toContain('"Sid":"Billing"');
    const other = policy.replace("Billing", "Stock");
    const piped = await run("queue set orders --policy-file -", { stdin: other });
    expect(piped.stdout).toContain('"Sid":"Stock"');
    const removed = (await json("queue set orders --reset policy")) as Described;
    expect(removed.attributes).not.toHaveProperty("policy");
    const missing = await run("queue set orders --policy-file /no/such/file");
    expect(missing).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("/no/such/file cannot be read"),
    });
  });
});

describe("delivery", () => {
  test("is paused and resumed, and a queue may begin paused", async () => {
    const { json, run, t } = await cliScenario({ create: "none" });
    await run("queue create orders --paused");
    await t.send("x");
    expect((await run("receive orders")).stdout).toBe("");
    expect((await run("queue info orders")).stdout).toMatch(/^delivery paused +true$/m);
    expect(await json("queue resume orders")).toEqual({ queue: "orders", deliveryPaused: false });
    expect((await run("receive orders --visibility 0s -o raw")).stdout).toBe("x\n");
    expect(await json("queue pause orders")).toEqual({ queue: "orders", deliveryPaused: true });
    expect((await run("receive orders -o raw")).stdout).toBe("");
  });
});

describe("dead-letter sources", () => {
  test("are listed by name", async () => {
    const { json, run } = await cliScenario({ create: "none" });
    await run("queue create dead");
    const none = await run("queue dead-letter-sources dead");
    expect(none).toMatchObject({ exitCode: 0, stdout: "" });
    expect(none.stderr).toContain("no queue's dead-letter queue");
    for (const name of ["orders", "invoices"]) {
      await run(`queue create ${name} --dead-letter-queue dead --max-receive-count 1`);
    }
    expect(await json("queue dead-letter-sources dead")).toEqual([
      { queue: "invoices" },
      { queue: "orders" },
    ]);
    expect((await run("queue dead-letter-sources missing")).exitCode).toBe(3);
  });
});

describe("permissions", () => {
  test("are added to the policy with a label and taken back by it", async () => {
    const { json, run } = await cliScenario();
    const line =
      "queue allow orders billing-sends --principal key:default:billing --action SendMessage --action PeekMessages";
    expect(await json(line)).toEqual({ queue: "orders", label: "billing-sends" });
    const { attributes } = (await json("queue info orders")) as Described;
    expect(JSON.parse(String(attributes["policy"]))).toMatchObject({
      Statement: [{ Sid: "billing-sends", Effect: "Allow" }],
    });
    const taken = await run(line);
    expect(taken).toMatchObject({ exitCode: 4, stdout: "" });
    expect(taken.stderr).toContain("LABEL_EXISTS");
    expect(taken.stderr).toContain("forebay queue disallow");
    await json("queue disallow orders billing-sends");
    const after = (await json("queue info orders")) as Described;
    expect(after.attributes).not.toHaveProperty("policy");
    const gone = await run("queue disallow orders billing-sends");
    expect(gone).toMatchObject({ exitCode: 3, stdout: "" });
    expect(gone.stderr).toContain("LABEL_NOT_FOUND");
  });

  test("need a principal and an action", async () => {
    const { run } = await cliScenario({ create: "none" });
    const nobody = await run("queue allow orders label --action SendMessage");
    expect(nobody).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--principal") });
    const nothing = await run("queue allow orders label --principal somebody");
    expect(nothing).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--action") });
  });
});
