// `forebay schedule`: messages that the server sends by itself.

import { describe, expect, test } from "vitest";
import { cliScenario } from "./harness.js";

interface Described {
  readonly schedule: Readonly<Record<string, unknown>>;
  readonly status: { readonly nextTime?: string; readonly runCount: number };
}

describe("schedule", () => {
  test("by a cron pattern runs next when the clock of its zone says so", async () => {
    const { json, run } = await cliScenario();
    const put = ["schedule", "put", "orders", "nightly", "close the books", "--cron", "0 3 * * *"];
    const berlin = [...put, "--zone", "Europe/Berlin", "--attribute", "kind=report"];
    const made = (await json(berlin)) as Described;
    expect(made).toMatchObject({
      schedule: {
        name: "nightly",
        timing: { kind: "cron", pattern: "0 3 * * *", timeZone: "Europe/Berlin" },
        message: {
          body: "close the books",
          encoding: "text",
          attributes: { kind: { type: "String", value: "report" } },
        },
        missedRuns: "SEND_ONE",
      },
      status: { runCount: 0 },
    });
    const clockOfBerlin = new Intl.DateTimeFormat("en-GB", {
      timeZone: "Europe/Berlin",
      hour: "2-digit",
      minute: "2-digit",
    });
    expect(clockOfBerlin.format(Date.parse(made.status.nextTime ?? ""))).toBe("03:00");
    const info = await run("schedule info orders nightly");
    expect(info.stdout).toMatch(/^when +0 3 \* \* \* Europe\/Berlin$/m);
    expect(info.stdout).toMatch(/^attribute kind +report$/m);
    expect(info.stdout).toMatch(/^body +close the books$/m);
  });

  test("is replaced under its name, listed in name order, and removed", async () => {
    const { json, run } = await cliScenario();
    await run("schedule put orders pulse now --every 1h");
    await run("schedule put orders alarm now --every 5m --paused --missed-runs skip");
    const again = await run("schedule put orders pulse now --every 90s");
    expect(again.stderr).toContain("was there already");
    expect(await json("schedule ls orders")).toMatchObject([
      { schedule: { name: "alarm", paused: true, missedRuns: "SKIP" } },
      { schedule: { name: "pulse", timing: { kind: "interval", intervalMs: 90_000 } } },
    ]);
    const { stdout } = await run("schedule list orders");
    expect(stdout).toMatch(/^schedule +when +next +last +runs +failure\n/);
    expect(stdout).toMatch(/^alarm +every 5m +paused +0$/m);
    expect(stdout).toMatch(/^pulse +every 90s +\d{4}-\S+Z +0$/m);
    expect(await json("schedule rm orders alarm")).toEqual({ queue: "orders", schedule: "alarm" });
    const gone = await run("schedule info orders alarm");
    expect(gone).toMatchObject({ exitCode: 3, stdout: "" });
    expect(gone.stderr).toContain("SCHEDULE_NOT_FOUND");
    expect(gone.stderr).toContain("forebay schedule ls");
    await run("schedule rm orders pulse");
    const none = await run("schedule ls orders");
    expect(none).toMatchObject({ stdout: "", stderr: "orders has no schedules.\n" });
  });

  test("every second sends a message a second, from --start to --end", async () => {
    const { json, run } = await cliScenario();
    await run(
      [
        ...["schedule", "put", "orders", "pulse", "--file", "-", "--every", "1s", "--ttl", "1h"],
        ...["--group", "g", "--priority", "2", "--start", "+2s", "--end", "+3500ms"],
      ],
      { stdin: "tick" },
    );
    for (let run = 0; run < 2; run += 1) {
      expect(await json("receive orders --wait 10s --ack")).toMatchObject([
        { body: "tick", groupId: "g", priority: 2, timeToLiveEndTime: expect.any(String) },
      ]);
    }
    const info = await run("schedule info orders pulse");
    expect(info.stdout).toMatch(/^next +never$/m);
    expect(info.stdout).toMatch(/^runs +2$/m);
    expect(info.stdout).toMatch(/^time to live +1h$/m);
  });

  test("whose pattern cannot be read is refused with where it is wrong", async () => {
    const { run } = await cliScenario();
    const put = ["schedule", "put", "orders", "nightly", "x", "--cron"];
    const refused = await run([...put, "0 25 * * *"]);
    expect(refused).toMatchObject({ exitCode: 2, stdout: "" });
    expect(refused.stderr).toContain("INVALID_PARAMETER");
    expect(refused.stderr).toContain("25");
    const zone = await run([...put, "0 3 * * *", "--zone", "Europe/Nowhere"]);
    expect(zone).toMatchObject({ exitCode: 2, stdout: "" });
    expect(zone.stderr).toContain("Europe/Nowhere");
  });
});
