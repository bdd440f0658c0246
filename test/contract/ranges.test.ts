// Both ends of every range, and what lies beyond. Ranges of numbers and durations are read from the contract's comments, so
// a new one is covered on the day it is added; lengths of lists and texts, times and pairs that depend on each other are told
// one by one.

import { expect, test } from "vitest";
import { RedrivePermission } from "../../src/gen/forebay/queue/v1/queue.js";
import { decodeAnswer, encodeRequest, endOf } from "../support/clear-answers.js";
import {
  type ContractMethod,
  type DocumentedRange,
  FieldType,
  fieldsOf,
  methods,
  rangeOf,
} from "../support/contract.js";
import type { RequestPart, UnaryMethod } from "../support/queue-client.js";
import { attributesOf, durationOf, type Scenario, scenario } from "../support/scenario.js";
import { keyOf, wholeRequests } from "../support/whole-requests.js";
import {
  double,
  encodeField,
  encodeFields,
  parseFields,
  varint,
  type WireField,
  wireTypes,
} from "../support/wire-format.js";

/** A field with a documented range, and how to reach it from the request. */
interface Ranged {
  readonly method: ContractMethod;
  readonly path: readonly string[];
  readonly range: DocumentedRange;
}

function* rangedFields(
  method: ContractMethod,
  messageName: string,
  path: readonly string[] = [],
): Iterable<Ranged> {
  for (const field of fieldsOf(messageName)) {
    const here = [...path, field.name];
    const range = rangeOf(field) ?? inheritedRange(messageName, field.name);
    if (range !== undefined) yield { method, path: here, range };
    else if (field.type === FieldType.MESSAGE && field.typeName.startsWith("forebay.")) {
      yield* rangedFields(method, field.typeName, here);
    }
  }
}

/** "As in SendMessageRequest" in the comment of a batch entry, or of what a schedule sends. */
function inheritedRange(messageName: string, fieldName: string): DocumentedRange | undefined {
  const single = messageName
    .replace("BatchRequestEntry", "Request")
    .replace("ScheduledSend", "SendMessageRequest");
  if (single === messageName) return undefined;
  const field = fieldsOf(single).find(({ name }) => name === fieldName);
  return field && rangeOf(field);
}

const ranged = methods
  .filter(({ isStream }) => !isStream)
  .flatMap((method) => [...rangedFields(method, method.requestType)])
  // Encryption, which this release does not have, is refused whatever its values.
  .filter(({ path }) => !path.includes("data_key_reuse_period"));

test("the documented ranges are those of many fields, of every kind of number", () => {
  expect(ranged.map(({ method, path }) => `${method.name} ${path.join(".")}`)).toEqual(
    expect.arrayContaining([
      "CreateQueue attributes.visibility_timeout",
      "CreateQueue attributes.redrive_policy.max_receive_count",
      "CreateQueue attributes.retry_policy.minimum_backoff",
      "SetQueueAttributes attributes.max_in_flight",
      "SetQueueAttributes attributes.max_in_flight_per_group",
      "SetQueueAttributes attributes.priority_ageing",
      "SetQueueAttributes attributes.dedup_window",
      "SendMessage delay",
      "SendMessage priority",
      "SendMessageBatch entries.time_to_live",
      "ReceiveMessage max_bytes",
      "ChangeMessageVisibilityBatch entries.visibility_timeout",
      "PeekMessages body_bytes_max",
      "StartMessageMoveTask max_per_second",
      "PreviewMessageMoveTask sample_count",
      "RejectMessage delay",
      "PutSchedule schedule.interval",
      "PutSchedule schedule.message.time_to_live",
    ]),
  );
  expect(new Set(ranged.map(({ range }) => range.kind))).toEqual(
    new Set(["integer", "double", "duration"]),
  );
  expect(ranged.length).toBeGreaterThan(50);
});

