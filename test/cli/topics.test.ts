// `forebay topic`, `subscribe`, `unsubscribe` and `publish`.

import { describe, expect, test } from "vitest";
import { hook, until, webhookConfig } from "../support/webhooks.js";
import { type CliScenario, cliScenario } from "./harness.js";

describe("topic", () => {
  test("is created once, listed, shown and removed", async () => {
    const { json, run } = await cliScenario();
    const create = ["topic", "create", "news", "--display-name", "The news", "--tag", "team=a"];
    expect(await json(create)).toMatchObject({
      topic: "news",
      isFifo: false,
      settings: { displayName: "The news", maximumMessageBytes: 1_048_576 },
      counters: { subscriptionCount: 0, publishedCount: 0 },
    });
    expect((await run(create)).stderr).toContain("exists already");
    await run("topic create more.fifo --content-dedup --dedup-scope message-group");
    expect((await run("topic ls")).stdout).toMatch(/^more\.fifo .*\n^news +The news/m);
    expect((await run("topic ls n -o raw")).stdout).toBe("news\n");
    expect((await run("topic info more.fifo")).stdout).toMatch(/^dedup scope +message group$/m);
    const unasked = await run("topic rm news");
    expect(unasked).toMatchObject({ exitCode: 2, stdout: "" });
    expect(unasked.stderr).toContain("deletes the topic news with 0 subscriptions");
    expect(await json("topic rm news --yes")).toEqual({ topic: "news" });
    const gone = await run("topic info news");
    expect(gone.exitCode).toBe(3);
    expect(gone.stderr).toContain("TOPIC_NOT_FOUND");
  });
});

describe("subscribe and publish", () => {
  test("a queue gets what is published while it is subscribed", async () => {
    const { json, run, t } = await cliScenario();
    await run("topic create news");
    const made = (await json("subscribe news orders --raw")) as { readonly subscription: string };
    expect(made).toMatchObject({ topic: "news", kind: "QUEUE", state: "CONFIRMED" });
    expect((await run("subscribe news orders")).stderr).toContain("subscribed already");
    const options = ["--attribute", "kind=weather", "--subject", "Today"];
    expect(await json(["publish", "news", "it rains", ...options])).toMatchObject({
      sequenceNumber: "00000000000000000001",
      duplicate: false,
    });
    const [message] = await t.receive({ attributes: ["All"] });
    expect(message?.body).toBe("it rains");
    expect(message?.message.attributes.get("kind")?.value?.value).toBe("weather");
    expect(await json(`topic subscription ${made.subscription}`)).toMatchObject({
      settings: { rawMessageDelivery: true, paused: false },
      counters: { deliveredCount: 1, backlogCount: 0 },
    });
    expect((await run("topic subscriptions")).stdout).toContain(made.subscription);
    expect(await json(`unsubscribe ${made.subscription}`)).toMatchObject({ existed: true });
    expect((await run(`unsubscribe ${made.subscription}`)).stderr).toContain("had ended");
    await run(["publish", "news", "unheard"]);
    expect(await t.receive()).toEqual([]);
    expect((await run("publish news")).exitCode).toBe(2);
    const filter = ["--filter", '{"kind":["weather"]}', "--filter-scope", "message-body"];
    expect((await run(["subscribe", "news", "orders", ...filter])).stdout).toMatch(
      /^filter +\{"kind":\["weather"\]\}$/m,
    );
  });
});

describe("subscribe", () => {
  test("a webhook is asked first, and is confirmed by its token; it gets what is published then", async () => {
    const { json, run } = await cliScenario({ config: webhookConfig });
    const target = await hook();
    await run("topic create news");
    const options = ["--webhook", target.url, "--retries", "1", "--max-per-second", "5"];
    const asked = await run(["subscribe", "news", ...options, "--raw"]);
    expect(asked.stderr).toContain("is asked to confirm");
    expect(asked.stdout).toMatch(/^state +pending$/m);
    await until("it is asked", () => target.confirmations.length === 1);
    const token = target.confirmations[0]?.envelope["Token"] ?? "";
    const wrong = await run(`confirm news ${"f".repeat(64)}`);
    expect(wrong.stderr).toContain("INVALID_TOKEN");
    expect(await json(`topic confirm news ${token}`)).toMatchObject({
      kind: "HTTP",
      endpoint: target.url,
      state: "CONFIRMED",
      settings: { deliveryPolicy: { retries: 1, maxReceivesPerSecond: 5 } },
    });
    await run("topic publish news it-rains");
    await until("it is delivered", () => target.notifications.length === 1);
    expect(target.notifications[0]?.body).toBe("it-rains");
  });

  test("needs exactly one target, and says what a server without an address for webhooks lacks", async () => {
    const { run } = await cliScenario();
    await run("topic create news");
    for (const line of ["subscribe news", "subscribe news orders --stream s"]) {
      const refused = await run(line);
      expect(refused.exitCode).toBe(2);
      expect(refused.stderr).toContain("Name one target");
    }
    const refused = await run("subscribe news --webhook https://example.com/");
    expect(refused.stderr).toMatch(/PUBLIC_URL_UNSET[\s\S]*--public-base-url/);
    expect((await run("subscribe news --function grpcs://f --ca-file none")).exitCode).toBe(2);
  });
});

