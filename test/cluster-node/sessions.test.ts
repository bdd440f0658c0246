// Sessions in a cluster: any node takes any call, a node that follows leaves what moves an end to the leader, and what was destroyed stays
// so when another node leads.

import { ForebayClient } from "@forebay/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { TestCluster, type TestNode } from "./cluster.js";

describeWithEtcd("a cluster", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  function clientOf({ endpoint }: TestNode): ForebayClient {
    const client = new ForebayClient({ endpoint, timeoutMs: 60_000 });
    onTestFinished(() => client.close());
    return client;
  }

  test("has sessions at any node, and what was destroyed stays so when the leader leaves", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const [sessions, elsewhere] = [clientOf(one).sessions(), clientOf(other).sessions()];
    const ann = { userId: "ann" };
    const [kept, gone, out] = await Promise.all([
      sessions.create({ n: 1 }, ann),
      sessions.create({}, ann),
      sessions.create({}, { userId: "bob" }),
    ]);
    const brief = await sessions.create({}, { idleMs: 32_000 });
    // A read anywhere moves the end, once it is by more than a sixteenth; only who leads can do it.
    const read = { consistency: "any" } as const;
    await expect
      .poll(async () => (await elsewhere.get(brief.id, read))?.expiresAt?.getTime() ?? 0)
      .toBeGreaterThan(brief.expiresAt?.getTime() ?? 0);
    const unmoved = () => elsewhere.get(kept.id, { touch: false, consistency: "any" });
    await expect.poll(unmoved).toMatchObject({ data: { n: 1 }, userId: "ann" });
    await sessions.destroyByUser("ann", { exceptId: kept.id });
    await elsewhere.destroy(out.id);
    await leader.stop();
    await cluster.leader();
    expect(await elsewhere.save(gone.id, {})).toMatchObject({ kind: "gone" });
    expect(await sessions.save(out.id, {})).toMatchObject({ kind: "gone" });
    expect(await elsewhere.patch(kept.id, { n: 2 })).toMatchObject({ kind: "saved", version: 2n });
    expect(await sessions.get(kept.id)).toMatchObject({ data: { n: 2 } });
    expect(await sessions.count(ann)).toBe(1);
  }, 120_000);
});
