// Which queue is whose dead-letter queue: the two policies as attributes, what is checked when they are set, and the list of
// a dead-letter queue's sources (Q12).

import { expect, test } from "vitest";
import { RedrivePermission } from "../../src/gen/forebay/queue/v1/queue.js";
import { deadLetterScenario, heldBodies, wearOut } from "../support/dead-letters.js";
import { bodiesOf, type Scenario, scenario } from "../support/scenario.js";

const attributesOf = async (t: Scenario, queue: string) => {
  const { attributes } = await t.call("getQueueAttributes", { queue });
  if (attributes === undefined) throw new Error("The answer has no attributes.");
  return attributes;
};

const redriveOf = async (t: Scenario, queue = t.queue) =>
  (await attributesOf(t, queue)).redrivePolicy;

const sourcesOf = async (t: Scenario, queue = "dead", pageSize?: number, pageToken = "") =>
  await t.call("listDeadLetterSourceQueues", { queue, pageSize, pageToken });

const notAllowed = { code: "PERMISSION_DENIED", reason: "DLQ_NOT_ALLOWED" };
const notFound = { code: "FAILED_PRECONDITION", reason: "DLQ_NOT_FOUND", resource: "queue dead" };
const badValue = (...violations: string[]) => ({
  code: "INVALID_ARGUMENT",
  reason: "INVALID_ATTRIBUTE_VALUE",
  violations,
});

test("Q12 a redrive policy set with an empty queue is absent, and messages are delivered as without one", async () => {
  const t = await deadLetterScenario({ after: 1 });
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 1 });
  await t.setQueue({ redrive: "none" });
  expect(await redriveOf(t)).toBeUndefined();
  await t.send("work");
  for (const receiveCount of [1, 2, 3, 4]) {
    expect(await t.receiveOne({ visibilityTimeoutMs: 0 })).toMatchObject({ receiveCount });
  }
  expect(await heldBodies(t, "dead")).toEqual([]);
});

test("Q12 a redrive allow policy set without a permission is absent, and every queue is allowed", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("dead", { redriveAllow: "nobody" });
  expect((await attributesOf(t, "dead")).redriveAllowPolicy).toEqual({
    permission: RedrivePermission.DENY_ALL,
    sourceQueues: [],
  });
  await t.setQueue({ redriveAllow: "unset" }, "dead");
  expect((await attributesOf(t, "dead")).redriveAllowPolicy).toBeUndefined();
  expect(await t.createQueue("orders", { redrive: { to: "dead", after: 1 } })).toMatchObject({
    created: true,
  });
});

test("Q12 both policies go back to absent when a mask names them and no value is given", async () => {
  const t = await deadLetterScenario();
  await t.setQueue({ redriveAllow: "all", visibilityTimeoutMs: 5_000 });
  await t.call("setQueueAttributes", {
    queue: t.queue,
    updateMask: ["redrive_policy", "redrive_allow_policy"],
  });
  const after = await attributesOf(t, t.queue);
  expect(after.redrivePolicy).toBeUndefined();
  expect(after.redriveAllowPolicy).toBeUndefined();
  expect(after.visibilityTimeout?.seconds).toBe(5n);
  expect((await sourcesOf(t)).queues).toEqual([]);
});

test("policies are read as they were set, alone when asked for alone, and over a restart and a crash", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("dead", { redriveAllow: ["orders", "later"] });
  await t.createQueue("orders", { redrive: { to: "dead", after: 1_000 } });
  for (const again of [undefined, () => t.restart(), () => t.crash()]) {
    await again?.();
    expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 1_000 });
    expect((await attributesOf(t, "dead")).redriveAllowPolicy).toEqual({
      permission: RedrivePermission.BY_QUEUE,
      sourceQueues: ["orders", "later"],
    });
    expect((await sourcesOf(t)).queues).toEqual(["orders"]);
  }
  const { attributes } = await t.call("getQueueAttributes", {
    queue: "orders",
    names: ["redrive_policy"],
  });
  expect(attributes?.redrivePolicy?.maxReceiveCount).toBe(1_000);
  expect(attributes?.visibilityTimeout).toBeUndefined();
  // Without a value they are absent, not empty.
  await t.createQueue("plain");
  const plain = await attributesOf(t, "plain");
  expect(plain.redrivePolicy).toBeUndefined();
  expect(plain.redriveAllowPolicy).toBeUndefined();
});

