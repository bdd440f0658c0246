// `forebay topic`, `subscribe`, `unsubscribe` and `publish`.

import { describe, expect, test } from "vitest";
import { cliScenario } from "./harness.js";

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
