// The actions that policies can be about are the calls of the contract, no more and no fewer.

import { expect, test } from "vitest";
import { QueueServiceDefinition } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { TopicServiceDefinition } from "../../src/gen/forebay/topic/v1/topic_service.js";
import { queuePolicyRules } from "../../src/policy/policy-rules.js";
import { topicPolicyRules } from "../../src/policy/topic-policy-rules.js";

test("every call that is about one queue is an action, or is governed by actions", () => {
  const { actions, forms, compounds, groups } = queuePolicyRules;
  const aboutNoQueue = ["CreateQueue", "ListQueues"];
  const governed = [...actions, ...Object.keys(forms), ...Object.keys(compounds), ...aboutNoQueue];
  const calls = Object.values(QueueServiceDefinition.methods).map(({ name }) => name);
  expect([...governed].sort()).toEqual([...calls].sort());
  const meant = [...Object.values(forms), ...Object.values(compounds).flat()];
  for (const action of [...meant, ...Object.values(groups).flat()]) {
    expect(actions).toContain(action);
  }
  // A group's name must not hide a call.
  expect(calls).not.toEqual(expect.arrayContaining(Object.keys(groups)));
});

test("every action of a topic is a call, or lists what calls list", () => {
  const { actions, forms } = topicPolicyRules;
  const calls = Object.values(TopicServiceDefinition.methods).map(({ name }) => name as string);
  // Names of SNS's for calls that are called otherwise here.
  const named = ["ListSubscriptionsByTopic", "Receive"];
  for (const action of actions) expect([...calls, ...named]).toContain(action);
  for (const [form, action] of Object.entries(forms)) {
    expect(calls).toContain(form);
    expect(actions).toContain(action);
  }
});
