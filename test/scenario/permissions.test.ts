// A queue's policy, set whole or statement by statement: kept as it was given, checked, and not enforced yet (Q12).

import { expect, test } from "vitest";
import type { RequestPart } from "../support/queue-client.js";
import { bodiesOf, msOf, type Scenario, scenario } from "../support/scenario.js";

const billingSends = {
  Sid: "billing",
  Effect: "Allow",
  Principal: { Forebay: ["billing"] },
  Action: ["queue:SendMessage"],
  Resource: "queue/orders",
};
const opsOnlyOverTls = {
  Sid: "TLS only",
  Effect: "Deny",
  Principal: "*",
  Action: "queue:*",
  Resource: "queue/orders",
  Condition: { Bool: { "aws:SecureTransport": "false" } },
};

const policyOf = (...statements: object[]): string =>
  JSON.stringify({ Version: "2012-10-17", Statement: statements }, undefined, 2);

const setPolicy = (t: Scenario, policy: string, queue = t.queue) =>
  t.call("setQueueAttributes", { queue, attributes: { policy } });

async function policyText(t: Scenario, queue = t.queue): Promise<string | undefined> {
  const { attributes } = await t.call("getQueueAttributes", { queue });
  return attributes?.policy;
}

/** The policy's statements; undefined when there is no policy. */
async function statements(t: Scenario, queue = t.queue): Promise<unknown> {
  const text = await policyText(t, queue);
  return text === undefined ? undefined : (JSON.parse(text) as { Statement: unknown }).Statement;
}

const add = (t: Scenario, request: Partial<RequestPart<"addPermission">> = {}) =>
  t.call("addPermission", {
    queue: t.queue,
    label: "billing",
    principals: ["billing"],
    actions: ["SendMessage"],
    ...request,
  });

const remove = (t: Scenario, label: string, queue = t.queue) =>
  t.call("removePermission", { queue, label });

const names = (count: number): string[] => Array.from({ length: count }, (_, each) => `n${each}`);

test("Q12 a policy set to empty text is absent on read", async () => {
  const t = await scenario();
  expect(await policyText(t)).toBeUndefined();
  const policy = policyOf(billingSends);
  expect((await setPolicy(t, policy)).attributes?.policy).toBe(policy);
  expect(await policyText(t)).toBe(policy);
  expect((await setPolicy(t, "")).attributes?.policy).toBeUndefined();
  expect(await policyText(t)).toBeUndefined();
});

test("a policy is read as it was written, to the space", async () => {
  const t = await scenario({ create: "none" });
  const policy = `\n ${policyOf(billingSends)}\t\r\n`;
  await t.call("createQueue", { queue: "orders", attributes: { policy } });
  expect(await policyText(t)).toBe(policy);
  const read = async (...wanted: string[]) =>
    (await t.call("getQueueAttributes", { queue: "orders", names: wanted })).attributes?.policy;
  expect(await read("policy")).toBe(policy);
  expect(await read("All")).toBe(policy);
  expect(await read("delay")).toBeUndefined();
});

test("a change of other attributes leaves the policy, and a mask that names it without a value removes it", async () => {
  const t = await scenario();
  const policy = policyOf(billingSends);
  await setPolicy(t, policy);
  await t.setQueue({ delayMs: 1_000 });
  expect(await policyText(t)).toBe(policy);
  await t.call("setQueueAttributes", { queue: t.queue, attributes: {}, updateMask: ["policy"] });
  expect(await policyText(t)).toBeUndefined();
});

test("creating a queue again is OK with the current policy, and refused with another", async () => {
  const t = await scenario();
  await setPolicy(t, policyOf(billingSends));
  const create = (policy: string) =>
    t.call("createQueue", { queue: t.queue, attributes: { policy } });
  expect(await create(policyOf(billingSends))).toMatchObject({ created: false });
  await expect(create(policyOf(billingSends, opsOnlyOverTls))).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    reason: "QUEUE_ALREADY_EXISTS",
    metadata: { attribute: "policy" },
  });
});

test("a permission added is a statement of the policy, and removing it leaves the others", async () => {
  const t = await scenario();
  await setPolicy(t, policyOf(opsOnlyOverTls));
  await add(t);
  expect(await statements(t)).toEqual([opsOnlyOverTls, billingSends]);
  await add(t, {
    label: "Ops_1-a",
    principals: ["ops:*", "key:audit:reader"],
    actions: ["ReceiveMessage", "DeleteMessage", "ReceiveMessage"],
  });
  expect(await statements(t)).toEqual([
    opsOnlyOverTls,
    billingSends,
    {
      Sid: "Ops_1-a",
      Effect: "Allow",
      Principal: { Forebay: ["ops:*", "key:audit:reader"] },
      Action: ["queue:ReceiveMessage", "queue:DeleteMessage"],
      Resource: "queue/orders",
    },
  ]);
  await remove(t, "billing");
  expect(await statements(t)).toMatchObject([{ Sid: "TLS only" }, { Sid: "Ops_1-a" }]);
  // What was written by hand is removed by its Sid too.
  await remove(t, "TLS only");
  expect(await statements(t)).toMatchObject([{ Sid: "Ops_1-a" }]);
});

