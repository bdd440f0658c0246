// A peer that holds its connections open and does nothing: SIGSTOP, as a stopped machine or a very long pause looks from outside.
// Its kernel goes on to accept and to acknowledge, so that only what it does not say tells.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  append,
  configurationOf,
  group,
  idOf,
  isConnected,
  memberOf,
  pause,
  startMember,
  type TestMember,
  until,
} from "./harness.js";

let a: TestMember;
let child: ChildProcess;
const b = idOf("b");

beforeEach(async () => {
  a = await startMember("a");
  child = fork(fileURLToPath(new URL("peer-process.ts", import.meta.url)), [group, b], {
    execArgv: ["--import", new URL("../support/typescript.mjs", import.meta.url).href],
  });
  const endpoint = await new Promise<string>((resolve) => {
    child.once("message", (message) => resolve(String(message)));
  });
  const members = [memberOf(a), memberOf({ id: b, node: "b", endpoint })];
  a.network.setConfiguration(configurationOf(members));
  child.send(configurationOf(members));
  await until(() => isConnected(a.network));
});

afterEach(async () => {
  child.kill("SIGKILL");
  await a.network.close();
});

// A busy machine may miss a bound of real time once; a node that misses it always fails.
test("is noticed within about a second, dialled again, and talked to once it goes on", {
  retry: 2,
}, async () => {
  const pausedAt = performance.now();
  child.kill("SIGSTOP");
  await until(() => !a.network.isReady(b));
  const noticedMs = performance.now() - pausedAt;
  // Five beats missed at the least, and a busy machine's delay at the most.
  expect(noticedMs).toBeGreaterThan(900);
  expect(noticedMs).toBeLessThan(1_900);
  expect(a.network.status()[0]?.why).toBe("nothing was heard of it for a second");
  await pause(1_500);
  expect(a.network.status()).toMatchObject([{ isUp: false, hasDialled: false }]);
  child.kill("SIGCONT");
  await until(() => isConnected(a.network));
  a.network.send(b, append(7, 10));
  await until(() => a.heard.length > 0);
  expect(a.heard.map(({ message }) => message.kind?.$case)).toEqual(["ack"]);
});

test("does not make this process keep what it does not read", async () => {
  child.kill("SIGSTOP");
  const before = process.memoryUsage().arrayBuffers;
  const message = append(1, 1_048_576);
  let sentCount = 0;
  let unsentMax = 0;
  // A caller that does not ask whether there is room, for as long as there is a way.
  while (a.network.status()[0]?.isUp === true && sentCount < 4_096) {
    for (let count = 0; count < 128; count += 1) a.network.send(b, message);
    sentCount += 128;
    unsentMax = Math.max(unsentMax, a.network.status()[0]?.unsentBytes ?? 0);
    await pause(20);
  }
  expect(unsentMax).toBeGreaterThan(19 * 1_048_576);
  expect(unsentMax).toBeLessThanOrEqual(21 * 1_048_576);
  // The rest of them is in the kernels of both, and in HTTP/2's window.
  expect(a.network.status()[0]?.droppedCount).toBeGreaterThanOrEqual(sentCount - 64);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(64 * 1_048_576);
  await until(() => a.network.status()[0]?.isUp === false);
  expect(a.network.status()[0]?.unsentBytes).toBe(0);
});

test("is not ready while it reads nothing, and ready again when it does", async () => {
  child.kill("SIGSTOP");
  let sent = 0;
  while (a.network.isReady(b)) {
    a.network.send(b, append(sent, 1_048_576));
    sent += 1;
    expect(sent).toBeLessThan(64);
    await pause(1);
  }
  // What was sent before it was found not ready is not lost: the peer goes on before it is given up.
  child.kill("SIGCONT");
  await until(() => a.readyFrom.length === 2);
  await until(() => a.heard.length === sent);
  expect(a.network.isReady(b)).toBe(true);
  expect(a.network.status()).toMatchObject([{ droppedCount: 0, downCount: 0 }]);
});
