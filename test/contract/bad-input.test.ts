// Bad input: whatever bytes come, the answer is a clear status, soon, and the server is unharmed. Requests are spoilt field
// by field as the contract's descriptor lists them, so a new field is covered on the day it is added.

import { randomBytes } from "node:crypto";
import { connect, constants } from "node:http2";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MessageState } from "../../src/gen/forebay/queue/v1/message.js";
import { CallError } from "../support/call-error.js";
import { type ContractMethod, FieldType, fieldsOf, methods, rangeOf } from "../support/contract.js";
import { serviceMethods } from "../support/queue-client.js";
import { bodiesOf, durationOf, type Scenario, scenario } from "../support/scenario.js";
import { keyOf, wholeRequests } from "../support/whole-requests.js";
import {
  encodeField,
  encodeFields,
  fieldEnds,
  type Mutant,
  mutantsOf,
  parseFields,
  varint,
  type WireField,
} from "../support/wire-format.js";

const unary = methods.filter(({ isStream }) => !isStream);

/** What a call may end with whose input is bad, or good after all. */
const clearCodes = new Set([
  "OK",
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "FAILED_PRECONDITION",
  "ABORTED",
  "RESOURCE_EXHAUSTED",
  "UNIMPLEMENTED",
]);

/** No call of these tests may take longer: nothing that is asked for waits so long. */
const hangMs = 5_000;

interface Ended {
  readonly code: string;
  readonly reason: string | undefined;
  readonly violations: readonly string[];
  readonly message: string;
}

const ok: Ended = { code: "OK", reason: undefined, violations: [], message: "" };

async function endOf(call: Promise<unknown>): Promise<Ended> {
  const timer = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error("The call hangs.")), hangMs).unref();
  });
  return await Promise.race([
    call.then(
      () => ok,
      (error: unknown) => {
        if (error instanceof CallError) return error;
        throw error;
      },
    ),
    timer,
  ]);
}

const wholeBytes = (method: ContractMethod, queue: string, handle: string): Buffer => {
  const key = keyOf(method.name);
  const { requestType } = serviceMethods[key];
  const codec = requestType as {
    fromPartial(part: unknown): unknown;
    encode(message: unknown): { finish(): Uint8Array };
  };
  return Buffer.from(codec.encode(codec.fromPartial(wholeRequests(queue, handle)[key])).finish());
};

/**
 * A queue to be mistreated, with enough in it that no receive waits, and a witness beside it whose state is compared at
 * the end: nothing that is asked of the one may touch the other.
 */
class Target {
  readonly t: Scenario;
  readonly #witness: readonly unknown[];
  handle = "";

  private constructor(t: Scenario, witness: readonly unknown[]) {
    this.t = t;
    this.#witness = witness;
  }

  static async create(): Promise<Target> {
    const t = await scenario({ queue: "target", create: "none", time: "real" });
    await t.createQueue("witness");
    await t.sendBatch(["leased", "visible"], { queue: "witness" });
    await t.send("delayed", { queue: "witness", delayMs: 900_000 });
    await t.receive({ queue: "witness", visibilityTimeoutMs: 43_200_000 });
    const target = new Target(t, await witnessState(t));
    await target.renew();
    return target;
  }

  /** The queue as it was at first: whatever has been done to it is undone. */
  async renew(): Promise<void> {
    const { t } = this;
    await t.deleteQueue().catch(() => undefined);
    await t.createQueue(t.queue);
    const stream = t.produce();
    const entries = Array.from({ length: 500 }, () => ({
      body: { $case: "text" as const, value: "body" },
    }));
    stream.write({ queue: t.queue, entries });
    stream.halfClose();
    await stream.ended;
    this.handle = (await t.receiveOne()).handle;
  }

