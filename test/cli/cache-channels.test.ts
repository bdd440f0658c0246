// `forebay cache publish` and `forebay cache subscribe` on a real server.

import { describe, expect, test } from "vitest";
import { cliScenario } from "./harness.js";

describe("cache publish", () => {
  test("says which number a message has and how many it was for", async () => {
    const { run, json } = await cliScenario();
    expect(await json("cache publish news hello --publisher me")).toEqual({
      channel: "news",
      sequence: 1,
      receivers: 0,
      stamp: expect.any(String),
    });
    expect((await run("cache publish news again -o raw")).stdout).toBe("2\n");
    expect((await run("cache publish news again")).stdout).toMatch(/^receivers +0$/m);
    expect((await run("cache publish news --file -", { stdin: "from stdin" })).exitCode).toBe(0);
    expect((await run("cache publish news")).exitCode).toBe(2);
    expect((await run("cache publish news hello -c none")).exitCode).toBe(3);
  });
});

describe("cache subscribe", () => {
  test("prints a line for each message until there are enough", async () => {
    const { run } = await cliScenario();
    const options = ["--pattern", "room-*", "--max", "4"];
    const listening = run(["cache", "subscribe", "news", ...options]);
    // Live or not yet: what comes often enough is seen.
    let isDone = false;
    void listening.then(() => {
      isDone = true;
    });
    while (!isDone) {
      await run("cache publish other no");
      await run(["cache", "publish", "room-7", "here\tnow"]);
      await run("cache publish news hello");
    }
    const { exitCode, stdout, stderr } = await listening;
    expect(exitCode).toBe(0);
    expect(stderr).toContain("Listening to news, room-*");
    const lines = stdout.trim().split("\n");
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(line).toMatch(/^20\S+Z {2}(news {2}\d+ {2}hello|room-7 {2}\d+ {2}here\\tnow)$/);
    }
  });

  test("goes on after a message, tells what was missed, and ends when nothing comes", async () => {
    const { run, json } = await cliScenario();
    await run("cache create small --channel-messages 2 --channel-retain 1h");
    expect(await json("cache info small")).toMatchObject({
      channelRetainMessages: 2,
      channelRetainMs: 3_600_000,
    });
    const { stamp } = (await json("cache publish a=b 1 -c small")) as { stamp: string };
    for (const text of ["2", "3", "4"]) await run(`cache publish a=b ${text} -c small`);
    const after = `cache subscribe a=b -c small --after a=b=1@${stamp} --wait 200ms`;
    const { stdout, stderr } = await run(`${after} -o jsonl`);
    expect(stderr).toContain("Of a=b messages were missed, 2 to 2: not retained.");
    expect(
      stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toMatchObject([
      { discontinuity: { channel: "a=b", from: 2, to: 2, stamp, cause: "not_retained" } },
      { channel: "a=b", sequence: 3, body: "3", publisher: "" },
      { sequence: 4, stamp, body: "4" },
    ]);
    expect((await run(`${after} -o raw`)).stdout).toBe("3\n4\n");
  });

  test("says what is wrong with how it was called", async () => {
    const { run } = await cliScenario();
    expect((await run("cache subscribe")).exitCode).toBe(2);
    expect((await run("cache subscribe news --after news=1")).stderr).toContain("is no place");
    expect((await run("cache subscribe news -c none")).exitCode).toBe(3);
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 200);
    const quiet = await run("cache subscribe news", { interrupted: stop.signal });
    expect(quiet.stdout).toBe("");
  });
});
