// Filters of subscriptions over the wire: what they take, what is refused, and from when on a change acts (T43, T44, T45, T48,
// T49). What each operator means is told where filters are tested by themselves.

import { expect, test } from "vitest";
import type { MessageAttributeValue } from "../../src/gen/forebay/topic/v1/message.js";
import {
  FilterPolicyScope,
  type SubscriptionSettings,
  TargetKind,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { type Scenario, scenario } from "../support/scenario.js";
import { createTopic, publish, topicCall } from "../support/topics.js";

async function topicAndQueue(): Promise<Scenario> {
  const t = await scenario();
  await createTopic(t, "news");
  return t;
}

/** Subscribes the queue with a filter; answers with the id. */
async function filtered(
  t: Scenario,
  filterPolicy: string,
  settings: Partial<SubscriptionSettings> = {},
): Promise<string> {
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.QUEUE,
    endpoint: t.queue,
    settings: { rawMessageDelivery: true, filterPolicy, ...settings },
  });
  return subscription?.subscription ?? "";
}

const setFilter = (t: Scenario, subscription: string, settings: Partial<SubscriptionSettings>) =>
  topicCall(t, "updateSubscription", {
    subscription,
    settings,
    updateMask: ["filter_policy", "filter_policy_scope"],
  });

const number = (value: string): MessageAttributeValue => ({
  dataType: "Number",
  value: { $case: "stringValue", value },
});

const bodies = async (t: Scenario): Promise<string[]> =>
  (await t.receive({ max: 10 })).map(({ body }) => body);

const body = FilterPolicyScope.MESSAGE_BODY;

test("T43 a filter by a range takes the numbers in it, and what it keeps back is counted", async () => {
  const t = await topicAndQueue();
  const id = await filtered(t, '{"attr1":[{"numeric":[">",0,"<=",100]}]}');
  await publish(t, "news", "99", { attributes: { attr1: number("99") } });
  await publish(t, "news", "111", { attributes: { attr1: number("111") } });
  const counted = await publish(t, "news", "absent", { wantCounts: true });
  expect(counted).toMatchObject({ matchedSubscriptions: 0n, filteredSubscriptions: 1n });
  expect(await bodies(t)).toEqual(["99"]);
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription?.counters).toMatchObject({ delivered: 1n, filtered: 2n, backlog: 0n });
  expect((await topicCall(t, "getTopic", { topic: "news" })).topic?.counters).toMatchObject({
    fanOutPending: 0n,
  });
});

test("T44 a filter by absence takes what has no such attribute", async () => {
  const t = await topicAndQueue();
  await filtered(t, '{"store":[{"exists":false}]}');
  await publish(t, "news", "present", { attributes: { store: "x" } });
  await publish(t, "news", "absent", { attributes: { other: "x" } });
  await publish(t, "news", "none");
  expect(await bodies(t)).toEqual(["absent", "none"]);
});

test("T45 a filter on bodies looks into JSON objects", async () => {
  const t = await topicAndQueue();
  const policy = '{"object":{"key":[{"prefix":"auto-"},"x"],"n":[{"exists":false}]}}';
  await filtered(t, policy, { filterPolicyScope: body });
  const yes = '{"object":{"key":"auto-1"}}';
  await publish(t, "news", yes);
  await publish(t, "news", '{"object":{"key":"auto-1","n":1}}');
  await publish(t, "news", "plain text");
  await publish(t, "news", Buffer.from(yes));
  await publish(t, "news", Buffer.from(yes), { contentType: "application/json" });
  const received = await t.receive({ max: 10 });
  expect(received.map(({ message }) => message.body?.$case)).toEqual(["text", "data"]);
});

