// Bad input: whatever bytes come, the answer is a clear status, soon, and the server is unharmed. Requests are spoilt field
// by field as the contract's descriptor lists them, so a new field is covered on the day it is added.

import { randomBytes } from "node:crypto";
import { connect, constants } from "node:http2";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { MessageState } from "../../src/gen/forebay/queue/v1/message.js";
import { clearCodes, type Ended, encodeRequest, endOf, soon } from "../support/clear-answers.js";
import { type ContractMethod, FieldType, fieldsOf, methods } from "../support/contract.js";
import { bodiesOf, type Scenario, scenario } from "../support/scenario.js";
import { keyOf, type Place, requestsOf, streamRequests } from "../support/whole-requests.js";
import {
  encodeFields,
  fieldEnds,
  type Mutant,
  mutantsOf,
  parseFields,
  type WireField,
} from "../support/wire-format.js";

const unary = methods.filter(({ isStream }) => !isStream);

/**
 * Queues to be mistreated, with enough in them that no receive waits, and a witness beside them whose state is compared at the
 * end: nothing that is asked of the others may touch it.
 */
class Target {
  readonly t: Scenario;
  readonly #witness: readonly unknown[];
  standard: Place = { queue: "target", handle: "" };
  fifo: Place = { queue: "target.fifo", handle: "" };

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
    await t.createQueue("dead");
    await t.createQueue("dead.fifo", { type: "fifo" });
    await t.createQueue("elsewhere");
    await target.renew();
    // So that messages can be moved out of it.
    await t.createQueue("orders", { redrive: { to: "target", after: 1 } });
    return target;
  }

  /** The queues as they were at first: whatever has been done to them is undone. */
  async renew(): Promise<void> {
    const { t } = this;
    for (const { queue } of [this.standard, this.fifo]) {
      await t.deleteQueue(queue).catch(() => undefined);
    }
    await t.createQueue(this.standard.queue);
    await t.createQueue(this.fifo.queue, { type: "fifo" });
    this.standard = await this.#fill(this.standard.queue, () => ({}));
    this.fifo = await this.#fill(this.fifo.queue, (index) => ({
      groupId: `group-${index}`,
      dedupId: `id-${index}`,
    }));
  }

  async #fill(queue: string, idsOf: (index: number) => object): Promise<Place> {
    const { t } = this;
    const stream = t.produce();
    const entries = Array.from({ length: 120 }, (_, index) => ({
      body: { $case: "text" as const, value: "body" },
      ...idsOf(index),
    }));
    stream.write({ queue, entries });
    stream.halfClose();
    expect(await stream.ended).toBeUndefined();
    return { queue, handle: (await t.receiveOne({ queue })).handle };
  }

  /** The requests of a method, to be spoilt. */
  requests({ name }: ContractMethod): readonly Buffer[] {
    const key = keyOf(name);
    return requestsOf(key, this.standard, this.fifo).map((request) => encodeRequest(key, request));
  }

  /** Calls with these bytes; anything but a clear answer fails the test. */
  async call(path: string, bytes: Uint8Array, what: string): Promise<Ended> {
    const ended = await endOf(this.t.client.raw(path, bytes));
    checkClear(ended, `${path} ${what}`);
    return ended;
  }

  async messageCounts(): Promise<unknown> {
    const { t, standard, fifo } = this;
    return [await t.counters(standard.queue), await t.counters(fifo.queue)];
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

function checkClear({ code, reason, message }: Ended, what: string): void {
  expect(clearCodes, `${what}: ${code} ${message}`).toContain(code);
  if (code === "OK") return;
  expect(reason, `${what}: ${message}`).toMatch(/^[A-Z][A-Z_]+$/);
  expect(message.length).toBeGreaterThan(10);
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

test("the requests that are spoilt have every field of the contract", () => {
  const place = { queue: "q", handle: "h" };
  const streams = streamRequests(place);
  const wanted = new Set<string>();
  const filled = new Set<string>();
  for (const { name, requestType, isStream } of methods) {
    for (const path of fieldPaths(requestType)) wanted.add(`${name} ${path}`);
    const requests = isStream
      ? name === "Produce"
        ? streams.produce.map((request) => encodeRequest("produce", request))
        : streams.consume.map((request) => encodeRequest("consume", request))
      : requestsOf(keyOf(name), place, place).map((request) => encodeRequest(keyOf(name), request));
    for (const bytes of requests) {
      for (const path of filledPaths(parseFields(bytes, requestType))) {
        filled.add(`${name} ${path}`);
      }
    }
  }
  // The seconds of a time or duration are filled, and mutants fill the nanos.
  const missing = [...wanted].filter((path) => !filled.has(path) && !path.endsWith(".nanos"));
  expect(missing).toEqual([]);
  expect(wanted.size).toBeGreaterThan(300);
});

function* fieldPaths(messageName: string, path = ""): Iterable<string> {
  for (const { name, type, typeName } of fieldsOf(messageName)) {
    yield path + name;
    if (type === FieldType.MESSAGE) yield* fieldPaths(typeName, `${path}${name}.`);
  }
}

function* filledPaths(fields: readonly WireField[], path = ""): Iterable<string> {
  for (const { field, children } of fields) {
    if (field === undefined) continue;
    yield path + field.name;
    if (children !== undefined) yield* filledPaths(children, `${path}${field.name}.`);
  }
}

const unaryRows = unary.map((method) => [method.name, method] as const);

test.each(unaryRows)(
  "bytes at random, and requests of %s cut or with bits turned anywhere, get a clear answer",
  async (_, method) => {
    const target = await Target.create();
    await cutAnywhere(target, method);
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (bytes) => {
        await target.call(method.path, bytes, Buffer.from(bytes).toString("hex"));
      }),
      { numRuns: 40 },
    );
    await turnBits(target, method);
    await target.checkUnharmed();
  },
);