  /** Calls with these bytes; anything but a clear answer fails the test. */
  async call(path: string, bytes: Uint8Array, what: string): Promise<Ended> {
    const ended = await endOf(this.t.client.raw(path, bytes));
    expect(clearCodes, `${path} ${what}: ${ended.code} ${ended.message}`).toContain(ended.code);
    if (ended.code !== "OK") {
      expect(ended.reason, `${path} ${what}: ${ended.message}`).toMatch(/^[A-Z][A-Z_]+$/);
      expect(ended.message.length).toBeGreaterThan(10);
    }
    return ended;
  }

  /** The server serves on, and the witness is as it was. */
  async checkUnharmed(): Promise<void> {
    const { t } = this;
    await this.renew();
    expect(await witnessState(t)).toEqual(this.#witness);
    const { messageId } = await t.send("still serving");
    expect(messageId).not.toBe("");
    expect(bodiesOf(await t.receive({ max: 10 }))).toHaveLength(10);
  }
}

async function witnessState(t: Scenario): Promise<readonly unknown[]> {
  const { etag, attributes } = await t.call("getQueueAttributes", { queue: "witness" });
  const { messages } = await t.call("peekMessages", { queue: "witness" });
  return [await t.counters("witness"), etag, attributes, messages];
}

/** Runs through all of them, some at a time. */
async function inParallel<Item>(
  items: Iterable<Item>,
  run: (item: Item) => Promise<void>,
): Promise<number> {
  const iterator = items[Symbol.iterator]();
  let count = 0;
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      count += 1;
      await run(next.value);
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
  return count;
}

test("a request cut at any byte is malformed, or a shorter whole one", async () => {
  const target = await Target.create();
  for (const method of unary) {
    const { path, requestType, name } = method;
    const bytes = wholeBytes(method, target.t.queue, target.handle);
    const ends = fieldEnds(parseFields(bytes, requestType));
    const before = await target.t.counters();
    for (const isWhole of [false, true]) {
      const cuts = Array.from({ length: bytes.length }, (_, cut) => cut).filter(
        (cut) => ends.has(cut) === isWhole,
      );
      await inParallel(cuts, async (cut) => {
        const { reason } = await target.call(path, bytes.subarray(0, cut), `cut at ${cut}`);
        if (isWhole) expect(reason, `${name} cut at ${cut}`).not.toBe("MALFORMED_REQUEST");
        else expect(reason, `${name} cut at ${cut}`).toBe("MALFORMED_REQUEST");
      });
      if (!isWhole) expect(await target.t.counters(), name).toEqual(before);
    }
    await target.renew();
  }
  await target.checkUnharmed();
});

/** A request id is spoilt in its own turn only: with one, every other change is a reuse of it. */
function* mutantsToTry({ requestType }: ContractMethod, whole: Buffer): Iterable<Mutant> {
  const fields = parseFields(whole, requestType);
  const without = fields.filter(({ field }) => field?.name !== "request_id");
  yield* mutantsOf(requestType, encodeFields(without));
  for (const mutant of mutantsOf(requestType, whole)) {
    if (mutant.what.startsWith("request_id")) yield mutant;
  }
}

test("a request with any field of another type or value, left out, doubled or unknown gets a clear answer", async () => {
  const target = await Target.create();
  const seen = new Map<string, number>();
  let count = 0;
  for (const method of unary) {
    const whole = wholeBytes(method, target.t.queue, target.handle);
    count += await inParallel(mutantsToTry(method, whole), async (mutant) => {
      const { what, bytes, isMalformed } = mutant;
      const { code, reason } = await target.call(method.path, bytes, what);
      const key = `${code} ${reason ?? ""}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      // A field of another wire type than ours is an unknown one: passed over, since a newer client may send it.
      if (isMalformed === true) expect(reason, what).toBe("MALFORMED_REQUEST");
      if (isMalformed === false) expect(reason, what).not.toBe("MALFORMED_REQUEST");
    });
    await target.renew();
  }
  expect(count).toBeGreaterThan(4_000);
  for (const key of [
    "OK ",
    "INVALID_ARGUMENT MALFORMED_REQUEST",
    "INVALID_ARGUMENT MISSING_PARAMETER",
  ]) {
    expect(seen.get(key) ?? 0, key).toBeGreaterThan(100);
  }
  await target.checkUnharmed();
});

/** A field with a documented range, and how to reach it from the request. */
interface Ranged {
  readonly method: ContractMethod;
  readonly path: readonly string[];
  readonly min: number;
  readonly max: number;
  readonly isDuration: boolean;
}

function* rangedFields(
  method: ContractMethod,
  messageName: string,
  path: readonly string[] = [],
): Iterable<Ranged> {
  for (const field of fieldsOf(messageName)) {
    const here = [...path, field.name];
    const range = rangeOf(field) ?? inheritedRange(messageName, field.name);
    if (range !== undefined) yield { method, path: here, ...range };
    else if (field.type === FieldType.MESSAGE && field.typeName.startsWith("forebay.")) {
      yield* rangedFields(method, field.typeName, here);
    }
  }
}

/** "As in SendMessageRequest" in the comment of a batch entry, or of what a schedule sends. */
function inheritedRange(messageName: string, fieldName: string) {
  const single = messageName
    .replace("BatchRequestEntry", "Request")
    .replace("ScheduledSend", "SendMessageRequest");
  if (single === messageName) return undefined;
  const field = fieldsOf(single).find(({ name }) => name === fieldName);
  return field && rangeOf(field);
}

const integerField = (number: number, value: bigint | number): WireField => ({
  number,
  wireType: 0,
  payload: varint(value),
});

/** The request with the value at the path, in place of what was there. */
function withValue(
  bytes: Buffer,
  messageName: string,
  { path, isDuration }: Pick<Ranged, "path" | "isDuration">,
  value: number,
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
  let changed: WireField;
  if (rest.length > 0) {
    const payload = withValue(inside, field.typeName, { path: rest, isDuration }, value);
    changed = { number: field.number, wireType: 2, payload };
  } else if (isDuration) {
    const { seconds, nanos } = durationOf(value);
    const payload = encodeFields([integerField(1, seconds), integerField(2, nanos)]);
    changed = { number: field.number, wireType: 2, payload };
  } else {
    changed = integerField(field.number, value);
  }
  return Buffer.concat([encodeFields(others), encodeField(changed)]);
}

const ranged = unary
  .flatMap((method) => [...rangedFields(method, method.requestType)])
  // A part that this release does not have answers that, whatever its values.
  .filter(({ path }) => !/redrive_policy|data_key_reuse|dedup_window/.test(path.join()));

test("the documented ranges are those of many fields", () => {
  expect(ranged.map(({ method, path }) => `${method.name} ${path.join(".")}`)).toEqual(
    expect.arrayContaining([
      "CreateQueue attributes.visibility_timeout",
      "SetQueueAttributes attributes.max_in_flight",
      "SendMessage delay",
      "SendMessageBatch entries.delay",
      "ReceiveMessage max_bytes",
      "ChangeMessageVisibilityBatch entries.visibility_timeout",
      "PeekMessages body_bytes_max",
      "PutSchedule schedule.interval",
      "PutSchedule schedule.message.time_to_live",
    ]),
  );
  expect(ranged.length).toBeGreaterThan(22);
});

test.each(ranged.map((each) => [`${each.method.name} ${each.path.join(".")}`, each] as const))(
  "%s is taken at both ends of its documented range and refused beyond",
  async (_, field) => {
    const t = await scenario();
    const { method, path, min, max } = field;
    const isBatch = method.name.endsWith("Batch");
    const { responseType } = serviceMethods[keyOf(method.name)];
    const at = path.join(".");
    for (const value of [min - 1, min, max, max + 1, -(2 ** 31), 2 ** 31 - 1]) {
      await t.sendBatch(["a", "b"]);
      const { handle } = await t.receiveOne();
      // A new queue is of another name.
      const queue = method.name === "CreateQueue" ? "new" : t.queue;
      const bytes = withValue(wholeBytes(method, queue, handle), method.requestType, field, value);
      const isGood = value >= min && value <= max;
      const call = t.client.raw(method.path, bytes);
      const ended = await endOf(call);
      if (isBatch) {
        const answer = responseType.decode(await call) as {
          failed: { reason: string; message: string }[];
        };
        const [failure] = answer.failed;
        expect(failure?.reason, `${at} = ${value}`).toBe(isGood ? undefined : "INVALID_PARAMETER");
        if (!isGood) expect(failure?.message).toContain(`${path.at(-1)}: must be from`);
      } else if (isGood) {
        expect(ended.violations, `${at} = ${value}`).toEqual([]);
      } else {
        expect(ended, `${at} = ${value}`).toMatchObject({
          code: "INVALID_ARGUMENT",
          violations: [at],
        });
      }
      await t.deleteQueue();
      await t.createQueue(t.queue);
      await t.deleteQueue("new").catch(() => undefined);
    }
  },
);

test("bytes at random get a clear answer from every method", async () => {
  const target = await Target.create();
  for (const { path } of unary) {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await target.call(path, bytes, Buffer.from(bytes).toString("hex"));
      }),
      { numRuns: 40 },
    );
  }
  await target.checkUnharmed();
});

test("requests with bits turned at random get a clear answer from every method", async () => {
  const target = await Target.create();
  for (const method of unary) {
    const whole = wholeBytes(method, target.t.queue, target.handle);
    const turns = fc.array(fc.nat(whole.length * 8 - 1), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(turns, async (bits) => {
        const bytes = Buffer.from(whole);
        for (const bit of bits)
          bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        await target.call(method.path, bytes, bytes.toString("hex"));
      }),
      { numRuns: 60 },
    );
    await target.renew();
  }
  await target.checkUnharmed();
});

test("a map's key given twice has its last value, as the encoding says", async () => {
  const t = await scenario();
  const entry = (key: string, value: string): WireField => ({
    number: 2,
    wireType: 2,
    payload: encodeFields([
      { number: 1, wireType: 2, payload: Buffer.from(key) },
      { number: 2, wireType: 2, payload: Buffer.from(value) },
    ]),
  });
  const queue: WireField = { number: 1, wireType: 2, payload: Buffer.from(t.queue) };
  const bytes = encodeFields([queue, entry("a", "1"), entry("a", "2"), entry("__proto__", "3")]);
  await t.client.raw("/forebay.queue.v1.QueueService/TagQueue", bytes);
  expect((await t.call("listQueueTags", { queue: t.queue })).tags).toEqual(
    new Map([
      ["a", "2"],
      ["__proto__", "3"],
    ]),
  );
  const empty: WireField = { number: 2, wireType: 2, payload: Buffer.alloc(0) };
  const ended = await endOf(
    t.client.raw("/forebay.queue.v1.QueueService/TagQueue", encodeFields([queue, empty])),
  );
  expect(ended).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" });
});

test("of two bodies the last one counts, and attributes named like an object's own are attributes", async () => {
  const t = await scenario();
  const field = (number: number, text: string): WireField => ({
    number,
    wireType: 2,
    payload: Buffer.from(text),
  });
  const bytes = encodeFields([field(1, t.queue), field(2, "as text"), field(3, "as data")]);
  await t.client.raw("/forebay.queue.v1.QueueService/SendMessage", bytes);
  const { message } = await t.receiveOne();
  expect(message.body).toEqual({ $case: "data", value: Buffer.from("as data") });
  const names = ["__proto__", "constructor", "toString", "hasOwnProperty"];
  const value = { dataType: "String", value: { $case: "stringValue" as const, value: "x" } };
  await t.call("sendMessage", {
    queue: t.queue,
    body: { $case: "text", value: "x" },
    attributes: new Map(names.map((name) => [name, value])),
  });
  const received = await t.receiveOne({ attributes: ["All"] });
  expect([...received.message.attributes.keys()].sort()).toEqual([...names].sort());
});

test("a request above 4 MiB is refused, in a batch, a body or a stream, and nothing of it is stored", async () => {
  const t = await scenario();
  const body = Buffer.alloc(1_048_576, 1);
  const five = Array.from({ length: 5 }, (_, index) => ({
    id: String(index),
    body: { $case: "data" as const, value: body },
  }));
  for (const call of [
    t.call("sendMessageBatch", { queue: t.queue, entries: five }),
    t.send(Buffer.alloc(5 * 1_048_576)),
    t.send("x".repeat(4 * 1_048_576)),
  ]) {
    expect(await endOf(call)).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  }
  const stream = t.produce();
  stream.write({ queue: t.queue, entries: five });
  expect(await stream.ended).toMatchObject({ code: "RESOURCE_EXHAUSTED" });
  // Below the transport's limit the service's own apply.
  expect(await endOf(t.sendBatch([body, body, body]))).toMatchObject({
    code: "INVALID_ARGUMENT",
    reason: "BATCH_TOO_LONG",
  });
  expect(await t.counts()).toBe("0/0/0");
});

test("a list of a hundred thousand is refused soon", async () => {
  const t = await scenario();
  const many = Array.from({ length: 100_000 }, (_, index) => String(index));
  const entries = many.map((id) => ({ id, receiptHandle: "x" }));
  const startedMs = performance.now();
  expect(await endOf(t.call("deleteMessageBatch", { queue: t.queue, entries }))).toMatchObject({
    reason: "TOO_MANY_ENTRIES",
  });
  const { queue } = t;
  for (const call of [
    () => t.call("untagQueue", { queue, keys: many }),
    () => t.call("getQueueAttributes", { queue, names: many }),
    () => t.call("tagQueue", { queue, tags: new Map(many.map((key) => [key, ""])) }),
    () => t.call("setQueueAttributes", { queue, updateMask: many }),
    () => t.receive({ attributes: many }),
    () => t.call("peekMessages", { queue, states: many.map(() => 9 as MessageState) }),
  ]) {
    const ended = await endOf(call());
    expect(["INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"]).toContain(ended.code);
    expect(ended.message.length).toBeLessThan(2_000);
  }
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test("methods and services that do not exist are unimplemented, whatever is sent to them", async () => {
  const t = await scenario();
  for (const path of [
    "/forebay.queue.v1.QueueService/Nope",
    "/forebay.queue.v1.QueueService/sendMessage",
    "/forebay.queue.v2.QueueService/SendMessage",
    "/QueueService/SendMessage",
    "/forebay.queue.v1.QueueService/",
    "/forebay.queue.v1.QueueService/SendMessage/",
    "/__proto__/constructor",
    "/",
  ]) {
    for (const bytes of [Buffer.alloc(0), Buffer.from([0xff]), randomBytes(100)]) {
      expect(await endOf(t.client.raw(path, bytes)), path).toMatchObject({
        code: "UNIMPLEMENTED",
        reason: "UNKNOWN_METHOD",
      });
    }
  }
});

test("bytes at random end a stream with a clear status, first or in the middle", async () => {
  const t = await scenario({ time: "real" });
  await t.send("work");
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ minLength: 1, maxLength: 100 }),
      fc.boolean(),
      fc.constantFrom("produce" as const, "consume" as const),
      async (bytes, isFirst, method) => {
        const stream = t.client[method]();
        if (!isFirst && method === "produce") stream.write({ queue: t.queue } as never);
        if (!isFirst && method === "consume") {
          const value = { queue: t.queue, credit: { messages: 1 } };
          stream.write({ request: { $case: "start", value } } as never);
        }
        stream.writeBytes(bytes);
        stream.halfClose();
        const error = await Promise.race([
          stream.ended,
          new Promise<"hangs">((resolve) => setTimeout(() => resolve("hangs"), hangMs).unref()),
        ]);
        if (error === undefined) return;
        if (error === "hangs") throw new Error("The stream hangs.");
        expect(clearCodes, error.message).toContain(error.code);
        expect(error.reason).toMatch(/^[A-Z_]+$/);
      },
    ),
    { numRuns: 300 },
  );
  await t.settle();
  expect(await t.counters()).toMatchObject({ visible: 1, stored: 1 });
});

test("headers of 64 KiB, or very many of them, get an answer, and the next call is served", async () => {
  const t = await scenario({ time: "real" });
  const long = { "x-long": "x".repeat(65_536) };
  const many = Object.fromEntries(Array.from({ length: 3_000 }, (_, index) => [`x-${index}`, "x"]));
  for (const metadata of [long, many]) {
    const client = t.newClient();
    const ended = await endOf(client.call("listQueues", {}, { metadata, deadlineMs: 2_000 }));
    expect(clearCodes).toContain(ended.code);
    client.close();
    expect((await t.call("listQueues", {})).queues).toEqual(["orders"]);
  }
});

test("calls that are no gRPC, or break off, leave the server unharmed", async () => {
  const t = await scenario({ time: "real" });
  const { host, port } = t.server.dataAddress;
  const path = "/forebay.queue.v1.QueueService/SendMessage";
  const request = (headers: Record<string, string>, body: Buffer | undefined): Promise<string> =>
    new Promise((resolve) => {
      const session = connect(`http://${host}:${port}`);
      session.on("error", () => undefined);
      const stream = session.request({
        [constants.HTTP2_HEADER_METHOD]: "POST",
        [constants.HTTP2_HEADER_PATH]: path,
        "content-type": "application/grpc",
        te: "trailers",
        ...headers,
      });
      let seen = "";
      const note = (fields: Record<string, unknown>): void => {
        seen = String(fields["grpc-status"] ?? fields[":status"] ?? seen);
      };
      stream.on("response", note);
      stream.on("trailers", note);
      stream.on("error", () => undefined);
      stream.on("close", () => {
        session.destroy();
        resolve(seen);
      });
      stream.resume();
      if (body === undefined) stream.close(constants.NGHTTP2_CANCEL);
      else stream.end(body);
      setTimeout(() => stream.destroy(), 2_000).unref();
    });
  const frame = (length: number, bytes: Buffer, flag = 0): Buffer => {
    const head = Buffer.from([flag, 0, 0, 0, 0]);
    head.writeUInt32BE(length, 1);
    return Buffer.concat([head, bytes]);
  };
  const message = Buffer.from([0x0a, 0x06, ...Buffer.from("orders"), 0x12, 0x01, 0x78]);
  const odd: [string, Record<string, string>, Buffer | undefined][] = [
    [
      "another content type",
      { "content-type": "application/json" },
      frame(message.length, message),
    ],
    ["GET", { ":method": "GET" }, Buffer.alloc(0)],
    ["no message", {}, Buffer.alloc(0)],
    ["half a frame's head", {}, Buffer.from([0, 0, 0])],
    ["a frame longer than its bytes", {}, frame(message.length + 10, message)],
    [
      "two messages in a unary call",
      {},
      Buffer.concat([frame(message.length, message), frame(message.length, message)]),
    ],
    ["an unknown compression", { "grpc-encoding": "snappy" }, frame(message.length, message, 1)],
    ["gzip that is none", { "grpc-encoding": "gzip" }, frame(message.length, message, 1)],
    ["a length of 4 GiB", {}, frame(0xffff_ffff, message)],
    ["a reset at once", {}, undefined],
  ];
  for (const [what, headers, body] of odd) {
    const before = (await t.counters()).sent;
    const seen = await request(headers, body);
    expect(seen, what).not.toBe("0");
    expect((await t.counters()).sent, what).toBe(before);
  }
  expect(await request({}, frame(message.length, message))).toBe("0");
  expect((await t.counters()).sent).toBe(1);
});