test("T48 a filter that cannot be read is refused with the place of each problem, and nothing is subscribed", async () => {
  const t = await topicAndQueue();
  await expect(filtered(t, '{"a": "x",\n "b": []}')).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "FILTER_INVALID",
    metadata: { field: "settings.filter_policy.a", line: "1" },
    violations: ["settings.filter_policy.a", "settings.filter_policy.b"],
  });
  const six = JSON.stringify(Object.fromEntries([..."abcdef"].map((key) => [key, ["x"]])));
  await expect(filtered(t, six)).rejects.toMatchObject({
    reason: "FILTER_TOO_MANY_KEYS",
    metadata: { limit: "5", actual: "6" },
  });
  expect((await topicCall(t, "listSubscriptions", {})).subscriptions).toEqual([]);
  // What nests is for bodies alone; a change of the scope is judged together with the policy that is there.
  const id = await filtered(t, '{"a":{"b":["x"]}}', { filterPolicyScope: body });
  await expect(
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { filterPolicyScope: FilterPolicyScope.MESSAGE_ATTRIBUTES },
      updateMask: ["filter_policy_scope"],
    }),
  ).rejects.toMatchObject({ reason: "FILTER_INVALID" });
  const { subscription } = await setFilter(t, id, { filterPolicy: '{"a":["x"]}' });
  expect(subscription?.settings).toMatchObject({
    filterPolicy: '{"a":["x"]}',
    filterPolicyScope: FilterPolicyScope.MESSAGE_ATTRIBUTES,
  });
});

test("a filter that says the same is the same, and an empty one is none", async () => {
  const t = await topicAndQueue();
  const id = await filtered(t, '{"a":["x"]}');
  expect(await filtered(t, '{ "a": [ "x", "x" ] }')).toBe(id);
  await expect(filtered(t, '{"a":["y"]}')).rejects.toMatchObject({
    reason: "SUBSCRIPTION_EXISTS_DIFFERENT_ATTRIBUTES",
    metadata: { differing: "filter_policy" },
  });
  for (const filterPolicy of ["", "{}"]) {
    const { subscription } = await setFilter(t, id, { filterPolicy });
    expect(subscription?.settings?.filterPolicy).toBe("");
  }
  await publish(t, "news", "all");
  expect(await bodies(t)).toEqual(["all"]);
});

test("a filter can be tried on a message, and says of each key why", async () => {
  const t = await topicAndQueue();
  const attempt = (filterPolicy: string, message = "", filterPolicyScope = body) =>
    topicCall(t, "testFilterPolicy", { filterPolicy, filterPolicyScope, message });
  const policy = '{"a":["x"],"b":[{"exists":false}]}';
  expect(await attempt(policy, '{"a":"x"}')).toMatchObject({
    matched: true,
    keys: [
      { path: "a", matched: true, values: ['"x"'] },
      { path: "b", matched: true, values: [] },
    ],
  });
  expect(await attempt(policy, '{"a":"y","b":1}')).toMatchObject({
    matched: false,
    keys: [{ matched: false, values: ['"y"'] }, { matched: false }],
  });
  await expect(attempt('{"a":"x"}')).rejects.toMatchObject({
    reason: "FILTER_INVALID",
    violations: ["filter_policy.a"],
  });
  await expect(attempt("")).rejects.toMatchObject({ reason: "MISSING_PARAMETER" });
  await expect(attempt(policy, "", 9 as typeof body)).rejects.toMatchObject({
    reason: "INVALID_SCOPE",
  });
});

const changeCount = 1_000;

test(`T49 of ${changeCount} changes of a filter each acts on the next publish`, async () => {
  const t = await topicAndQueue();
  const id = await filtered(t, '{"turn":["none"]}');
  for (let turn = 0; turn < changeCount; turn += 1) {
    await setFilter(t, id, { filterPolicy: `{"turn":["${turn}"]}` });
    await publish(t, "news", "old", { attributes: { turn: String(turn - 1) } });
    await publish(t, "news", "new", { attributes: { turn: String(turn) } });
  }
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription?.counters).toMatchObject({
    delivered: BigInt(changeCount),
    filtered: BigInt(changeCount),
  });
  expect(new Set(await bodies(t))).toEqual(new Set(["new"]));
}, 120_000);

test("a message is judged by the filter under which it was published, whenever it is handed on", async () => {
  const t = await topicAndQueue();
  const id = await filtered(t, '{"colour":["red"]}', { paused: true });
  const both = async (when: string) => {
    for (const colour of ["red", "blue"]) {
      await publish(t, "news", `${colour} ${when}`, { attributes: { colour } });
    }
  };
  await both("first");
  await setFilter(t, id, { filterPolicy: '{"colour":["blue"]}' });
  await both("then");
  await setFilter(t, id, { filterPolicy: "" });
  await both("last");
  await t.restart();
  await topicCall(t, "updateSubscription", { subscription: id, updateMask: ["paused"] });
  await t.settle();
  expect(await bodies(t)).toEqual(["red first", "blue then", "red last", "blue last"]);
});
