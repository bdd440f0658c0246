// Filters that nest, over the wire: bodies with lists, alternatives beside what must hold in any case, and the limits of both (T46,
// T47, T48).

import { expect, test } from "vitest";
import { FilterPolicyScope, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { type Scenario, scenario } from "../support/scenario.js";
import { createTopic, publish, topicCall } from "../support/topics.js";

async function withQueues(...queues: string[]): Promise<Scenario> {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  for (const queue of queues) await t.createQueue(queue);
  return t;
}

const filtered = (
  t: Scenario,
  endpoint: string,
  policy: unknown,
  filterPolicyScope: FilterPolicyScope = FilterPolicyScope.MESSAGE_BODY,
) =>
  topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.QUEUE,
    endpoint,
    settings: {
      rawMessageDelivery: true,
      filterPolicy: typeof policy === "string" ? policy : JSON.stringify(policy),
      filterPolicyScope,
    },
  });

const bodies = async (t: Scenario, queue: string): Promise<unknown[]> =>
  (await t.receive({ queue, max: 10 })).map(({ body }) => JSON.parse(body));

test("T46 a list of routes in a body reaches every queue whose filter names one of them", async () => {
  const t = await withQueues("q1", "q2", "q3");
  for (const queue of ["q1", "q2", "q3"]) {
    await filtered(t, queue, { headers: { "route-to": [queue] } });
  }
  const message = { headers: { "route-to": ["q1", "q2"] } };
  await publish(t, "news", JSON.stringify(message));
  expect(await bodies(t, "q1")).toEqual([message]);
  expect(await bodies(t, "q2")).toEqual([message]);
  expect(await bodies(t, "q3")).toEqual([]);
});

test("T47 of alternatives inside an object one must hold, and what stands beside them in any case", async () => {
  const t = await withQueues("q");
  await filtered(t, "q", {
    source: ["shop"],
    detail: { $or: [{ price: [{ numeric: [">", 100] }] }, { vip: [true] }] },
  });
  const yes = [
    { source: "shop", detail: { price: 101 } },
    { source: "shop", detail: { price: 1, vip: true } },
    { source: "shop", detail: { price: 500, vip: true } },
  ];
  const no = [
    { source: "shop", detail: { price: 100 } },
    { source: "shop", detail: { vip: "true" } },
    { source: "shop", detail: {} },
    { source: "shop", price: 101, vip: true },
    { source: "other", detail: { price: 101 } },
    { detail: { vip: true } },
  ];
  for (const message of [...no, ...yes]) await publish(t, "news", JSON.stringify(message));
  const received = await bodies(t, "q");
  expect(received).toHaveLength(yes.length);
  expect(received).toEqual(expect.arrayContaining(yes));
});

const values = (count: number): string[] => Array.from({ length: count }, (_, at) => `v${at}`);
const keys = (count: number): object =>
  Object.fromEntries(values(count).map((key) => [key, ["x"]]));

test("T48 each way in which a filter is too much, or none, is refused with where and what", async () => {
  const t = await withQueues("q");
  const rows: readonly (readonly [unknown, string, string, object])[] = [
    // 6 * 6 * 6 = 216.
    [
      { a: values(6), b: values(6), c: values(6) },
      "FILTER_TOO_COMPLEX",
      "settings.filter_policy",
      { limit: "150", actual: "216" },
    ],
    [keys(6), "FILTER_TOO_MANY_KEYS", "settings.filter_policy", { limit: "5", actual: "6" }],
    [
      { a: values(151) },
      "FILTER_TOO_COMPLEX",
      "settings.filter_policy",
      { limit: "150", actual: "151" },
    ],
    ['{"k":"v"}', "FILTER_INVALID", "settings.filter_policy.k", { line: "1", column: "6" }],
    [{ k: [] }, "FILTER_INVALID", "settings.filter_policy.k", {}],
    [{ k: [{ sounds_like: "x" }] }, "FILTER_INVALID", "settings.filter_policy.k", {}],
  ];
  for (const [policy, reason, field, metadata] of rows) {
    const refusal = filtered(t, "q", policy, FilterPolicyScope.MESSAGE_ATTRIBUTES);
    await expect(refusal, JSON.stringify(policy).slice(0, 60)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason,
      metadata,
      violations: [expect.stringContaining(field)],
    });
  }
  expect((await topicCall(t, "listSubscriptions", {})).subscriptions).toEqual([]);
  // Exactly the limits pass.
  for (const policy of [
    { a: values(150) },
    keys(5),
    { a: values(5), b: values(5), c: values(6) },
  ]) {
    const { subscription } = await filtered(t, "q", policy, FilterPolicyScope.MESSAGE_ATTRIBUTES);
    await topicCall(t, "unsubscribe", { subscription: subscription?.subscription ?? "" });
  }
});
