// A process that is killed while it moves messages, again and again on the same store: the next one goes on with the task, no
// message is lost and none is there twice, and the store never contradicts itself.

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import type { MoverEvent } from "../support/mover-process.js";
import {
  listMoves,
  movingHarness,
  namesIn,
  numbered,
  sendAll,
  startMove,
} from "../support/moving.js";
import { storedNames } from "../support/stopped-store.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

const messageCount = 8_000;
/** More than enough to catch a task on its way. */
const killCount = 8;

/** Lets a process move for a while and kills it; says whether the task had ended before. */
async function moveAndKill(directory: string, afterMs: number): Promise<"killed" | "ended"> {
  const child = spawn(
    process.execPath,
    [
      "--import",
      new URL("../support/typescript.mjs", import.meta.url).href,
      fileURLToPath(new URL("../support/mover-process.ts", import.meta.url)),
      directory,
    ],
    { stdio: ["ignore", "ignore", "pipe", "ipc"] },
  );
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  let errors = "";
  child.stderr?.on("data", (bytes: Buffer) => {
    errors += bytes.toString();
  });
  let timer: NodeJS.Timeout | undefined;
  let hasEnded = false;
  child.on("message", (event: MoverEvent) => {
    if (event === "begun") timer = setTimeout(() => child.kill("SIGKILL"), afterMs);
    else {
      hasEnded = true;
      clearTimeout(timer);
    }
  });
  const end = await new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(`${code ?? signal} ${errors}`));
  });
  expect(end).toBe(hasEnded ? "0 " : "SIGKILL ");
  return hasEnded ? "ended" : "killed";
}

test(`a task that is killed ${killCount} times on its way moves every message once`, async () => {
  const directory = temporaryDirectory();
  const names = numbered(messageCount);
  const before = await movingHarness({ store: openTestStore(directory) });
  await sendAll(before, "dead", names);
  await startMove(before);
  await before.stop();

  let killedOnItsWay = 0;
  for (let kill = 0; kill < killCount; kill += 1) {
    const outcome = await moveAndKill(directory, 10 + ((kill * 37) % 90));
    // Reads every row and finds that it agrees with all the others, too.
    expect((await storedNames(directory)).toSorted()).toEqual(names.toSorted());
    if (outcome === "ended") break;
    killedOnItsWay += 1;
  }
  expect(killedOnItsWay).toBeGreaterThan(2);
  if (killedOnItsWay === killCount) expect(await moveAndKill(directory, 60_000)).toBe("ended");

  const store = openTestStore(directory);
  const after = await movingHarness({ store });
  expect(await namesIn(after, "orders")).toEqual(names);
  const [move] = await listMoves(after);
  expect(move?.task).toMatchObject({ moved: messageCount, state: { kind: "completed" } });
  expect((await after.report("dead"))?.counters).toMatchObject({ stored: 0, moved: messageCount });
  expect((await after.report("orders"))?.counters).toMatchObject({ arrived: messageCount });
  expect(renderCheckReport(await checkStore(store))).toMatch(/No contradictions/);
  await after.stop();
}, 120_000);
