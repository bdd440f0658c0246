// drain_grace_ms: between the signal to stop and the drain the server says that it is leaving and serves on, so that
// balancers look elsewhere before a single call fails.

import { expect, test } from "vitest";
import { consumer } from "../support/consumer.js";
import { bodiesOf, type Scenario, scenario, turns } from "../support/scenario.js";

const graceMs = 30_000;
const leaving = { code: "UNAVAILABLE", reason: "SHUTTING_DOWN" };

const readiness = async (t: Scenario): Promise<number> => {
  const { host, port } = t.server.managementAddress;
  return (await fetch(`http://${host}:${port}/readyz`)).status;
};

/** A server that was told to stop, with a stream of either kind and a receive under way. */
async function leavingServer() {
  const t = await scenario({ config: { drainGraceMs: graceMs } });
  const consuming = await consumer(t);
  const producing = t.produce();
  producing.write({
    queue: t.queue,
    entries: [{ id: "0", body: { $case: "text", value: "before" } }],
  });
  await producing.until(() => producing.responses.length === 1);
  expect(bodiesOf(await consuming.messages())).toEqual(["before"]);
  await t.createQueue("other");
  const poll = await t.poll({ queue: "other" });
  expect(await readiness(t)).toBe(200);
  let isStopped = false;
  const stopped = t.server.stop().then(() => {
    isStopped = true;
  });
  return { t, consuming, producing, poll, stopped, isStopped: () => isStopped };
}

test("during its grace a server says that it is not ready, and everything goes on", async () => {
  const { t, consuming, producing, poll, stopped, isStopped } = await leavingServer();
  // At once, not only at the end.
  expect(await readiness(t)).toBe(503);
  await t.advance(graceMs - 1);
  expect(await readiness(t)).toBe(503);
  expect(poll.isAnswered).toBe(true);
  await t.send("unary", { queue: "other" });
  expect(bodiesOf(await t.receive({ queue: "other", waitMs: 1_000 }))).toEqual(["unary"]);
  producing.write({ entries: [{ id: "1", body: { $case: "text", value: "during" } }] });
  await producing.until(() => producing.responses.length === 2);
  const [message] = await consuming.messages();
  expect(message?.body).toBe("during");
  consuming.ack(message?.handle ?? "");
  expect(await consuming.outcomes()).toEqual(["DELETED"]);
  // Streams may even begin.
  const late = await consumer(t, { queue: "other" });
  expect([late, consuming].map(({ stream }) => stream.isEnded)).toEqual([false, false]);
  expect(isStopped()).toBe(false);
  await t.clock.advance(1);
  for (const stream of [late.stream, consuming.stream, producing]) {
    expect(await stream.ended).toMatchObject(leaving);
  }
  t.client.close();
  await stopped;
});

test("a second signal ends the grace", async () => {
  const { t, consuming, producing, stopped, isStopped } = await leavingServer();
  await turns(20);
  expect(isStopped()).toBe(false);
  t.server.hurry();
  for (const stream of [consuming.stream, producing]) {
    await stream.ended;
    expect(stream.isEnded).toBe(true);
  }
  // Not a millisecond of the grace passes.
  await stopped;
  expect(isStopped()).toBe(true);
});
