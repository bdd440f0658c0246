// `forebay topic update`, `tag`, `allow`, `undeliverable`, `redrive`, `purge` and what else looks after topics and subscriptions.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../support/temporary-store.js";
import { publish } from "../support/topics.js";
import { hook, until, webhookConfig } from "../support/webhooks.js";
import { type CliScenario, cliScenario } from "./harness.js";

/** The id of a subscription that a command makes. */
async function subscribed({ run }: CliScenario, line: string): Promise<string> {
  const { exitCode, stdout, stderr } = await run(`${line} -o raw`);
  if (exitCode !== 0) throw new Error(stderr);
  return stdout.trim();
}

test("what could not be delivered is listed, and tried again by id or all of it", async () => {
  const scenario = await cliScenario();
  const { json, run, t } = scenario;
  await run("topic create news");
  await t.createQueue("small", { messageBytesMax: 1_024 });
  const id = await subscribed(scenario, "subscribe news small --raw");
  expect((await run(`topic undeliverable ${id}`)).stderr).toContain("Nothing was given up");
  for (const letter of ["x", "y", "z"]) await publish(t, "news", letter.repeat(2_000));
  const listed = (await json(`topic undeliverable ${id}`)) as readonly { readonly id: string }[];
  expect(listed).toMatchObject(
    ["x", "y", "z"].map((letter) => ({
      reason: "PERMANENT_FAILURE",
      attempts: 1,
      lastError: expect.stringContaining("2000"),
      giveUpTime: expect.any(String),
      message: { body: letter.repeat(2_000), encoding: "text", topic: "news" },
    })),
  );
  const ids = (await run(`topic undeliverable ${id} -o raw`)).stdout.trim().split("\n");
  expect(ids).toEqual(listed.map((each) => each.id));
  expect((await run(`topic undeliverable ${id}`)).stdout).toMatch(/permanent failure +1 .*xxx…/);
  for (const line of [`topic redrive ${id}`, `topic redrive ${id} ${ids[0]} --all`]) {
    const refused = await run(line);
    expect(refused.exitCode).toBe(2);
    expect(refused.stderr).toContain("Name messages, or --all");
  }
  expect((await run(`topic redrive ${id} none`)).stderr).toContain("INVALID_PARAMETER");
  await run("queue set small --max-bytes 4096");
  expect(await json(`topic redrive ${id} ${ids[1]}`)).toEqual({ subscription: id, redriven: 1 });
  const left = async () => (await run(`topic undeliverable ${id} -o raw`)).stdout.trim();
  await expect.poll(left, { timeout: 20_000 }).toBe(`${ids[0]}\n${ids[2]}`);
  expect((await run(`topic redrive ${id} --all --max-per-second 500 -o raw`)).stdout).toBe("2\n");
  await expect.poll(left, { timeout: 20_000 }).toBe("");
  expect((await run(`topic redrive ${id} --all`)).stderr).toContain("None of them");
  expect((await run("topic redrive 0190b6f2-0000-7000-8000-000000000001 --all")).exitCode).toBe(3);
});

