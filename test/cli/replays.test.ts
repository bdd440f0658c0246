// `forebay topic archive`, `replay` and their like.

import { expect, test } from "vitest";
import { until } from "../support/webhooks.js";
import { cliScenario } from "./harness.js";

test("a topic is archived, replayed to a queue that came late, and its archive deleted when that is confirmed", async () => {
  const { json, run, t } = await cliScenario();
  expect(await json("topic create news --archive-days 2")).toMatchObject({
    settings: { archiveRetentionMs: 172_800_000 },
  });
  await run(["publish", "news", "one"]);
  await run(["publish", "news", "two"]);
  const { subscription: id } = (await json("subscribe news orders --raw")) as {
    readonly subscription: string;
  };
  expect(await json(`topic snapshot ${id} here --ttl 1h`)).toMatchObject({
    name: "here",
    sequenceNumber: "00000000000000000003",
  });
  const replay = ["topic", "replay", id, "--from", "1", "--until", "snapshot:here"];
  expect(await json([...replay, "--speed", "100/s", "--then", "pause"])).toMatchObject({
    state: "PENDING",
    remainingCount: 2,
  });
  await until("it ends", async () =>
    (await run("topic replays news")).stdout.includes("completed"),
  );
  expect((await t.receive({ max: 10 })).map(({ body }) => body)).toEqual(["one", "two"]);
  expect(await json(`topic subscription ${id}`)).toMatchObject({ state: "PAUSED" });
  expect((await run(`topic replay-stop ${id}`)).stderr).toContain("No replay was under way");
  await json(["topic", "replay", id, "--from", "1h", "--clamp", "--speed", "0.5x"]);
  expect(await json(`topic replay-stop ${id} --from-position`)).toMatchObject({ state: "STOPPED" });
  expect((await run(`topic snapshots ${id}`)).stdout).toContain("here");
  expect(await json(`topic snapshot-rm ${id} here`)).toMatchObject({ existed: true });
  expect((await run(["topic", "replay", id, "--from", "there"])).exitCode).toBe(2);
  expect((await run(["topic", "replay", id, "--from", "1", "--speed", "fast"])).exitCode).toBe(2);
  expect((await run("topic info news")).stdout).toMatch(/^archived +2$/m);
  const unasked = await run("topic archive news 0");
  expect(unasked.stderr).toContain("deletes the archive of news with 2 messages");
  expect(unasked.exitCode).toBe(2);
  expect(await json("topic archive news 0 --yes")).toMatchObject({
    settings: { archiveRetentionMs: 0 },
  });
  await json("topic archive news 1");
  expect(await json("topic rm news --yes")).toEqual({ topic: "news" });
});