describe("consume", () => {
  async function streamed(): Promise<CliScenario & { readonly id: string }> {
    const scenario = await cliScenario();
    await scenario.run("topic create news");
    const made = await scenario.json("subscribe news --stream workers --ack-deadline 20s");
    expect(made).toMatchObject({ kind: "STREAM", settings: { stream: { ackDeadlineMs: 20_000 } } });
    return { ...scenario, id: (made as { readonly subscription: string }).subscription };
  }

  test("prints messages as they come and takes those it acknowledges", async () => {
    const { run, id } = await streamed();
    await run("publish news one");
    await run("publish news two --attribute kind=weather --number degrees=3");
    const looked = await run(`consume ${id} --max 2 -o raw`);
    expect(looked.stdout).toBe("one\ntwo\n");
    expect(looked.stderr).toContain("Not acknowledged");
    const taken = await run(`topic consume ${id} --wait 500ms --ack -o json`);
    const lines = taken.stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { body: "one", attempt: 2, topic: "news" },
      {
        body: "two",
        attributes: {
          kind: { type: "String", value: "weather" },
          degrees: { type: "Number", value: "3" },
        },
      },
    ]);
    expect((await run(`consume ${id} --wait 100ms --ack`)).stdout).toBe("");
    expect((await run(`topic subscription ${id}`)).stdout).toMatch(/^delivered +2$/m);
  });

  test("says what is wrong with what it is given", async () => {
    const { run, json } = await streamed();
    const unknown = await run("consume 0190b6f2-0000-7000-8000-000000000001");
    expect(unknown.exitCode).toBe(3);
    expect(unknown.stderr).toContain("forebay topic subscriptions");
    const made = (await json("subscribe news orders")) as { readonly subscription: string };
    const queue = await run(`consume ${made.subscription}`);
    expect(queue.stderr).toMatch(/NOT_A_STREAM[\s\S]*--stream/);
  });
});

describe("tail", () => {
  test("prints a line for each message from now on, as its filter wants, until there are enough", async () => {
    const { run } = await cliScenario();
    await run("topic create news");
    await run("publish news before");
    const filter = ["--filter", '{"kind":["weather"]}'];
    const tailing = run(["tail", "news", "--max", "2", ...filter]);
    // Live or not yet: what comes often enough is seen.
    let isDone = false;
    void tailing.then(() => {
      isDone = true;
    });
    while (!isDone) {
      await run("publish news goal --attribute kind=sports");
      await run(["publish", "news", "rain\tnow", "--attribute", "kind=weather"]);
    }
    const { exitCode, stdout, stderr } = await tailing;
    expect(exitCode).toBe(0);
    expect(stderr).toContain("Tailing news");
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(2);
    for (const line of lines) {
      expect(line).toMatch(/^20\S+Z {2}\d{20} {2}rain\\tnow$/);
    }
  });

  test("shows the gap it begins with, and ends when nothing comes", async () => {
    const { run } = await cliScenario();
    await run("topic create news");
    for (const body of ["one", "two"]) await run(`publish news ${body}`);
    const { stdout, stderr } = await run("topic tail news --after 0 --wait 200ms -o jsonl");
    expect(stderr).toContain("2 messages before 00000000000000000003 were skipped");
    expect(JSON.parse(stdout)).toMatchObject({ gap: { skippedCount: 2 } });
    const unknown = await run("tail nothing");
    expect(unknown.exitCode).toBe(3);
    expect(unknown.stderr).toContain("forebay topic create");
  });

  test("Ctrl-C ends it quietly", async () => {
    const { run } = await cliScenario();
    await run("topic create news");
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    expect((await run("tail news", { interrupted: stop.signal })).stdout).toBe("");
  });
});

describe("filter test", () => {
  test("says whether a filter takes a message, and why", async () => {
    const { run, json } = await cliScenario({ create: "none" });
    const filter = '{"price":[{"numeric":[">",100]}]}';
    const test = ["filter", "test", filter];
    expect((await run([...test, "--number", "price=120"])).stdout).toMatch(/^message +taken$/m);
    expect((await run([...test, "--attribute", "price=120", "-o", "raw"])).stdout).toBe("false\n");
    const body = ["--scope", "message-body", "--message", '{"price":100}'];
    expect(await json(["topic", ...test, ...body])).toMatchObject({
      matched: false,
      keys: [{ path: "price", matched: false, values: ["100"] }],
    });
    expect((await run(["filter", "test", "{"])).stderr).toContain("FILTER_INVALID");
    expect((await run([...test, "--number", "price=much"])).exitCode).toBe(2);
  });
});

test("a subscription is paused and resumed, and gets another filter", async () => {
  const { run, json, t } = await cliScenario();
  await run("topic create news");
  const made = (await json("subscribe news orders --raw")) as { readonly subscription: string };
  const id = made.subscription;
  expect((await run(`topic pause ${id}`)).stdout).toMatch(/^state +paused$/m);
  await run("publish news waits");
  expect(await t.receive()).toEqual([]);
  expect(await json(`topic resume ${id}`)).toMatchObject({ state: "CONFIRMED" });
  expect((await t.receive({ waitMs: 5_000 })).map(({ body }) => body)).toEqual(["waits"]);
  const filter = ["filter", "set", id, '{"kind":["weather"]}', "--scope", "message-body"];
  expect((await run(filter)).stdout).toMatch(/^filter +\{"kind":\["weather"\]\}$/m);
  await run("publish news sports");
  await run(["publish", "news", '{"kind":"weather"}']);
  const got = await t.receive({ waitMs: 5_000, max: 10 });
  expect(got.map(({ body }) => body)).toEqual(['{"kind":"weather"}']);
  expect((await run(["filter", "set", id, "{"])).stderr).toContain("FILTER_INVALID");
});