test("a topic's own settings are changed and reset, those that are given", async () => {
  const { json, run } = await cliScenario();
  await run("topic create news --retries 2 --display-name News");
  const policy = join(temporaryDirectory(), "policy.json");
  const statement = {
    Effect: "Allow",
    Principal: { Forebay: ["billing"] },
    Action: "topic:Publish",
  };
  writeFileSync(
    policy,
    JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ ...statement, Resource: "topic/news" }],
    }),
  );
  const update = [
    ...["topic", "update", "news", "--display-name", "The news", "--max-message-size", "2048"],
    ...["--signature-version", "sha1", "--log", "https=10", "--log", "queue=100"],
    ...["--max-per-second", "5", "--ignore-subscription-policies", "--policy-file", policy],
  ];
  const changed = (await json(update)) as { readonly etag: string };
  expect(changed).toMatchObject({
    settings: {
      displayName: "The news",
      maximumMessageBytes: 2_048,
      signatureVersion: "SHA1",
      policy: expect.stringContaining("2012-10-17"),
      // What was set before stays.
      deliveryPolicy: { retries: 2, maxReceivesPerSecond: 5, disableSubscriptionOverrides: true },
      deliveryLogging: [
        { kind: "HTTPS", successSamplePercent: 10, logFailures: true },
        { kind: "QUEUE", successSamplePercent: 100, logFailures: true },
      ],
    },
  });
  const shown = (await run("topic info news")).stdout;
  expect(shown).toMatch(/^webhooks +2 retries, 20 s apart, at most 5 a second$/m);
  expect(shown).toMatch(/^logged of successes +https=10 queue=100$/m);
  const reset = "topic update news --reset retries --reset log --reset display-name --reset policy";
  expect(await json(`${reset} --etag ${changed.etag}`)).toMatchObject({
    settings: { displayName: "", maximumMessageBytes: 2_048, policy: "", deliveryLogging: [] },
    effectiveDeliveryPolicy: { retries: 3 },
  });
  const late = await run(`${reset} --etag ${changed.etag}`);
  expect(late).toMatchObject({ exitCode: 4, stdout: "" });
  expect(late.stderr).toContain("ETAG_MISMATCH");
  expect((await run("topic update news")).stderr).toContain("Name a setting");
  expect((await run("topic update news --reset colour")).stderr).toContain("no setting");
  expect((await run("topic update news --log pigeon=1")).exitCode).toBe(2);
  expect((await run("topic update news --log https=101")).exitCode).toBe(2);
  expect((await run("topic update news --content-dedup")).stderr).toContain("NOT_FIFO");
  expect((await run("topic update nothing --display-name x")).exitCode).toBe(3);
});

test("topics are tagged, listed by tag, and others are let in and out", async () => {
  const { json, run } = await cliScenario();
  await run("topic create news");
  await run("topic create weather --tag team=b");
  expect(await json("topic tag news team=a stage=test")).toEqual({ team: "a", stage: "test" });
  expect((await run("topic untag news stage")).stdout).toMatch(/^team +a$/m);
  expect((await run("topic tags news -o raw")).stdout).toBe("team=a\n");
  expect((await run("topic ls --tag team=a -o raw")).stdout).toBe("news\n");
  await run("topic untag news team");
  expect((await run("topic tags news")).stderr).toContain("has no tags");
  const allow = "topic allow news partners --principal billing --action subscribe --action Publish";
  expect(await json(allow)).toEqual({ topic: "news", label: "partners" });
  expect((await run("topic info news")).stdout).toMatch(/^policy +.*"partners"/m);
  expect((await run(allow)).stderr).toContain("LABEL_EXISTS");
  expect((await run("topic allow news x --principal y --action Fly")).exitCode).toBe(2);
  await run("topic disallow news partners");
  expect((await run("topic info news")).stdout).not.toMatch(/^policy/m);
});

test("the backlog of a subscription is dropped when that is confirmed", async () => {
  const scenario = await cliScenario();
  const { json, run } = scenario;
  await run("topic create news");
  const id = await subscribed(scenario, "subscribe news --stream readers");
  await run("publish news one");
  await run("publish news two");
  const unasked = await run(`topic purge ${id}`);
  expect(unasked).toMatchObject({ exitCode: 2, stdout: "" });
  expect(unasked.stderr).toContain("drops the 2 messages waiting for readers");
  const early = `topic purge ${id} --before 2026-01-01T00:00:00Z`;
  expect((await run(early)).stderr).toContain("published before 2026-01-01T00:00:00.000Z");
  expect(await json(`${early} --yes`)).toEqual({ subscription: id, purged: 0 });
  expect(await json(`topic purge ${id} --yes`)).toEqual({ subscription: id, purged: 2 });
});

test("lines of stdin are published in their order, up to the first that is refused", async () => {
  const scenario = await cliScenario();
  const { json, run } = scenario;
  await run("topic create news --max-message-size 1024");
  const id = await subscribed(scenario, "subscribe news --stream readers");
  const lines = Array.from({ length: 12 }, (_, index) => `line ${index}`);
  const stdin = lines.join("\n\n");
  const published = await json(["publish", "news", "-", "--number", "force=3"], { stdin });
  expect(published).toHaveLength(12);
  const consumed = await run(`consume ${id} --max 12 --ack -o raw`);
  expect(consumed.stdout).toBe(`${lines.join("\n")}\n`);
  const tooLong = [...lines.slice(0, 10), "good", "x".repeat(2_000), "also good"].join("\n");
  const refused = await run("publish news - -o raw", { stdin: `${tooLong}\n` });
  expect(refused.exitCode).toBe(2);
  // What was published is told all the same.
  expect(refused.stdout.trim().split("\n")).toHaveLength(12);
  expect(refused.stderr).toMatch(/MESSAGE_TOO_LONG: message 12:[\s\S]*messages 11 to 13/);
  expect(await json("publish news x --counts")).toMatchObject({
    matchedSubscriptionCount: 1,
    filteredSubscriptionCount: 0,
  });
});

