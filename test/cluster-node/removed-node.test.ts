// A node whose member an operator removed, and which runs on: nobody keeps its state up to date, so it must not answer from it, nor
// be called ready, and says what to do. The others go on without it.

import { afterAll, beforeAll, expect, test } from "vitest";
import { addressText } from "../../src/config/address.js";
import { ReadMode } from "../../src/gen/forebay/queue/v1/consistency.js";
import { forebay } from "../cli/harness.js";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { failureOfCall } from "../support/edge.js";
import { TestCluster, type TestNode, textOf, wait } from "./cluster.js";

const queue = "orders";
const fromAnyState = { kind: { $case: "mode" as const, value: ReadMode.ANY } };
const learnsWithinMs = 20_000;

/** Once etcd has told it. */
async function untilNotReady(node: TestNode): Promise<string> {
  const endMs = Date.now() + learnsWithinMs;
  for (;;) {
    const { code, text } = await node.page("/readyz?verbose");
    if (code !== 200) return text;
    if (Date.now() > endMs) throw new Error(`${node.name} is still ready: ${text}`);
    await wait(50);
  }
}

describeWithEtcd("a node whose member was removed", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  test("answers nothing while it runs on, says what to do, and does not start again with what it has", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [removed, other] = await cluster.followers();
    if (removed === undefined || other === undefined) throw new Error("Two nodes follow.");
    await leader.askUntil("createQueue", { queue });
    await leader.askUntil("sendMessage", { queue, body: textOf("before") });
    // Until then it answers reads itself and passes the rest on.
    const peek = { queue, consistency: fromAnyState };
    await removed.askUntil("sendMessage", { queue, body: textOf("passed on") });
    await removed.askUntil("peekMessages", peek);

    const management = addressText(leader.server.managementAddress);
    const command = ["cluster", "remove", removed.name, "--management", management];
    expect(await forebay(command)).toMatchObject({ exitCode: 0 });
    expect(await untilNotReady(removed)).toMatch(
      /removed from the cluster; .*empty data directory .*forebay cluster add/,
    );
    for (const ask of [
      () => removed.ask("peekMessages", peek),
      () => removed.ask("peekMessages", { queue }),
      () => removed.ask("sendMessage", { queue, body: textOf("lost?") }),
    ]) {
      const { code, reason, message } = await failureOfCall(ask());
      expect({ code, reason }).toEqual({ code: "UNAVAILABLE", reason: "NOT_LEADER" });
      expect(message).toMatch(
        /removed from its cluster.*empty data directory.*forebay cluster add/,
      );
    }

    await other.askUntil("sendMessage", { queue, body: textOf("after") });
    const { response } = await leader.askUntil("peekMessages", { queue });
    expect(response.messages.map(({ body }) => body?.value)).toEqual([
      "before",
      "passed on",
      "after",
    ]);

    await removed.stop();
    await removed.start();
    await expect
      .poll(() => removed.failures.map(String), { timeout: learnsWithinMs })
      .toEqual([expect.stringMatching(/removed from the cluster as node/)]);
    // As it would in a process of its own.
    await removed.stop();
    removed.failures.length = 0;
  }, 60_000);
});