test("a queue created again compares its policies, and a differing one is named", async () => {
  const t = await deadLetterScenario({ after: 3 });
  await t.createQueue("other");
  expect(await t.createQueue(t.queue, { redrive: { to: "dead", after: 3 } })).toMatchObject({
    created: false,
  });
  expect(await t.createQueue(t.queue)).toMatchObject({ created: false });
  for (const redrive of [
    { to: "dead", after: 4 },
    { to: "other", after: 3 },
  ]) {
    await expect(t.createQueue(t.queue, { redrive })).rejects.toMatchObject({
      code: "ALREADY_EXISTS",
      reason: "QUEUE_ALREADY_EXISTS",
      metadata: { attribute: "redrive_policy" },
    });
  }
  await expect(t.createQueue("dead", { redriveAllow: ["orders"] })).rejects.toMatchObject({
    code: "ALREADY_EXISTS",
    metadata: { attribute: "redrive_allow_policy" },
  });
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 3 });
});

test("a change of a policy changes the etag, and an old etag is refused", async () => {
  const t = await deadLetterScenario({ after: 3 });
  const { etag } = await t.call("getQueueAttributes", { queue: t.queue });
  const changed = await t.setQueue({ redrive: { to: "dead", after: 4 } });
  expect(changed.etag).not.toBe(etag);
  expect(changed.attributes?.redrivePolicy?.maxReceiveCount).toBe(4);
  await expect(
    t.call("setQueueAttributes", {
      queue: t.queue,
      etag,
      attributes: { redrivePolicy: { deadLetterQueue: "dead", maxReceiveCount: 5 } },
    }),
  ).rejects.toMatchObject({ code: "ABORTED", reason: "ETAG_MISMATCH" });
  expect((await redriveOf(t))?.maxReceiveCount).toBe(4);
});

test("a message may be delivered 1 to 1000 times, and the number is required", async () => {
  const t = await deadLetterScenario({ after: 7 });
  const refused = badValue("attributes.redrive_policy.max_receive_count");
  for (const after of [0, -1, 1_001]) {
    const redrive = { to: "dead", after };
    await expect(t.setQueue({ redrive }), String(after)).rejects.toMatchObject(refused);
    await expect(t.createQueue("new", { redrive }), String(after)).rejects.toMatchObject(refused);
  }
  expect((await redriveOf(t))?.maxReceiveCount).toBe(7);
  expect((await t.call("listQueues", {})).queues).toEqual(["dead", "orders"]);
  for (const after of [1, 1_000]) {
    await t.setQueue({ redrive: { to: "dead", after } });
    expect((await redriveOf(t))?.maxReceiveCount).toBe(after);
  }
});

test("a dead-letter queue must exist: otherwise nothing is created and nothing is changed", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  const redrive = { to: "dead", after: 1 };
  await expect(t.createQueue("new", { redrive })).rejects.toMatchObject(notFound);
  await expect(t.setQueue({ redrive, visibilityTimeoutMs: 20_000 })).rejects.toMatchObject(
    notFound,
  );
  expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
  const after = await attributesOf(t, t.queue);
  expect(after.redrivePolicy).toBeUndefined();
  expect(after.visibilityTimeout?.seconds).toBe(10n);
  await t.createQueue("dead");
  await t.setQueue({ redrive });
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 1 });
});