test("* grants the use of a queue in one action, and nothing that is its owner's", async () => {
  const t = await scenario();
  await add(t, { actions: ["SendMessage", "*"] });
  expect(await statements(t)).toMatchObject([{ Action: ["queue:Use"] }]);
});

test("removing the last statement removes the policy", async () => {
  const t = await scenario();
  await add(t);
  await add(t, { label: "other" });
  await remove(t, "billing");
  expect(await policyText(t)).toContain("other");
  await remove(t, "other");
  expect(await policyText(t)).toBeUndefined();
});

test("a label is taken until its statement is removed, whoever wrote it", async () => {
  const t = await scenario();
  await setPolicy(t, policyOf(billingSends));
  const taken = {
    code: "ALREADY_EXISTS",
    reason: "LABEL_EXISTS",
    metadata: { queue: "orders", label: "billing" },
  };
  await expect(add(t, { principals: ["ops"] })).rejects.toMatchObject(taken);
  expect(await statements(t)).toEqual([billingSends]);
  await add(t, { label: "Billing" });
  await remove(t, "billing");
  await add(t, { principals: ["ops"] });
  expect(await statements(t)).toMatchObject([{ Sid: "Billing" }, { Sid: "billing" }]);
});

test("a label that no statement has is not found", async () => {
  const t = await scenario();
  const missing = {
    code: "NOT_FOUND",
    reason: "LABEL_NOT_FOUND",
    resource: "permission orders/billing",
  };
  await expect(remove(t, "billing")).rejects.toMatchObject(missing);
  await add(t, { label: "Billing" });
  await expect(remove(t, "billing")).rejects.toMatchObject(missing);
  await remove(t, "Billing");
  await expect(remove(t, "Billing")).rejects.toMatchObject({ reason: "LABEL_NOT_FOUND" });
});

test("adding and removing a permission changes etag and time of change, a refusal neither", async () => {
  const t = await scenario();
  const read = async () => {
    const { etag, updateTime, createTime } = await t.call("getQueueAttributes", {
      queue: t.queue,
    });
    return { etag, ageMs: msOf(updateTime) - msOf(createTime) };
  };
  const { etag: created } = await read();
  await t.advance(1_000);
  await add(t);
  const afterAdd = await read();
  expect(afterAdd).toEqual({ etag: expect.not.stringMatching(`^${created}$`), ageMs: 1_000 });
  await t.advance(1_000);
  await expect(add(t)).rejects.toMatchObject({ reason: "LABEL_EXISTS" });
  await expect(remove(t, "other")).rejects.toMatchObject({ reason: "LABEL_NOT_FOUND" });
  expect(await read()).toEqual(afterAdd);
  await remove(t, "billing");
  const afterRemove = await read();
  expect(afterRemove.ageMs).toBe(2_000);
  expect(new Set([created, afterAdd.etag, afterRemove.etag]).size).toBe(3);
  await expect(
    t.call("setQueueAttributes", {
      queue: t.queue,
      attributes: { policy: "" },
      etag: afterAdd.etag,
    }),
  ).rejects.toMatchObject({ code: "ABORTED", reason: "ETAG_MISMATCH" });
});

test("a permission asked for again with the same request id is given once", async () => {
  const t = await scenario();
  await add(t, { requestId: "r1" });
  await add(t, { requestId: "r1" });
  expect(await statements(t)).toEqual([billingSends]);
  await expect(add(t, { requestId: "r1", label: "other" })).rejects.toMatchObject({
    code: "FAILED_PRECONDITION",
    reason: "REQUEST_ID_REUSED",
  });
  await t.restart();
  // The answer is that of the first call, also when the permission is gone since.
  await remove(t, "billing");
  await add(t, { requestId: "r1" });
  expect(await policyText(t)).toBeUndefined();
  await add(t, { requestId: "r2" });
  expect(await statements(t)).toEqual([billingSends]);
});

test("policies and permissions are there after a restart and after a crash, the longest too", async () => {
  const t = await scenario();
  const short = policyOf({ ...billingSends, Resource: "queue/long" });
  const longest = `${short}${" ".repeat(8_192 - short.length)}`;
  await t.call("createQueue", { queue: "long", attributes: { policy: longest } });
  await add(t);
  await t.restart();
  expect(await statements(t)).toEqual([billingSends]);
  expect(await policyText(t, "long")).toBe(longest);
  await add(t, { label: "ops" });
  await remove(t, "billing");
  await t.crash();
  expect(await statements(t)).toMatchObject([{ Sid: "ops" }]);
  await remove(t, "ops");
  await t.restart();
  expect(await policyText(t)).toBeUndefined();
  await setPolicy(t, "", "long");
  await t.restart();
  expect(await policyText(t, "long")).toBeUndefined();
});

