// `forebay move`: from a dead-letter queue back to where the messages came from, or elsewhere.

import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { describe, expect, test, vi } from "vitest";
import { builtPath } from "../support/built.js";
import { type CliScenario, cliScenario } from "./harness.js";

interface Listed {
  readonly status: string;
  readonly taskHandle?: string;
  readonly movedMessageCount: number;
}

const busyMachine = { timeout: 10_000, interval: 100 };

/** `orders`, its dead-letter queue `dead`, and messages that went there after one receive. */
async function deadLetters(bodies: readonly string[]): Promise<CliScenario> {
  const scenario = await cliScenario({ create: "none" });
  const { run, t } = scenario;
  await run("queue create dead");
  await run("queue create orders --dead-letter-queue dead --max-receive-count 1");
  for (const body of bodies) {
    await run(["send", "orders", body, "--attribute", `first=${body.slice(0, 1)}`]);
  }
  await run(`receive orders --max ${bodies.length} --visibility 0s`);
  await run("receive orders");
  expect(await t.counts("dead")).toBe(`${bodies.length}/0/0`);
  return scenario;
}

describe("move start", () => {
  test("--wait moves everything back and says how far it is", async () => {
    const { run, json, t } = await deadLetters(["apple", "bread", "cheese"]);
    const moved = await run("move start dead --wait -o json");
    expect(moved.exitCode).toBe(0);
    expect(JSON.parse(moved.stdout)).toMatchObject({
      status: "COMPLETED",
      source: "dead",
      movedMessageCount: 3,
      toMoveMessageCount: 3,
      skippedMessageCount: 0,
      taskHandle: expect.any(String),
    });
    expect(await t.counts("dead")).toBe("0/0/0");
    const back = await json("peek orders");
    expect(back).toMatchObject([
      { body: "apple", originalMessageId: expect.any(String) },
      { body: "bread" },
      { body: "cheese" },
    ]);
    expect(await json("move ls dead")).toMatchObject([
      { status: "COMPLETED", movedMessageCount: 3 },
    ]);
    const { stdout } = await run("move list dead");
    expect(stdout).toMatch(/^status +to +moved +of +skipped +started +ended +failure +task\n/);
    expect(stdout).toMatch(/^completed +their sources +3 +3 +0 /m);
  });

  test("takes only what was chosen, changed as asked, to another queue", async () => {
    const { run, json, t } = await deadLetters(["apple", "bread", "banana"]);
    await run("queue create elsewhere");
    const line = [
      ...["move", "start", "dead", "--wait", "--to", "elsewhere", "--attribute", "first=b"],
      ...["--contains", "ana", "--from", "orders", "--younger-than", "1h"],
      ...["--set-attribute", "mended=yes", "--remove-attribute", "first"],
      ...["--set-body", "peeled banana", "--set-group", "fruit"],
    ];
    expect(await json(line)).toMatchObject({
      destination: "elsewhere",
      movedMessageCount: 1,
      filter: {
        attributes: { first: "b" },
        bodyContains: "ana",
        deadLetterSourceQueue: "orders",
        maximumAgeMs: 3_600_000,
      },
      edit: {
        setAttributes: { mended: { type: "String", value: "yes" } },
        removeAttributes: ["first"],
        body: "peeled banana",
        groupId: "fruit",
      },
    });
    expect(await json("peek elsewhere")).toMatchObject([
      {
        body: "peeled banana",
        groupId: "fruit",
        attributes: { mended: { type: "String", value: "yes" } },
      },
    ]);
    expect(await t.counts("dead")).toBe("2/0/0");
  });

  test("takes messages by id", async () => {
    const { json, run } = await deadLetters(["apple", "bread", "cheese"]);
    const peeked = (await json("peek dead")) as { readonly messageId: string }[];
    const ids = peeked.slice(1).flatMap(({ messageId }) => ["--id", messageId]);
    await run(["move", "start", "dead", "--wait", ...ids]);
    expect(await json("peek dead")).toMatchObject([{ body: "apple" }]);
  });

  test("--wait fails when the move does, and says why", async () => {
    const { run } = await deadLetters([]);
    await run("send dead stray");
    const failed = await run("move start dead --wait -o json");
    expect(failed.exitCode).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({
      status: "FAILED",
      failureReason: "COULD_NOT_DETERMINE_SOURCE",
    });
    expect(failed.stderr).toContain("COULD_NOT_DETERMINE_SOURCE");
    expect(failed.stderr).toContain("--to");
  });

  test("is refused where nobody's dead letters are", async () => {
    const { run } = await cliScenario();
    const refused = await run("move start orders");
    expect(refused).toMatchObject({ exitCode: 4, stdout: "" });
    expect(refused.stderr).toContain("MOVE_SOURCE_NOT_DLQ");
    expect(refused.stderr).toContain("dead-letter-sources");
    expect((await run("move start missing")).exitCode).toBe(3);
  });
});

