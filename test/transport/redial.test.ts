// When a way is dialled again, and what does not count as silence.

import { createServer } from "node:net";
import { expect, test } from "vitest";
import { createSystemClock } from "../../src/base/clock.js";
import {
  acquaint,
  append,
  configurationOf,
  idOf,
  memberOf,
  pause,
  rememberingLog,
  startMember,
  until,
} from "./harness.js";

/** A port on which nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const address = server.address();
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return typeof address === "object" && address !== null ? address.port : 0;
}

test.each([
  [0, [50, 100, 200, 400, 500, 500]],
  [1, [100, 200, 400, 800, 1_000, 1_000]],
])("the waits between attempts grow from 50 ms to 1 s; chance %f", async (chance, expected) => {
  const waits: number[] = [];
  const clock = createSystemClock();
  const handshakeMs = 2_000;
  const quick = {
    ...clock,
    setTimer: (delayMs: number, fire: () => void) => {
      if (delayMs === 0 || delayMs === handshakeMs) return clock.setTimer(delayMs, fire);
      waits.push(delayMs);
      return clock.setTimer(1, fire);
    },
  };
  const a = await startMember("a", { clock: quick, random: () => chance });
  const gone = { id: idOf("b"), node: "b", endpoint: `127.0.0.1:${await closedPort()}` };
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(gone)]));
  await until(() => waits.length >= expected.length);
  await a.network.close();
  expect(waits.slice(0, expected.length)).toEqual(expected);
});

test("the same reason for there being no way is a warning once", async () => {
  const { log, lines } = rememberingLog();
  const a = await startMember("a", { log, random: () => 0 });
  const gone = { id: idOf("b"), node: "b", endpoint: `127.0.0.1:${await closedPort()}` };
  a.network.setConfiguration(configurationOf([memberOf(a), memberOf(gone)]));
  await until(() => lines.filter(({ why }) => why !== undefined).length >= 3);
  await a.network.close();
  const warnings = lines.filter(({ level, why }) => level === "warn" && why !== undefined);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]?.["why"]).toContain("ECONNREFUSED");
});

test("a pause of this process is not taken for the silence of others", async () => {
  const a = await startMember("a");
  const b = await startMember("b");
  await acquaint(a, b);
  await pause(300);
  const from = performance.now();
  while (performance.now() - from < 2_500);
  await pause(700);
  expect(a.network.status()).toMatchObject([{ isUp: true, downCount: 0 }]);
  a.network.send(b.id, append(1, 10));
  await until(() => b.heard.length === 1);
  await Promise.all([a.network.close(), b.network.close()]);
});

test("a way with nothing to say stays up, and every message in it is a sign of life", async () => {
  const a = await startMember("a");
  const b = await startMember("b");
  await acquaint(a, b);
  await pause(2_500);
  expect(a.network.status()).toMatchObject([{ isUp: true, hasDialled: true, downCount: 0 }]);
  expect(a.heard).toEqual([]);
  await Promise.all([a.network.close(), b.network.close()]);
});