test("a queue deleted and created anew has no policy", async () => {
  const t = await scenario();
  await add(t);
  await t.deleteQueue();
  await expect(add(t)).rejects.toMatchObject({ code: "NOT_FOUND", reason: "QUEUE_NOT_FOUND" });
  await t.createQueue(t.queue);
  expect(await policyText(t)).toBeUndefined();
});

const conditionsOf = (count: number): object => ({
  StringEquals: Object.fromEntries(names(count).map((name) => [`forebay:Claim/${name}`, name])),
});
const actionsOf = (count: number): string[] => names(count).map(() => "queue:SendMessage");

test.each<[what: string, limit: number, policy: (count: number) => string]>([
  ["bytes", 8_192, (count) => policyOf(billingSends).padEnd(count)],
  ["statements", 20, (count) => policyOf(...names(count).map((Sid) => ({ ...billingSends, Sid })))],
  ["principals", 50, (count) => policyOf({ ...billingSends, Principal: { AWS: names(count) } })],
  ["conditions", 10, (count) => policyOf({ ...billingSends, Condition: conditionsOf(count) })],
  ["actions in a statement", 7, (count) => policyOf({ ...billingSends, Action: actionsOf(count) })],
])(
  "a policy of more than its %s is refused: %i are taken, one more is not",
  async (what, limit, policy) => {
    const t = await scenario();
    await setPolicy(t, policy(limit));
    const refused = {
      code: "RESOURCE_EXHAUSTED",
      reason: "POLICY_LIMIT",
      metadata: { queue: "orders", what, count: String(limit + 1), limit: String(limit) },
      quota: ["queue:orders"],
      pushback: "-1",
    };
    await expect(setPolicy(t, policy(limit + 1))).rejects.toMatchObject(refused);
    expect(await policyText(t)).toBe(policy(limit));
    const attributes = { policy: policy(limit + 1).replaceAll("queue/orders", "queue/new") };
    if (what !== "bytes") {
      await expect(t.call("createQueue", { queue: "new", attributes })).rejects.toMatchObject({
        ...refused,
        metadata: { queue: "new", what },
        quota: ["queue:new"],
      });
    }
    expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
  },
);

test("permissions are added up to the quotas of a policy, and not beyond", async () => {
  const t = await scenario();
  for (const label of names(20)) await add(t, { label });
  const before = await policyText(t);
  await expect(add(t)).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "POLICY_LIMIT",
    metadata: { what: "statements", count: "21", limit: "20" },
  });
  expect(await policyText(t)).toBe(before);
  await remove(t, "n7");
  await add(t);
  await setPolicy(t, "");
  await expect(add(t, { principals: names(51) })).rejects.toMatchObject({
    metadata: { what: "principals", count: "51", limit: "50" },
  });
  await add(t, { label: "half", principals: names(30) });
  await expect(add(t, { principals: names(21) })).rejects.toMatchObject({
    metadata: { what: "principals", count: "51", limit: "50" },
  });
  await add(t, { principals: names(20) });
  const eight = [
    ...["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"],
    ...["GetQueueAttributes", "GetQueueUrl", "PurgeQueue", "PeekMessages"],
  ];
  await setPolicy(t, "");
  await expect(add(t, { actions: eight })).rejects.toMatchObject({
    reason: "POLICY_LIMIT",
    metadata: { what: "actions in a statement", count: "8", limit: "7" },
  });
  await add(t, { actions: eight.slice(1) });
});

test.each([
  ...["AddPermission", "RemovePermission", "SetQueueAttributes", "CreateQueue", "DeleteQueue"],
  ...["TagQueue", "UntagQueue", "ListQueueTags", "ListQueues", "StartMessageMoveTask"],
  ...["CancelMessageMoveTask", "ListMessageMoveTasks", "SendMessageBatch", "Use", "queue:*", ""],
])("action %j cannot be granted", async (action) => {
  const t = await scenario();
  await expect(add(t, { actions: ["SendMessage", action] })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["actions[1]"],
    message: expect.stringContaining("write * or one of SendMessage, ReceiveMessage") as string,
  });
  expect(await policyText(t)).toBeUndefined();
});