describe("a move at a rate", () => {
  test("is listed with its handle, keeps others out, and is cancelled by it", async () => {
    const { run, json, t } = await deadLetters(["apple", "bread", "cheese", "dates"]);
    const started = await run("move start dead --rate 1 -o raw");
    const handle = started.stdout.trim();
    expect(await json("move ls dead")).toMatchObject([
      { status: "RUNNING", taskHandle: handle, maxPerSecond: 1, toMoveMessageCount: 4 },
    ]);
    const second = await run("move start dead");
    expect(second).toMatchObject({ exitCode: 4, stdout: "" });
    expect(second.stderr).toContain("MOVE_TASK_ALREADY_RUNNING");
    const { movedMessageCount } = (await json(["move", "cancel", handle])) as Listed;
    expect(movedMessageCount).toBeLessThan(4);
    await vi.waitFor(async () => {
      const [task] = (await json("move ls dead --limit 1")) as Listed[];
      expect(task).toMatchObject({ status: "CANCELLED" });
      expect(task).not.toHaveProperty("taskHandle");
    }, busyMachine);
    expect(await t.counts("dead")).not.toBe("0/0/0");
    const ended = await run(["move", "cancel", handle]);
    expect(ended).toMatchObject({ exitCode: 4, stdout: "" });
    expect(ended.stderr).toContain("MOVE_TASK_NOT_RUNNING");
  });

  test("goes on when nobody waits for it any more", async () => {
    const { run, json } = await deadLetters(["apple", "bread", "cheese"]);
    const interrupted = AbortSignal.timeout(200);
    const waiting = await run("move start dead --rate 1 --wait", { interrupted });
    expect(waiting).toMatchObject({ exitCode: 130, stdout: "" });
    expect(waiting.stderr).toMatch(/^\d of 3 moved/);
    const handle = /forebay move cancel ([^`]+)`/.exec(waiting.stderr)?.[1];
    expect(await json("move ls dead")).toMatchObject([{ status: "RUNNING", taskHandle: handle }]);
    await vi.waitFor(
      async () => expect(await json("move ls dead")).toMatchObject([{ status: "COMPLETED" }]),
      busyMachine,
    );
  });

  test("keeps the process of whoever waits for it alive to its end", async () => {
    const { endpoint } = await deadLetters(["apple", "bread", "cheese"]);
    const { stdout } = await promisify(execFile)(process.execPath, [
      ...[builtPath("main.js"), "move", "start", "dead", "--rate", "2", "--wait", "-o", "json"],
      ...["--endpoint", endpoint],
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ status: "COMPLETED", movedMessageCount: 3 });
  });

  test("that somebody cancels fails whoever waits for it", async () => {
    const { run } = await deadLetters(["apple", "bread", "cheese", "dates", "eggs", "figs"]);
    const waiting = run("move start dead --rate 1 --wait");
    const handle = await vi.waitFor(async () => {
      const { stdout } = await run("move ls dead -o raw");
      expect(stdout.trim()).not.toBe("");
      return stdout.trim();
    }, busyMachine);
    await run(["move", "cancel", handle]);
    const { exitCode, stderr } = await waiting;
    expect(exitCode).toBe(1);
    expect(stderr).toContain("cancelled");
  });
});

describe("move preview", () => {
  test("counts, shows samples as they would arrive, and moves nothing", async () => {
    const { run, json, t } = await deadLetters(["apple", "bread", "banana"]);
    await run("send dead stray");
    const line = "move preview dead --samples 1 --set-attribute mended=yes";
    expect(await json(`${line} --attribute first=b`)).toMatchObject({
      matchingMessageCount: 2,
      otherMessageCount: 2,
      skippedMessageCount: 0,
      unavailableMessageCount: 0,
      destinationMessageCounts: { orders: 2 },
      rejectionReasonCounts: { "": 2 },
      samples: [{ body: "bread", attributes: { mended: { value: "yes" }, first: { value: "b" } } }],
    });
    const { stdout } = await run("move preview dead --body-bytes 3");
    expect(stdout).toMatch(/^would be skipped +1$/m);
    expect(stdout).toMatch(/^to orders +3$/m);
    expect(stdout).toMatch(/\n\nmessage +state +sent .*\n\S+ .* app$/m);
    expect((await run("move preview dead --rejection-reason x -o raw")).stdout).toBe("0\n");
    expect(await t.counts("dead")).toBe("4/0/0");
  });
});
