// Topics in a cluster towards the outside: tails and streams at a node that follows, pages about webhooks at any node, and webhooks
// that the next leader goes on with.

import { ForebayClient } from "@forebay/client";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { verifyEnvelope } from "../../src/delivery/signature.js";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { DiscontinuityCause } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { describeWithEtcd, runEtcd } from "../cluster/etcd.js";
import { QueueClient } from "../support/queue-client.js";
import type { Scenario } from "../support/scenario.js";
import { consumer, openTail, tail } from "../support/topic-streams.js";
import { topicCall } from "../support/topics.js";
import { type Hook, hook, subscribeHook, until, webhookConfig } from "../support/webhooks.js";
import { TestCluster, type TestNode } from "./cluster.js";

const textOf = (value: string) => ({ $case: "text" as const, value });

describeWithEtcd("a cluster", () => {
  let etcd: Awaited<ReturnType<typeof runEtcd>>;
  beforeAll(async () => {
    etcd = await runEtcd();
  });
  afterAll(() => etcd?.stop());

  async function begun() {
    const cluster = await TestCluster.start(etcd, { config: () => webhookConfig });
    const leader = await cluster.leader();
    const [one, other] = await cluster.followers();
    if (one === undefined || other === undefined) throw new Error("two nodes follow");
    await using client = new ForebayClient({ endpoint: one.endpoint });
    await client.createTopic("news");
    // Since it waits, what is published stays in the topic.
    await client.createQueue("waiting");
    await client.topic("news").subscribe("waiting", { settings: { paused: true } });
    return { cluster, leader, one, other };
  }

  /** A node as helpers of scenarios know a server. */
  function at(node: TestNode): Scenario {
    const client = new QueueClient(node.server.dataAddress);
    onTestFinished(() => client.close());
    return { server: node.server, client } as unknown as Scenario;
  }

  const publish = (node: TestNode, body: string) =>
    topicCall(at(node), "publish", { topic: "news", body: textOf(body) });

  describe("passes tails and streams on", () => {
    test("which end with a time to wait when another node leads, and are resumed without a gap", async () => {
      const { cluster, leader, one } = await begun();
      const { subscription } = await topicCall(at(one), "subscribe", {
        topic: "news",
        kind: TargetKind.STREAM,
        endpoint: "archive",
      });
      const live = await tail(at(one), "news");
      const { topicEpoch } = await live.ready();
      for (const body of ["first", "second"]) await publish(one, body);
      await live.until(() => live.bodies.length === 2);
      const [seen = 0] = live.places;
      const stopping = leader.stop();
      const error = await live.ended;
      expect(error).toMatchObject({ code: "UNAVAILABLE" });
      expect(error?.retryAfterMs).toBeGreaterThan(0);
      await stopping;
      await cluster.leader();
      const resumeAfterSequence = String(seen).padStart(20, "0");
      const resumed = openTail(at(one), { topic: "news", resumeAfterSequence, topicEpoch });
      await resumed.until(() => resumed.bodies.length === 1);
      await publish(one, "third");
      await resumed.until(() => resumed.bodies.length === 2);
      expect(resumed.bodies).toEqual(["second", "third"]);
      expect(resumed.gaps).toEqual([]);
      const { client } = at(one);
      const { subscriptions } = await topicCall({ client }, "listSubscriptions", { topic: "news" });
      const waiting = subscriptions.find(({ endpoint }) => endpoint === "waiting");
      await topicCall({ client }, "unsubscribe", { subscription: waiting?.subscription ?? "" });
      const late = openTail(at(one), { topic: "news", resumeAfterSequence, topicEpoch });
      await late.until(() => late.gaps.length === 1);
      // What is in the memory of this leader is shown; the rest went with the one before.
      expect(late.gaps[0]).toMatchObject({ skippedCount: 1n, cause: DiscontinuityCause.FAILOVER });
      await late.until(() => late.bodies.length === 1);
      expect(late.bodies).toEqual(["third"]);
      for (const each of [resumed, late]) each.cancel();
      const consuming = await consumer(at(one), subscription?.subscription ?? "");
      await consuming.take(3);
      expect(consuming.bodies).toEqual(["first", "second", "third"]);
    }, 60_000);
  });

  describe("sends webhooks", () => {
    test("whose pages every node answers, and which the next leader signs verifiably", async () => {
      const { cluster, leader, one, other } = await begun();
      const target = await hook();
      const id = await subscribeHook(at(one), "news", target.url);
      await until("it is asked for its consent", () => target.confirmations.length > 0);
      const { SubscribeURL: link = "" } = target.confirmations[0]?.envelope ?? {};
      const confirmed = await page(one, link);
      expect(confirmed.status).toBe(200);
      expect(confirmed.text).toContain(id);
      // By the other way to ask, with the answer of the same page.
      expect(await page(other, link.replace(/Token=[^&]*/, "Token=none"))).toMatchObject({
        status: 400,
        type: "text/xml; charset=utf-8",
      });
      await publish(one, "by the first");
      await until("it is posted", () => target.notifications.length === 1);
      await leader.stop();
      await cluster.leader();
      await publish(other, "by the next");
      await until("it is posted", () => target.notifications.length === 2);
      const bodies = target.notifications.map(({ envelope }) => envelope["Message"]);
      expect(bodies).toEqual(["by the first", "by the next"]);
      for (const node of [one, other]) await expectVerified(node, target);
      const { UnsubscribeURL: end = "" } = target.notifications[0]?.envelope ?? {};
      expect((await page(one, end)).status).toBe(200);
      expect((await page(other, end)).status).toBe(200);
      await using client = new ForebayClient({ endpoint: one.endpoint });
      await expect(client.subscription(id).describe()).rejects.toMatchObject({
        reason: "SUBSCRIPTION_NOT_FOUND",
      });
    }, 60_000);

    test("whose certificates are served while nobody leads, and nothing else is", async () => {
      const { leader, one, other } = await begun();
      const target = await hook();
      await subscribeHook(at(one), "news", target.url);
      await until("it is asked for its consent", () => target.confirmations.length > 0);
      const { SubscribeURL: link = "", SigningCertURL: certificate = "" } =
        target.confirmations[0]?.envelope ?? {};
      // All that is about the key has to be at both.
      for (const node of [one, other]) {
        await until("it is there", async () => (await page(node, certificate)).status === 200);
      }
      await Promise.all([leader.stop(), other.stop()]);
      await until("nobody leads", async () => (await page(one, link)).status === 503);
      expect(await page(one, certificate)).toMatchObject({
        status: 200,
        text: expect.stringContaining("BEGIN CERTIFICATE"),
      });
      const unknown = certificate.replace(/[0-9a-f]{32}/, "0".repeat(32));
      expect((await page(one, unknown)).status).toBe(503);
    }, 60_000);
  });
});

/** GET on a node's listener for endpoints, whatever host the URL has. */
async function page(node: TestNode, url: string) {
  const { pageAddress } = node.server;
  if (pageAddress === undefined) throw new Error("The node has no pages.");
  const { pathname, search } = new URL(url);
  const response = await fetch(`http://127.0.0.1:${pageAddress.port}${pathname}${search}`);
  const type = response.headers.get("content-type");
  return { status: response.status, type, text: await response.text() };
}

/** Everything that was posted, by the certificate that this node serves. */
async function expectVerified(node: TestNode, { posted }: Hook): Promise<void> {
  for (const { envelope, body } of posted) {
    const { status, text } = await page(node, envelope["SigningCertURL"] ?? "");
    expect(status).toBe(200);
    expect(verifyEnvelope(body, text).kind).toBe("verified");
  }
}