/** Malformed, or a shorter whole request. */
async function cutAnywhere(target: Target, method: ContractMethod): Promise<void> {
  const { path, requestType, name } = method;
  for (const [variant, bytes] of target.requests(method).entries()) {
    const ends = fieldEnds(parseFields(bytes, requestType));
    const before = await target.messageCounts();
    for (const isWhole of [false, true]) {
      const cuts = Array.from({ length: bytes.length }, (_, cut) => cut).filter(
        (cut) => ends.has(cut) === isWhole,
      );
      await inParallel(cuts, async (cut) => {
        const what = `${name} ${variant} cut at ${cut}`;
        const { reason } = await target.call(path, bytes.subarray(0, cut), what);
        if (isWhole) expect(reason, what).not.toBe("MALFORMED_REQUEST");
        else expect(reason, what).toBe("MALFORMED_REQUEST");
      });
      if (!isWhole && variant === 0) expect(await target.messageCounts(), name).toEqual(before);
    }
  }
}

async function turnBits(target: Target, method: ContractMethod): Promise<void> {
  const [whole = Buffer.alloc(0)] = target.requests(method);
  const turns = fc.array(fc.nat(whole.length * 8 - 1), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(turns, async (bits) => {
      const bytes = Buffer.from(whole);
      for (const bit of bits) {
        bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      }
      await target.call(method.path, bytes, bytes.toString("hex"));
    }),
    { numRuns: 60 },
  );
}

/** A request id is spoilt in its own turn only: with one, every other change is a reuse of it. */
function* mutantsToTry({ requestType }: ContractMethod, whole: Buffer): Iterable<Mutant> {
  const fields = parseFields(whole, requestType);
  const without = fields.filter(({ field }) => field?.name !== "request_id");
  yield* mutantsOf(requestType, encodeFields(without));
  for (const mutant of mutantsOf(requestType, whole)) {
    if (mutant.what.startsWith("request_id")) yield mutant;
  }
}

/** Each request of each method, so that no test takes long. */
const requestRows = unary.flatMap((method) => {
  const place = { queue: "q", handle: "h" };
  const { length } = requestsOf(keyOf(method.name), place, place);
  return Array.from({ length }, (_, index) => [method.name, index + 1, method] as const);
});

test.each(requestRows)(
  "a request of %s (%i) with any field of another type or value, left out, doubled or unknown gets a clear answer",
  async (_, number, method) => {
    const target = await Target.create();
    const whole = target.requests(method)[number - 1] as Buffer;
    if (number === 1) await checkGood(target, method, whole);
    let malformedCount = 0;
    await inParallel(mutantsToTry(method, whole), async ({ what, bytes, isMalformed }) => {
      const { reason } = await target.call(method.path, bytes, what);
      if (reason === "MALFORMED_REQUEST") malformedCount += 1;
      // A field of another wire type than ours is an unknown one: passed over, since a newer client may send it.
      if (isMalformed === true) expect(reason, what).toBe("MALFORMED_REQUEST");
      if (isMalformed === false) expect(reason, what).not.toBe("MALFORMED_REQUEST");
    });
    expect(malformedCount).toBeGreaterThan(5);
    await target.checkUnharmed();
  },
);

/** What is spoilt is taken when it is not, or names something that is not there: every spoilt field is its own only fault. */
async function checkGood(target: Target, method: ContractMethod, bytes: Buffer): Promise<void> {
  const { code, reason = "", message } = await target.call(method.path, bytes, "as it is");
  const names = [
    "QUEUE_ALREADY_EXISTS",
    "MOVE_TASK_HANDLE_INVALID",
    "MESSAGE_NOT_FOUND",
    "LABEL_NOT_FOUND",
    "SCHEDULE_NOT_FOUND",
  ];
  expect(code === "OK" || names.includes(reason), `${method.name}: ${message}`).toBe(true);
}

test.each(["produce", "consume"] as const)(
  "a request of %s with any field spoilt, first or after a good one, gets a clear answer",
  async (key) => {
    const target = await Target.create();
    const { t, standard } = target;
    const { requestType } = methods.find(
      ({ name }) => keyOf(name) === (key as string),
    ) as ContractMethod;
    const [first, ...others] = streamRequests(standard)[key].map((request) =>
      encodeRequest(key, request as never),
    );
    const good = first as Buffer;
    const attempts = [good, ...others].flatMap((request, index) =>
      [...mutantsOf(requestType, request)].map(({ what, bytes }) => ({
        what: `${key} ${index}: ${what}`,
        requests: index === 0 ? [bytes] : [good, bytes],
      })),
    );
    expect(attempts.length).toBeGreaterThan(200);
    await inParallel(attempts, async ({ what, requests }) => {
      const stream = t.client[key]();
      for (const bytes of requests) stream.writeBytes(bytes);
      stream.halfClose();
      const error = await soon(stream.ended);
      if (error !== undefined) checkClear(error, what);
    });
    await target.checkUnharmed();
  },
);

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
        const error = await soon(stream.ended);
        if (error !== undefined) checkClear(error, method);
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