test("a dead-letter queue is of its source's type", async () => {
  const t = await scenario();
  await t.createQueue("orders.fifo", { type: "fifo" });
  await t.createQueue("dead");
  await t.createQueue("dead.fifo", { type: "fifo" });
  const mismatch = { code: "FAILED_PRECONDITION", reason: "DLQ_TYPE_MISMATCH" };
  const toFifo = { to: "dead.fifo", after: 1 };
  const toStandard = { to: "dead", after: 1 };
  await expect(t.setQueue({ redrive: toFifo })).rejects.toMatchObject(mismatch);
  await expect(t.createQueue("new", { redrive: toFifo })).rejects.toMatchObject(mismatch);
  await expect(t.setQueue({ redrive: toStandard }, "orders.fifo")).rejects.toMatchObject(mismatch);
  await expect(
    t.createQueue("new.fifo", { type: "fifo", redrive: toStandard }),
  ).rejects.toMatchObject(mismatch);
  expect((await t.call("listQueues", { prefix: "new" })).queues).toEqual([]);
  await t.setQueue({ redrive: toStandard });
  await t.setQueue({ redrive: toFifo }, "orders.fifo");
  expect((await sourcesOf(t, "dead")).queues).toEqual(["orders"]);
  expect((await sourcesOf(t, "dead.fifo")).queues).toEqual(["orders.fifo"]);
});

test("a queue that allows nobody, or others by name, refuses to be a source's dead-letter queue", async () => {
  const t = await scenario({ visibilityTimeoutMs: 10_000 });
  await t.createQueue("dead", { redriveAllow: "nobody" });
  const redrive = { to: "dead", after: 1 };
  const allowed = async (): Promise<void> => {
    await t.setQueue({ redrive });
    expect((await sourcesOf(t)).queues).toEqual(["orders"]);
    await t.setQueue({ redrive: "none" });
  };
  const refused = async (): Promise<void> => {
    await expect(t.setQueue({ redrive, visibilityTimeoutMs: 1 })).rejects.toMatchObject(notAllowed);
    await expect(t.createQueue("new", { redrive })).rejects.toMatchObject(notAllowed);
    const { redrivePolicy, visibilityTimeout } = await attributesOf(t, t.queue);
    expect(redrivePolicy).toBeUndefined();
    expect(visibilityTimeout?.seconds).toBe(10n);
    expect((await t.call("listQueues", {})).queues).toEqual(["dead", "orders"]);
  };
  await refused();
  await t.setQueue({ redriveAllow: ["order", "orders2", "Orders"] }, "dead");
  await refused();
  await t.setQueue({ redriveAllow: ["other", "orders"] }, "dead");
  await allowed();
  await t.setQueue({ redriveAllow: "all" }, "dead");
  await allowed();
});

test("a queue allowed by name need not exist yet, and is allowed when it is created", async () => {
  const t = await scenario({ create: "none" });
  await t.createQueue("dead", { redriveAllow: ["orders"] });
  const redrive = { to: "dead", after: 1 };
  expect(await t.createQueue("orders", { redrive })).toMatchObject({ created: true });
  await expect(t.createQueue("others", { redrive })).rejects.toMatchObject(notAllowed);
});

test("permission is asked when a source sets its policy: links that exist are not cut", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.setQueue({ redriveAllow: "nobody" }, "dead");
  await t.send("work");
  await wearOut(t);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
  expect((await sourcesOf(t)).queues).toEqual(["orders"]);
  // Other attributes may change; the policy itself may not be set again.
  await t.setQueue({ visibilityTimeoutMs: 1_000 });
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 1 });
  await expect(t.setQueue({ redrive: { to: "dead", after: 2 } })).rejects.toMatchObject(notAllowed);
  expect((await redriveOf(t))?.maxReceiveCount).toBe(1);
});

