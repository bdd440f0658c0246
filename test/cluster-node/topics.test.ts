// Topics in a cluster: any node takes any call, and what a leader did not get to hand on the next one does.

import { ForebayClient } from "@forebay/client";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { TestCluster, type TestNode, wait } from "./cluster.js";

const queues = Array.from({ length: 25 }, (_, index) => `queue-${index}`);

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

  test("hands on what was published at a node that follows, also when the leader leaves", async () => {
    const cluster = await TestCluster.start(etcd);
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    const client = clientOf(one);
    await client.createTopic("news");
    const topic = client.topic("news");
    for (const queue of queues) {
      await client.createQueue(queue);
      await topic.subscribe(queue, { settings: { rawMessageDelivery: true } });
    }
    const bodies = Array.from({ length: 20 }, (_, index) => `message ${index}`);
    await Promise.all(bodies.map((body) => topic.publish(body)));
    await leader.stop();
    await cluster.leader();
    const rest = clientOf(other);
    await topic.publish("after");
    for (let tries = 0; ; tries += 1) {
      const { counters } = await rest.topic("news").describe();
      if (counters?.pendingCount === 0) break;
      if (tries === 500) throw new Error("The messages were not handed on.");
      await wait(20);
    }
    for (const queue of queues) {
      const found: string[] = [];
      for (let left = 10; left > 0 && found.length < 21; left -= 1) {
        const messages = await rest.queue(queue).receive({ maxMessages: 10, waitTimeMs: 0 });
        found.push(...messages.map(({ text }) => text));
      }
      expect(found.sort()).toEqual([...bodies, "after"].sort());
    }
    expect(await rest.subscription(await firstOf(rest)).describe()).toMatchObject({
      counters: { deliveredCount: 21, backlogCount: 0 },
    });
  }, 120_000);
});

async function firstOf(client: ForebayClient): Promise<string> {
  for await (const { subscription } of client.subscriptions()) return subscription;
  throw new Error("There is no subscription.");
}
