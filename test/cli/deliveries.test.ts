// `forebay topic attempts` and `forebay topic explain`.

import { expect, test } from "vitest";
import { publish, subscribe } from "../support/topics.js";
import { cliScenario } from "./harness.js";

test("attempts to deliver are listed, and a message is explained for every subscription", async () => {
  const { json, run, t } = await cliScenario();
  await run("topic create news");
  await t.createQueue("small", { messageBytesMax: 1_024 });
  await t.createQueue("later");
  const small = await subscribe(t, "news", "small");
  const paused = await subscribe(t, "news", "later", { isPaused: true });
  const none = await run(`topic attempts ${paused}`);
  expect(none.stderr).toContain("No attempt is recorded.");
  const { messageId } = await publish(t, "news", "x".repeat(2_000));

  const table = (await run(`topic attempts ${small}`)).stdout;
  expect(table).toContain(messageId);
  expect(table).toContain("failed");
  expect(table).toContain("2000 bytes");
  expect((await run(`topic attempts ${small} --message ${messageId} -o raw`)).stdout).toBe(
    `${messageId}\n`,
  );
  const reports = await json(`topic explain news ${messageId}`);
  expect(reports).toMatchObject([
    { subscription: small, state: "UNDELIVERABLE", attempts: 1 },
    { subscription: paused, state: "WAITING", attempts: 0 },
  ]);
  expect((await run(`topic explain news ${messageId}`)).stdout).toContain("undeliverable");
  const unknown = await run("topic explain news 01b8dac5-b400-7000-a29f-57a38194cbbc");
  expect(unknown.exitCode).not.toBe(0);
  expect(unknown.stderr).toContain("MESSAGE_NOT_FOUND");
  expect(await json("topic info news")).toMatchObject({ topic: "news" });
});
