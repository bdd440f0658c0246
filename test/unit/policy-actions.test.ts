// The actions that policies of queues can be about are the calls of the contract, no more and no fewer.

import { expect, test } from "vitest";
import { QueueServiceDefinition } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { queuePolicyRules } from "../../src/policy/policy-rules.js";

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