test.each(["*", "", "Billing", "billing/", "arn:aws:iam::111122223333:root", "anon:-:-", "a:b"])(
  "principal %j is refused",
  async (principal) => {
    const t = await scenario();
    await expect(add(t, { principals: ["billing", principal] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["principals[1]"],
    });
    expect(await policyText(t)).toBeUndefined();
  },
);

test("a new label has 1 to 80 letters, digits, hyphens and underscores", async () => {
  const t = await scenario();
  const longest = "Az09_-".repeat(14).slice(0, 80);
  await add(t, { label: longest });
  await remove(t, longest);
  for (const label of [`${longest}z`, "a b", "a.b", "ä", "a\n"]) {
    await expect(add(t, { label }), label).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["label"],
    });
  }
  await expect(remove(t, `${longest}z`)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_PARAMETER",
    violations: ["label"],
  });
});

test("everything that is missing is named", async () => {
  const t = await scenario();
  await expect(t.call("addPermission", {})).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["queue", "label", "principals", "actions"],
  });
  await expect(t.call("removePermission", {})).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["queue", "label"],
  });
  await expect(
    add(t, { label: "", principals: names(101), actions: names(101) }),
  ).rejects.toMatchObject({ violations: ["label", "principals", "actions"] });
});

test("broken JSON is refused with line and column, and the policy in force stays", async () => {
  const t = await scenario();
  const policy = policyOf(billingSends);
  await setPolicy(t, policy);
  const broken = '{\n  "Version": "2012-10-17"\n  "Statement": []\n}';
  const refused = {
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ATTRIBUTE_VALUE",
    message: 'attributes.policy: line 3, column 3: write "," or "}" here.',
    metadata: {
      field: "attributes.policy",
      attribute: "policy",
      problem: "POLICY_SYNTAX",
      line: "3",
      column: "3",
    },
    violations: ["attributes.policy"],
  };
  await expect(setPolicy(t, broken)).rejects.toMatchObject(refused);
  const attributes = { policy: broken };
  await expect(t.call("createQueue", { queue: "new", attributes })).rejects.toMatchObject(refused);
  expect(await policyText(t)).toBe(policy);
  expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
});

test("all that is wrong with a policy is named, beside what is wrong with other attributes", async () => {
  const t = await scenario();
  const policy = policyOf(
    { ...billingSends, Conditon: {} },
    { ...opsOnlyOverTls, Sid: "billing", Action: ["queue:*", "queue:Sned"] },
  );
  await expect(
    t.call("setQueueAttributes", {
      queue: t.queue,
      attributes: { maxInFlight: 0, policy },
    }),
  ).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ATTRIBUTE_VALUE",
    violations: [
      "attributes.max_in_flight",
      "attributes.policy.Statement[0].Conditon",
      "attributes.policy.Statement[1].Action[1]",
      "attributes.policy.Statement[1].Sid",
    ],
  });
  expect(await policyText(t)).toBeUndefined();
});

test.each([
  ["POLICY_SYNTAX", { Effect: "Maybe" }],
  ["POLICY_UNKNOWN_FIELD", { NotAction: "queue:SendMessage" }],
  ["POLICY_UNKNOWN_ACTION", { Action: "sqs:SendMessage" }],
  ["POLICY_UNKNOWN_KEY", { Condition: { StringEquals: { "aws:UserAgent": "x" } } }],
  ["POLICY_UNKNOWN_OPERATOR", { Condition: { StringMatches: { "forebay:Tag": "x" } } }],
  ["POLICY_BAD_CIDR", { Condition: { IpAddress: { "aws:SourceIp": "10.0.0.1/8" } } }],
  ["POLICY_BAD_TIME", { Condition: { DateEquals: { "aws:CurrentTime": "noon" } } }],
  ["POLICY_FOREIGN_RESOURCE", { Resource: "queue/other" }],
  ["POLICY_PUBLIC", { Principal: "*" }],
])("%s is told as the problem of a policy", async (problem, elements) => {
  const t = await scenario();
  await expect(setPolicy(t, policyOf({ ...billingSends, ...elements }))).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "INVALID_ATTRIBUTE_VALUE",
    metadata: { attribute: "policy", problem },
  });
});

test("this release keeps policies and lets everyone in all the same", async () => {
  const t = await scenario();
  await setPolicy(t, policyOf({ ...billingSends, Effect: "Deny", Principal: "*" }));
  await t.send("sent against the policy");
  expect(bodiesOf(await t.receive())).toEqual(["sent against the policy"]);
});

test("with the disk full no permission is added, and they can still be removed", async () => {
  const t = await scenario();
  t.expectErrors();
  await add(t);
  await t.restart({ storageReserveBytes: Number.MAX_SAFE_INTEGER });
  await expect(add(t, { label: "more" })).rejects.toMatchObject({
    code: "RESOURCE_EXHAUSTED",
    reason: "STORAGE_FULL",
  });
  await remove(t, "billing");
  expect(await policyText(t)).toBeUndefined();
});
