// What the management listener tells of topics: numbers that are exact over a restart, and what this process has attempted.

import { expect, test } from "vitest";
import type { Scenario } from "../support/scenario.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import { countersOf, hook, subscribed, until, webhookScenario } from "../support/webhooks.js";

async function metricsOf({ server }: Scenario): Promise<string> {
  const { host, port } = server.managementAddress;
  return await (await fetch(`http://${host}:${port}/metrics`)).text();
}

test("metrics tell of each topic what became of its messages, also after a restart", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news");
  await subscribe(t, "news", t.queue);
  await t.createQueue("later");
  await subscribe(t, "news", "later", { isPaused: true });
  const failing = await hook([404]);
  const id = await subscribed(t, "news", failing);
  await publish(t, "news", "one");
  await publish(t, "news", "two");
  await until("both failed", async () => (await countersOf(t, id))["failedAttempts"] === 2);
  const check = async () => {
    // Topics are counted every five seconds.
    await t.advance(10_000);
    const text = await metricsOf(t);
    const topic = 'topic="default/news"';
    expect(text).toContain(`forebay_topic_messages{${topic},outcome="published"} 2\n`);
    expect(text).toContain(`forebay_topic_messages{${topic},outcome="delivered"} 2\n`);
    expect(text).toContain(`forebay_topic_messages{${topic},outcome="undeliverable"} 2\n`);
    expect(text).toContain(`forebay_topic_failed_attempts{${topic}} 2\n`);
    expect(text).toContain(`forebay_topic_backlog_messages{${topic}} 2\n`);
    expect(text).toContain(`forebay_topic_pushes_in_flight{${topic}} 0\n`);
    const age = /forebay_topic_oldest_message_age_seconds\{topic="default\/news"\} ([\d.]+)/;
    expect(Number(age.exec(text)?.[1])).toBeGreaterThan(4);
  };
  await check();
  expect(await metricsOf(t)).toContain(
    'forebay_topic_delivery_attempts_total{kind="http",outcome="permanent"} 2\n',
  );
  await t.restart();
  await check();
});

test("deliveries are counted with the time since their publish", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500, 200]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "late");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  await t.advance(20_000);
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  const text = await metricsOf(t);
  const dwell = "forebay_topic_delivery_dwell_seconds";
  expect(text).toContain(`${dwell}_bucket{le="10",kind="http"} 0\n`);
  expect(text).toContain(`${dwell}_bucket{le="30",kind="http"} 1\n`);
  expect(text).toContain('outcome="retryable"} 1\n');
  expect(text).toContain('outcome="delivered"} 1\n');
  expect(text).toContain("forebay_topic_tails 0\n");
  await topicCall(t, "deleteTopic", { topic: "news" });
  await t.advance(10_000);
  expect(await metricsOf(t)).not.toContain('topic="default/news"');
});