test("sources are named only where they are allowed by name, at most ten", async () => {
  const t = await scenario({ queue: "dead" });
  const ten = Array.from({ length: 10 }, (_, index) => `source-${index}`);
  const set = (permission: RedrivePermission, sourceQueues: string[]) =>
    t.call("setQueueAttributes", {
      queue: "dead",
      attributes: { redriveAllowPolicy: { permission, sourceQueues } },
    });
  const refused = badValue("attributes.redrive_allow_policy.source_queues");
  await expect(set(RedrivePermission.BY_QUEUE, [...ten, "source-10"])).rejects.toMatchObject(
    refused,
  );
  for (const permission of [RedrivePermission.ALLOW_ALL, RedrivePermission.DENY_ALL]) {
    await expect(set(permission, ["orders"])).rejects.toMatchObject(refused);
  }
  expect((await attributesOf(t, "dead")).redriveAllowPolicy).toBeUndefined();
  await set(RedrivePermission.BY_QUEUE, ten);
  expect((await attributesOf(t, "dead")).redriveAllowPolicy?.sourceQueues).toEqual(ten);
  for (const source of ten) await t.createQueue(source, { redrive: { to: "dead", after: 1 } });
  expect((await sourcesOf(t)).queues).toEqual(ten);
});

test("an unknown permission is refused", async () => {
  const t = await scenario({ queue: "dead" });
  await expect(
    t.call("setQueueAttributes", {
      queue: "dead",
      attributes: { redriveAllowPolicy: { permission: 9 as RedrivePermission } },
    }),
  ).rejects.toMatchObject(badValue("attributes.redrive_allow_policy.permission"));
});

test("a queue may name itself", async () => {
  const t = await scenario();
  await t.setQueue({ redrive: { to: "orders", after: 1 } });
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "orders", maxReceiveCount: 1 });
  expect((await sourcesOf(t, "orders")).queues).toEqual(["orders"]);
  // Also from the start.
  const redrive = { to: "bills", after: 1 };
  expect(await t.createQueue("bills", { redrive })).toMatchObject({ created: true });
  expect(await t.createQueue("bills", { redrive })).toMatchObject({ created: false });
  expect((await sourcesOf(t, "bills")).queues).toEqual(["bills"]);
});

test("a policy stays when its dead-letter queue is deleted, and works again when that is recreated", async () => {
  const t = await deadLetterScenario({ after: 1 });
  await t.deleteQueue("dead");
  expect(await redriveOf(t)).toEqual({ deadLetterQueue: "dead", maxReceiveCount: 1 });
  await expect(sourcesOf(t)).rejects.toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  // Other attributes may change meanwhile; the policy itself may not.
  await t.setQueue({ visibilityTimeoutMs: 1_000 });
  await expect(t.setQueue({ redrive: { to: "dead", after: 2 } })).rejects.toMatchObject(notFound);
  await t.createQueue("dead");
  expect((await sourcesOf(t)).queues).toEqual(["orders"]);
  await t.send("work");
  await wearOut(t);
  expect(await heldBodies(t, "dead")).toEqual(["work"]);
});

test("the sources of a dead-letter queue are those whose policy names it now, in name order", async () => {
  const t = await scenario({ create: "none" });
  for (const dead of ["dead", "dead-2", "deaf"]) await t.createQueue(dead);
  expect(await sourcesOf(t)).toEqual({ queues: [], nextPageToken: "" });
  for (const source of ["b", "a", "Z", "d", "c"]) {
    await t.createQueue(source, { redrive: { to: "dead", after: 1 } });
  }
  await t.createQueue("e", { redrive: { to: "dead-2", after: 1 } });
  await t.createQueue("f", { redrive: { to: "deaf", after: 1 } });
  await t.createQueue("g");
  expect((await sourcesOf(t)).queues).toEqual(["Z", "a", "b", "c", "d"]);
  await t.setQueue({ redrive: "none" }, "a");
  await t.setQueue({ redrive: { to: "dead-2", after: 1 } }, "b");
  await t.setQueue({ redrive: { to: "dead", after: 9 } }, "c");
  await t.deleteQueue("d");
  await t.setQueue({ redrive: { to: "dead", after: 1 } }, "g");
  const after = async (): Promise<void> => {
    expect((await sourcesOf(t)).queues).toEqual(["Z", "c", "g"]);
    expect((await sourcesOf(t, "dead-2")).queues).toEqual(["b", "e"]);
    expect((await sourcesOf(t, "a")).queues).toEqual([]);
  };
  await after();
  // A queue created later under a deleted one's name is no source.
  await t.createQueue("d");
  await after();
  await t.restart();
  await after();
});

