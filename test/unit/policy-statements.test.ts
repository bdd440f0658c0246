// AddPermission and RemovePermission on the text of a policy.

import { expect, test } from "vitest";
import { parsePolicy } from "../../src/policy/policy-document.js";
import { grantableQueueActions, queuePolicyRules } from "../../src/policy/policy-rules.js";
import { addStatement, type NewStatement, removeStatement } from "../../src/policy/statements.js";

const resource = { rules: queuePolicyRules, namespace: "shop", name: "orders" };
const grant: NewStatement = {
  label: "billing",
  principals: ["billing"],
  actions: ["SendMessage"],
  resource,
};

/** The policy with one statement more. */
function added(policy: string | undefined, statement: Partial<NewStatement> = {}): string {
  const outcome = addStatement(policy, { ...grant, ...statement });
  if (outcome.kind !== "changed") throw new Error(outcome.kind);
  return outcome.policy;
}

const written = {
  Sid: "ops",
  Effect: "Deny",
  Principal: "*",
  Action: "queue:PurgeQueue",
  Resource: "shop:queue/orders",
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};

test("the first statement makes a policy", () => {
  expect(JSON.parse(added(undefined))).toEqual({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "billing",
        Effect: "Allow",
        Principal: { Forebay: ["billing"] },
        Action: ["queue:SendMessage"],
        Resource: "queue/orders",
      },
    ],
  });
});

test("what AddPermission can grant is granted whole by one action", () => {
  const read = parsePolicy(added(undefined, { actions: ["Use"] }), resource);
  expect(read).toMatchObject({ statements: [{ actions: new Set(grantableQueueActions) }] });
});

test("a stored condition that this Node cannot read any more stops nobody, and stays", () => {
  const night = { from: "22:00", to: "06:00", tz: "Mars/Olympus_Mons" };
  const stored = { ...written, Condition: { TimeBetween: { "forebay:TimeOfDay": night } } };
  const policy = JSON.stringify({ Version: "2012-10-17", Statement: stored });
  expect(parsePolicy(policy, resource)).toMatchObject({
    problems: [{ code: "POLICY_BAD_TIME" }],
  });
  expect(JSON.parse(added(policy))).toMatchObject({ Statement: [stored, { Sid: "billing" }] });
});

test("others and everything beside them stay as they were, whether a list or one alone", () => {
  const around = { Version: "2008-10-17", Id: "mine" };
  for (const Statement of [written, [written]]) {
    const policy = added(JSON.stringify({ ...around, Statement }));
    expect(JSON.parse(policy)).toMatchObject({
      ...around,
      Statement: [written, { Sid: "billing" }],
    });
    expect(removeStatement(policy, "billing")).toEqual({
      kind: "changed",
      policy: JSON.stringify({ ...around, Statement: [written] }),
    });
  }
});

test("a label that any statement has is taken, case counting", () => {
  const policy = JSON.stringify({ Statement: written });
  expect(addStatement(policy, { ...grant, label: "ops" })).toEqual({ kind: "label_exists" });
  expect(added(policy, { label: "Ops" })).toContain('"Sid":"Ops"');
});

test("a label is found in statements that were written by hand; those without one stay", () => {
  const { Sid, ...nameless } = written;
  const policy = JSON.stringify({ Statement: [nameless, written] });
  expect(removeStatement(policy, Sid)).toEqual({
    kind: "changed",
    policy: JSON.stringify({ Statement: [nameless] }),
  });
  expect(removeStatement(policy, "other")).toEqual({ kind: "label_not_found" });
  expect(removeStatement(policy, "undefined")).toEqual({ kind: "label_not_found" });
  expect(removeStatement(undefined, Sid)).toEqual({ kind: "label_not_found" });
});

test("removing the last statement removes the policy", () => {
  for (const Statement of [written, [written]]) {
    expect(removeStatement(JSON.stringify({ Id: "mine", Statement }), "ops")).toEqual({
      kind: "changed",
      policy: undefined,
    });
  }
});

const labels = (count: number): string[] => Array.from({ length: count }, (_, each) => `l${each}`);

test("of statements, principals, actions and bytes no more are added than a policy may have", () => {
  const full = labels(20).reduce<string | undefined>(
    (policy, label) => added(policy, { label }),
    undefined,
  );
  expect(addStatement(full, grant)).toEqual({
    kind: "limit",
    what: "statements",
    count: 21,
    limit: 20,
  });
  expect(addStatement(undefined, { ...grant, principals: labels(51) })).toMatchObject({
    kind: "limit",
    what: "principals",
  });
  expect(
    addStatement(undefined, { ...grant, actions: grantableQueueActions.slice(0, 8) }),
  ).toMatchObject({ kind: "limit", what: "actions in a statement", count: 8 });
  expect(added(undefined, { actions: grantableQueueActions.slice(0, 7) })).toContain("GetQueueUrl");
  const long = Array.from({ length: 40 }, (_, each) => `key:billing:${each}${"x".repeat(200)}`);
  expect(addStatement(undefined, { ...grant, principals: long })).toMatchObject({
    kind: "limit",
    what: "bytes",
    limit: 8_192,
  });
});