test("the secret of a webhook is changed, and what it had beside stays", async () => {
  const { json, run } = await cliScenario({ config: webhookConfig });
  const target = await hook();
  await run("topic create news");
  const first = "the first secret, 24 bytes";
  const made = (await json([
    ...["subscribe", "news", "--webhook", target.url, "--raw", "--attribute-headers"],
    ...["--hmac-secret", first],
  ])) as { readonly subscription: string };
  const id = made.subscription;
  const { stdout: token } = await run(`topic token ${id} -o raw`);
  await run(`confirm news ${token.trim()} --authenticate-on-unsubscribe`);
  const path = join(temporaryDirectory(), "secret");
  const second = "another secret, 24 bytes or more";
  writeFileSync(path, `${second}\n`);
  const update = `topic subscription-update ${id}`;
  expect(await json(`${update} --hmac-secret-file ${path} --retries 7`)).toMatchObject({
    wasConfirmationAuthenticated: true,
    settings: {
      rawMessageDelivery: true,
      deliveryPolicy: { retries: 7 },
      webhook: {
        attributeHeaders: true,
        hmacSecret: Buffer.from(second, "utf8").toString("base64"),
      },
    },
  });
  expect(await json(`${update} --no-raw --max-per-second 9`)).toMatchObject({
    settings: {
      rawMessageDelivery: false,
      deliveryPolicy: { retries: 7, maxReceivesPerSecond: 9 },
    },
  });
  await run("publish news signed");
  await until("it is delivered", () => target.notifications.length === 1);
  expect((await run(update)).stderr).toContain("Name a setting");
  const wrong = await run(`${update} --batch 3`);
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain("--batch is not for a target of kind http");
  expect((await run(`topic token ${id}`)).stderr).toContain("SUBSCRIPTION_NOT_PENDING");
});

test("a change of a function's settings loses no token unasked", async () => {
  const scenario = await cliScenario({ config: webhookConfig });
  const { json, run } = scenario;
  await run("topic create news");
  const path = join(temporaryDirectory(), "token");
  writeFileSync(path, "a token\n");
  const target = "subscribe news --function grpc://127.0.0.1:9";
  const id = await subscribed(scenario, `${target} --batch 3 --bearer-token-file ${path}`);
  const update = `topic subscription-update ${id}`;
  const refused = await run(`${update} --batch 5`);
  expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
  expect(refused.stderr).toMatch(/would lose it[\s\S]*--no-bearer-token-file/);
  const settings = await json(`${update} --call-timeout 5s --bearer-token-file ${path}`);
  expect(settings).toMatchObject({ settings: { function: { batchMax: 3, timeoutMs: 5_000 } } });
  expect((await run(`${update} --auto-disable-after 2h`)).stdout).toMatch(
    /^disabled after +failures for 2h$/m,
  );
  expect(await json(`${update} --lambda-event --no-bearer-token-file`)).toMatchObject({
    settings: { function: { batchMax: 3, lambdaEvent: true } },
  });
  expect((await run(`${update} --client-key-file ${path}`)).stderr).toContain("go together");
});

test("the replay of a subscription is shown by itself", async () => {
  const scenario = await cliScenario();
  const { json, run } = scenario;
  await run("topic create news --archive-days 1");
  const id = await subscribed(scenario, "subscribe news --stream readers --max-in-flight 5");
  expect((await run(`topic replay-info ${id}`)).stderr).toContain("REPLAY_NOT_FOUND");
  await run("publish news one");
  await run(`topic replay ${id} --from beginning --speed 10x`);
  expect(await json(`topic replay-info ${id}`)).toMatchObject({
    subscription: id,
    from: "beginning",
    speed: { originalTimes: 10 },
  });
});