test("sources are listed in pages that hold together while queues come and go", async () => {
  const t = await scenario({ queue: "dead" });
  const create = async (name: string) =>
    await t.createQueue(name, { redrive: { to: "dead", after: 1 } });
  for (const name of ["b", "d", "f", "h", "j"]) await create(name);
  const first = await sourcesOf(t, "dead", 2);
  expect(first.queues).toEqual(["b", "d"]);
  expect(first.nextPageToken).not.toBe("");
  await create("a");
  await create("g");
  await t.deleteQueue("d");
  await t.deleteQueue("h");
  const second = await sourcesOf(t, "dead", 2, first.nextPageToken);
  expect(second.queues).toEqual(["f", "g"]);
  const third = await sourcesOf(t, "dead", 2, second.nextPageToken);
  expect(third).toEqual({ queues: ["j"], nextPageToken: "" });
  // A page that is just full is the last one.
  expect(await sourcesOf(t, "dead", 5)).toEqual({
    queues: ["a", "b", "f", "g", "j"],
    nextPageToken: "",
  });
});

test("a page of sources has 1 to 1000 names, and a token belongs to its queue", async () => {
  const t = await scenario({ queue: "dead" });
  await t.createQueue("dead-2");
  for (const name of ["a", "b", "c"]) {
    await t.createQueue(name, { redrive: { to: "dead", after: 1 } });
    await t.createQueue(`${name}-2`, { redrive: { to: "dead-2", after: 1 } });
  }
  for (const pageSize of [0, -1, 1_001]) {
    await expect(sourcesOf(t, "dead", pageSize), String(pageSize)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "INVALID_PARAMETER",
      violations: ["page_size"],
    });
  }
  expect((await sourcesOf(t, "dead", 1_000)).queues).toEqual(["a", "b", "c"]);
  const { nextPageToken: token } = await sourcesOf(t, "dead", 1);
  const { nextPageToken: foreign } = await t.call("listQueues", { pageSize: 1 });
  const badToken = { code: "INVALID_ARGUMENT", reason: "INVALID_PAGE_TOKEN" };
  await expect(sourcesOf(t, "dead", 1, "garbage")).rejects.toMatchObject(badToken);
  await expect(sourcesOf(t, "dead", 1, foreign)).rejects.toMatchObject(badToken);
  await expect(sourcesOf(t, "dead-2", 1, token)).rejects.toMatchObject(badToken);
  await expect(sourcesOf(t, "nowhere")).rejects.toMatchObject({
    code: "NOT_FOUND",
    reason: "QUEUE_NOT_FOUND",
    resource: "queue nowhere",
  });
  await expect(sourcesOf(t, "")).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "MISSING_PARAMETER",
    violations: ["queue"],
  });
});

test("a queue that is somebody's dead-letter queue works as any other", async () => {
  const t = await deadLetterScenario();
  await t.send("straight", { queue: "dead" });
  const received = await t.receive({ queue: "dead" });
  expect(bodiesOf(received)).toEqual(["straight"]);
  expect(received[0]?.message.systemAttributes?.deadLetterSourceQueue).toBeUndefined();
  expect(received[0]?.message.systemAttributes?.deadLetterReason).toBeUndefined();
  expect(await t.delete(received[0]?.handle ?? "", "dead")).toBe("DELETED");
});
