// `npm run cluster` as somebody runs it who has never seen it: it says what to type, and what it says to type works.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { forebay } from "../cli/harness.js";
import { describeWithEtcd, wait } from "./etcd.js";

describeWithEtcd("npm run cluster", () => {
  test("begins a cluster of three, which goes on when its leader is killed, and stops with Ctrl-C", async () => {
    const script = spawn(process.execPath, ["scripts/cluster.mjs", "--free-ports"]);
    const output = outputOf(script);
    onTestFinished(async () => {
      if (script.exitCode === null) {
        script.kill("SIGTERM");
        await once(script, "exit");
      }
    });
    await expect
      .poll(output, { timeout: 90_000, interval: 100 })
      .toContain("Ctrl-C stops everything.");

    // Every command it names, in its order; `kill` is what a person would type.
    const commands = [...output().matchAll(/^ {2}(npx forebay|kill) (.+)$/gm)];
    expect(commands.map(([, program, line]) => `${program} ${line}`)).toHaveLength(7);
    for (const [, program, line = ""] of commands) {
      if (program === "kill") process.kill(Number(line.split(" ").at(-1)), "SIGKILL");
      else await succeeds(line.trim().split(/\s+/));
    }
    // Who was killed comes back, with everybody connected.
    const status = commands.map(([, , line = ""]) => line).findLast((line) => /status/.test(line));
    const members = async (): Promise<unknown> => {
      const { stdout } = await forebay([...(status ?? "").trim().split(/\s+/), "-o", "json"]);
      const { leader, members: all } = JSON.parse(stdout) as ClusterJson;
      return leader !== null && all.every(({ progress }) => progress?.isConnected === true);
    };
    await expect.poll(members, { timeout: 60_000, interval: 500 }).toBe(true);

    script.kill("SIGINT");
    const [exitCode] = (await once(script, "exit")) as [number];
    expect(exitCode).toBe(0);
  }, 240_000);
});

interface ClusterJson {
  readonly leader: string | null;
  readonly members: readonly { readonly progress?: { readonly isConnected: boolean } }[];
}

/** A command may meet the moment in which nobody leads. */
async function succeeds(args: readonly string[]): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const { exitCode, stderr } = await forebay(args);
    if (exitCode === 0) return;
    if (attempt === 40) throw new Error(`forebay ${args.join(" ")}: ${stderr}`);
    await wait(500);
  }
}

function outputOf(child: ChildProcess): () => string {
  let text = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
  }
  return () => text;
}