/** Both ends, what is just beyond them, and what is far beyond. */
function valuesOf({ min, max, kind }: DocumentedRange): readonly number[] {
  if (kind !== "double") return [min - 1, min, max, max + 1, -(2 ** 31), 2 ** 31 - 1];
  const next = 2 ** -40;
  return [
    ...[min - next, min, min + next, max - next, max, max + next, -max],
    ...[0, Number.MAX_VALUE, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ];
}

const bytesField = (number: number, payload: Buffer): WireField => ({
  number,
  wireType: wireTypes.bytes,
  payload,
});
const integerField = (number: number, value: bigint | number): WireField => ({
  number,
  wireType: wireTypes.varint,
  payload: varint(value),
});

function valueField(number: number, kind: DocumentedRange["kind"], value: number): WireField {
  switch (kind) {
    case "integer":
      return integerField(number, value);
    case "double":
      return { number, wireType: wireTypes.fixed64, payload: double(value) };
    case "duration": {
      const { seconds, nanos } = durationOf(value);
      return bytesField(number, encodeFields([integerField(1, seconds), integerField(2, nanos)]));
    }
  }
}

/** The request with the value at the path, in place of what was there. */
function withValue(
  bytes: Buffer,
  messageName: string,
  path: readonly string[],
  fieldOf: (number: number) => WireField,
): Buffer {
  const [name, ...rest] = path;
  const field = fieldsOf(messageName).find((each) => each.name === name);
  if (field === undefined) throw new Error(`${messageName} has no ${name}.`);
  const fields = parseFields(bytes, messageName);
  // Nor the request id: each value is another payload.
  const others = fields.filter(
    (each) => each.number !== field.number && each.field?.name !== "request_id",
  );
  const inside = fields.find(({ number }) => number === field.number)?.payload ?? Buffer.alloc(0);
  const changed =
    rest.length === 0
      ? fieldOf(field.number)
      : bytesField(field.number, withValue(inside, field.typeName, rest, fieldOf));
  return Buffer.concat([encodeFields(others), encodeField(changed)]);
}

/** The queues that the requests name: one of each kind, the first with a message in flight, whose handle this returns. */
async function prepare(t: Scenario): Promise<string> {
  await t.sendBatch(["a", "b"]);
  return (await t.receiveOne()).handle;
}

async function rangesScenario(): Promise<Scenario> {
  const t = await scenario();
  await t.createQueue("dead");
  await t.createQueue("elsewhere");
  // So that messages can be moved out of it.
  await t.createQueue("source", { redrive: { to: t.queue, after: 1 } });
  return t;
}

/** What stands in the way of a good request: there is no such message, or no such schedule. */
const goodReasons: readonly (string | undefined)[] = [
  undefined,
  "MESSAGE_NOT_FOUND",
  "SCHEDULE_NOT_FOUND",
];

test.each(ranged.map((each) => [`${each.method.name} ${each.path.join(".")}`, each] as const))(
  "%s is taken at both ends of its documented range and refused beyond",
  async (_, { method, path, range }) => {
    const t = await rangesScenario();
    const key = keyOf(method.name);
    const at = path.join(".");
    const isBatch = method.name.endsWith("Batch");
    for (const value of valuesOf(range)) {
      const handle = await prepare(t);
      // A new queue is of another name.
      const queue = method.name === "CreateQueue" ? "new" : t.queue;
      const whole = encodeRequest(key, wholeRequests(queue, handle)[key]);
      const bytes = withValue(whole, method.requestType, path, (number) =>
        valueField(number, range.kind, value),
      );
      const isGood = value >= range.min && value <= range.max;
      const call = t.client.raw(method.path, bytes);
      const { code, reason, violations, message } = await endOf(call);
      const what = `${at} = ${value}: ${message}`;
      if (isBatch) {
        const answer = decodeAnswer(key as "sendMessageBatch", await call);
        const [failure] = answer.failed;
        expect(failure?.reason, what).toBe(isGood ? undefined : "INVALID_PARAMETER");
        if (!isGood) expect(failure?.message).toContain(`${path.at(-1)}: must be from`);
      } else if (isGood) {
        expect(goodReasons, what).toContain(reason);
      } else {
        const isAttribute = path[0] === "attributes";
        expect([code, reason, violations], what).toEqual([
          "INVALID_ARGUMENT",
          isAttribute ? "INVALID_ATTRIBUTE_VALUE" : "INVALID_PARAMETER",
          [at],
        ]);
      }
      await t.deleteQueue();
      await t.createQueue(t.queue);
      await t.deleteQueue("new").catch(() => undefined);
    }
  },
);

/** A size, a time or a choice: requests that are taken and requests that are refused, with the field that is to blame. */
interface Bound {
  readonly method: UnaryMethod;
  /** Some requests need the handle of a message in flight. */
  readonly good: (t: Scenario, handle: string) => readonly object[];
  readonly bad: (t: Scenario, handle: string) => readonly object[];
  /** What the BadRequest names, in full or as a beginning. */
  readonly field: string;
  readonly reason?: string;
  /** What stands in the way of good requests. */
  readonly otherwise?: readonly string[];
}

const textOf = (value: string) => ({ $case: "text" as const, value });
const listOf = (count: number, prefix = "n"): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`);
const mapOf = (count: number) => new Map(listOf(count).map((name) => [name, "v"]));
const manyAttributes = (count: number) => attributesOf(Object.fromEntries(mapOf(count)));
const uuids = (count: number): string[] =>
  Array.from(
    { length: count },
    (_, index) => `01890a5d-ac96-774b-bcce-${String(index).padStart(12, "0")}`,
  );
/** An instant as seconds and nanos. */
const time = (seconds: bigint, nanos = 0) => ({ seconds, nanos });
const lastSecond = 253_402_300_799n;

/** Times up to the end of the year 9999, whose nanos are within a second. */
const goodTimes = [
  time(0n),
  time(0n, 999_999_999),
  time(lastSecond),
  time(lastSecond, 999_000_000),
];
const badTimes = [
  time(-1n),
  time(-1n, 999_999_999),
  time(0n, -1),
  time(0n, 1_000_000_000),
  time(lastSecond, 999_000_001),
  time(lastSecond + 1n),
  time(-(2n ** 63n)),
  time(2n ** 63n - 1n, 2 ** 31 - 1),
];

const queueNames = {
  good: ["q", "x".repeat(80), "A-Za-z_09"],
  bad: ["x".repeat(81), "a b", "a.b", "ä", "a/", "q\n"],
};
const fifoNames = { good: ["q.fifo", `${"x".repeat(75)}.fifo`], bad: [`${"x".repeat(76)}.fifo`] };

const create = (attributes: object) => ({ queue: "new", attributes });
const retry = (minimumMs: number, maximumMs: number) =>
  create({
    retryPolicy: { minimumBackoff: durationOf(minimumMs), maximumBackoff: durationOf(maximumMs) },
  });
const allow = (permission: RedrivePermission, sourceQueues: string[]) =>
  create({ redriveAllowPolicy: { permission, sourceQueues } });
const sourceField = "attributes.redrive_allow_policy.source_queues";
const attributeReason = { reason: "INVALID_ATTRIBUTE_VALUE" };

const send = (t: Scenario, part: object) => ({ queue: t.queue, body: textOf("x"), ...part });
const previewOf = (t: Scenario, part: object) => ({ source: t.queue, ...part });
const schedule = (t: Scenario, part: object) => ({
  queue: t.queue,
  schedule: {
    name: "s",
    timing: { $case: "interval", value: durationOf(1_000) },
    message: { body: textOf("x") },
    ...part,
  },
});
const rejectOf = (t: Scenario, receiptHandle: string, part: object) => ({
  queue: t.queue,
  receiptHandle,
  reason: "r",
  ...part,
});
const permission = (t: Scenario, part: object) => ({
  queue: t.queue,
  label: "l",
  principals: ["p"],
  actions: ["SendMessage"],
  ...part,
});
const actions = [
  ...["SendMessage", "ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility"],
  ...["GetQueueAttributes", "GetQueueUrl", "PurgeQueue", "PeekMessages"],
];

const bounds: Readonly<Record<string, Bound>> = {
  "the name of a standard queue": {
    method: "createQueue",
    field: "queue",
    good: () => queueNames.good.map((queue) => ({ queue })),
    bad: () => queueNames.bad.map((queue) => ({ queue })),
  },
  "the name of a FIFO queue": {
    method: "createQueue",
    field: "queue",
    good: () => fifoNames.good.map((queue) => ({ queue, attributes: { fifoQueue: true } })),
    bad: () =>
      [...fifoNames.bad, ".fifo", "q"].map((queue) => ({ queue, attributes: { fifoQueue: true } })),
  },
  "the longest wait between deliveries, which is no shorter than the shortest": {
    method: "createQueue",
    field: "attributes.retry_policy.maximum_backoff",
    ...attributeReason,
    good: () => [retry(5_000, 5_000), retry(1_000, 43_200_000)],
    bad: () => [retry(5_000, 4_999), retry(1_000, 43_200_001), retry(1_000, 0), retry(1_000, -1)],
  },
  "a retry policy, which has a shortest wait": {
    method: "createQueue",
    field: "attributes.retry_policy.minimum_backoff",
    ...attributeReason,
    good: () => [create({ retryPolicy: {} })],
    bad: () => [
      create({ retryPolicy: { factor: 2 } }),
      create({ retryPolicy: { maximumBackoff: durationOf(60_000) } }),
    ],
  },
  "how many sources a dead-letter queue names": {
    method: "createQueue",
    field: sourceField,
    ...attributeReason,
    good: () => [
      allow(RedrivePermission.BY_QUEUE, listOf(1)),
      allow(RedrivePermission.BY_QUEUE, listOf(10)),
      allow(RedrivePermission.ALLOW_ALL, []),
    ],
    bad: () => [
      allow(RedrivePermission.BY_QUEUE, []),
      allow(RedrivePermission.BY_QUEUE, listOf(11)),
      allow(RedrivePermission.ALLOW_ALL, listOf(1)),
      allow(RedrivePermission.DENY_ALL, listOf(1)),
      allow(RedrivePermission.BY_QUEUE, ["a b"]),
    ],
  },
  "the name of a dead-letter queue": {
    method: "createQueue",
    field: "attributes.redrive_policy.dead_letter_queue",
    ...attributeReason,
    good: () => [
      create({ redrivePolicy: { deadLetterQueue: "dead", maxReceiveCount: 1 } }),
      create({ redrivePolicy: { deadLetterQueue: "", maxReceiveCount: 0 } }),
    ],
    bad: () =>
      ["", "a b", "other/dead", "x".repeat(81)].map((deadLetterQueue) =>
        create({ redrivePolicy: { deadLetterQueue, maxReceiveCount: 1 } }),
      ),
  },
  "when a message joins the queue": {
    method: "sendMessage",
    field: "deliver_time",
    good: (t) => goodTimes.map((deliverTime) => send(t, { deliverTime })),
    bad: (t) => badTimes.map((deliverTime) => send(t, { deliverTime })),
  },
  "a delay, which excludes a time to join the queue": {
    method: "sendMessage",
    field: "delay",
    good: (t) => [send(t, { delay: durationOf(0) })],
    bad: (t) =>
      [0, 1_000].map((delayMs) =>
        send(t, { delay: durationOf(delayMs), deliverTime: time(lastSecond) }),
      ),
  },
  "how many attributes a message has": {
    method: "sendMessage",
    field: "attributes",
    good: (t) => [send(t, { attributes: manyAttributes(10) })],
    bad: (t) => [send(t, { attributes: manyAttributes(11) })],
  },
  "a group id": {
    method: "sendMessage",
    field: "group_id",
    good: (t) => ["!", "~".repeat(128)].map((groupId) => send(t, { groupId })),
    bad: (t) => ["g".repeat(129), "a b", "ä", "\u007f"].map((groupId) => send(t, { groupId })),
  },
  "a trace header": {
    method: "sendMessage",
    field: "system_attributes.trace_header",
    good: (t) =>
      ["x".repeat(1_024), "\t\r\nä \u{1f4e8}"].map((traceHeader) =>
        send(t, { systemAttributes: { traceHeader } }),
      ),
    bad: (t) =>
      ["x".repeat(1_025), "ä".repeat(513), "\u0000", "a\u001b[0m", "\uffff"].map((traceHeader) =>
        send(t, { systemAttributes: { traceHeader } }),
      ),
  },
  "a request id": {
    method: "sendMessage",
    field: "request_id",
    good: (t) => [send(t, { requestId: "x".repeat(64) })],
    bad: (t) => ["x".repeat(65), "ä".repeat(33)].map((requestId) => send(t, { requestId })),
  },
  "the ids that a move takes": {
    method: "previewMessageMoveTask",
    field: "filter.message_ids",
    good: (t) => [previewOf(t, { filter: { messageIds: uuids(1_000) } })],
    bad: (t) => [
      previewOf(t, { filter: { messageIds: uuids(1_001) } }),
      previewOf(t, { filter: { messageIds: ["", "no-uuid"] } }),
    ],
  },
  "the attributes that a move asks for": {
    method: "previewMessageMoveTask",
    field: "filter.attributes",
    good: (t) => [previewOf(t, { filter: { attributes: mapOf(10) } })],
    bad: (t) => [previewOf(t, { filter: { attributes: mapOf(11) } })],
  },
  "the text that a move looks for": {
    method: "previewMessageMoveTask",
    field: "filter.body_contains",
    good: (t) => [previewOf(t, { filter: { bodyContains: "x".repeat(1_024) } })],
    bad: (t) =>
      ["x".repeat(1_025), "ä".repeat(513)].map((bodyContains) =>
        previewOf(t, { filter: { bodyContains } }),
      ),
  },
  "the reason that a move asks for": {
    method: "previewMessageMoveTask",
    field: "filter.rejection_reason",
    good: (t) => [previewOf(t, { filter: { rejectionReason: "x".repeat(128) } })],
    bad: (t) => [previewOf(t, { filter: { rejectionReason: "x".repeat(129) } })],
  },
  "the least age that a move asks for": {
    method: "previewMessageMoveTask",
    field: "filter.minimum_age",
    good: (t) => [previewOf(t, { filter: { minimumAge: durationOf(0) } })],
    bad: (t) => [previewOf(t, { filter: { minimumAge: durationOf(-1) } })],
  },
  "the attributes that a move sets": {
    method: "previewMessageMoveTask",
    field: "edit.set_attributes",
    good: (t) => [previewOf(t, { edit: { setAttributes: manyAttributes(10) } })],
    bad: (t) => [
      previewOf(t, { edit: { setAttributes: manyAttributes(11) } }),
      previewOf(t, { edit: { setAttributes: attributesOf({ "aws.x": "v" }) } }),
    ],
  },
  "the attributes that a move removes": {
    method: "previewMessageMoveTask",
    field: "edit.remove_attributes",
    good: (t) => [previewOf(t, { edit: { removeAttributes: listOf(10) } })],
    bad: (t) => [
      previewOf(t, { edit: { removeAttributes: listOf(11) } }),
      previewOf(t, { edit: { removeAttributes: [""] } }),
    ],
  },
  "the name of a schedule": {
    method: "putSchedule",
    field: "schedule.name",
    good: (t) => ["s", "x".repeat(80), "A-Za-z_09"].map((name) => schedule(t, { name })),
    bad: (t) => ["x".repeat(81), "a b", "a.b", "ä"].map((name) => schedule(t, { name })),
  },
  "a cron pattern": {
    method: "putSchedule",
    field: "schedule.cron",
    good: (t) =>
      ["* * * * *", `${"0,".repeat(58)}0 0 * * *`].map((value) =>
        schedule(t, { timing: { $case: "cron", value } }),
      ),
    bad: (t) =>
      [`${"0,".repeat(60)}0 0 * * *`, "", "* * * *", "* * * * * * *", "60 * * * *"].map((value) =>
        schedule(t, { timing: { $case: "cron", value } }),
      ),
  },
  "the first time of a schedule": {
    method: "putSchedule",
    field: "schedule.start_time",
    good: (t) => [
      schedule(t, { startTime: time(0n) }),
      schedule(t, { startTime: time(lastSecond) }),
    ],
    bad: (t) => badTimes.map((startTime) => schedule(t, { startTime })),
  },
  "the last time of a schedule, which is not before the first": {
    method: "putSchedule",
    field: "schedule.end_time",
    good: (t) => [schedule(t, { startTime: time(9_000_000_000n), endTime: time(9_000_000_000n) })],
    bad: (t) => [
      ...badTimes.map((endTime) => schedule(t, { endTime })),
      schedule(t, { startTime: time(9_000_000_000n), endTime: time(8_999_999_999n, 999_000_000) }),
    ],
  },
  "a schedule's zone, for patterns only": {
    method: "putSchedule",
    field: "schedule.time_zone",
    good: (t) =>
      ["", "UTC", "Europe/Berlin"].map((timeZone) =>
        schedule(t, { timing: { $case: "cron", value: "0 2 * * *" }, timeZone }),
      ),
    bad: (t) => [
      schedule(t, { timeZone: "UTC" }),
      schedule(t, { timing: { $case: "cron", value: "0 2 * * *" }, timeZone: "Mars/Olympus" }),
    ],
  },
  "the reason of a reject": {
    method: "rejectMessage",
    field: "reason",
    good: (t, handle) => [rejectOf(t, handle, { reason: "ä".repeat(128) })],
    bad: (t, handle) => [rejectOf(t, handle, { reason: "x".repeat(129) })],
  },
  "the error's text of a reject": {
    method: "rejectMessage",
    field: "error",
    good: (t, handle) => [rejectOf(t, handle, { error: "x".repeat(4_096) })],
    bad: (t, handle) =>
      ["x".repeat(4_097), "ä".repeat(2_049)].map((error) => rejectOf(t, handle, { error })),
  },
  "the delay of a reject, which excludes the dead-letter queue": {
    method: "rejectMessage",
    field: "delay",
    good: (t, handle) => [rejectOf(t, handle, { delay: durationOf(0) })],
    bad: (t, handle) => [rejectOf(t, handle, { delay: durationOf(0), deadLetter: true })],
  },
  "the id of a message": {
    method: "describeMessage",
    field: "message_id",
    otherwise: ["MESSAGE_NOT_FOUND"],
    good: (t) => uuids(1).map((messageId) => ({ queue: t.queue, messageId })),
    bad: (t) =>
      ["x", "01890a5d-ac96-774b-bcce-b302099a805", "{01890a5d-ac96-774b-bcce-b302099a8057}"].map(
        (messageId) => ({ queue: t.queue, messageId }),
      ),
  },
  "the label of a permission": {
    method: "addPermission",
    field: "label",
    good: (t) => ["l", "x".repeat(80), "A-Z_09"].map((label) => permission(t, { label })),
    bad: (t) => ["x".repeat(81), "a b", "a.b"].map((label) => permission(t, { label })),
  },
  "the actions of a permission, of which a statement has seven": {
    method: "addPermission",
    field: "",
    reason: "POLICY_LIMIT",
    good: (t) => [permission(t, { actions: actions.slice(0, 7) })],
    bad: (t) => [permission(t, { actions })],
  },
  "how many tags a call lists": {
    method: "tagQueue",
    field: "tags",
    good: (t) => [{ queue: t.queue, tags: mapOf(50) }],
    bad: (t) => [{ queue: t.queue, tags: mapOf(101) }],
  },
};

test.each(Object.keys(bounds))("%s has its bounds", async (name) => {
  const t = await rangesScenario();
  const bound = bounds[name] as Bound;
  const { method, field, reason = "INVALID_PARAMETER", otherwise = [] } = bound;
  const attempt = async (request: object) =>
    await endOf(t.call(method, request as RequestPart<typeof method>));
  const handle = await prepare(t);
  for (const request of bound.bad(t, handle)) {
    const ended = await attempt(request);
    const what = `${textOfRequest(request)}: ${ended.message}`;
    expect(ended.reason, what).toBe(reason);
    for (const violated of ended.violations) {
      expect(violated === field || violated.startsWith(`${field}[`), `${violated} ${what}`).toBe(
        true,
      );
    }
    if (field !== "") expect(ended.violations, what).not.toEqual([]);
  }
  // Nothing of what was refused was done, to the same message either.
  for (const request of bound.good(t, handle)) {
    const ended = await attempt(request);
    const what = `${textOfRequest(request)}: ${ended.message}`;
    expect([undefined, ...otherwise], what).toContain(ended.reason);
    if (method === "createQueue") {
      await t.deleteQueue((request as { readonly queue: string }).queue);
    }
  }
});

const textOfRequest = (request: object): string =>
  JSON.stringify(request, (_, value) => (typeof value === "bigint" ? `${value}` : value)).slice(
    0,
    300,
  );
