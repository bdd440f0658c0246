// A consumer's stream against a disk that stalls or is full, which a socket cannot show step by step: the handler over an engine
// whose commits the test holds back.

import { expect, test } from "vitest";
import type { Namespace } from "../../src/base/brands.js";
import { type Command, EngineRefusal } from "../../src/engine/command.js";
import {
  ConsumeRequest,
  type ConsumeResponse,
} from "../../src/gen/forebay/queue/v1/queue_service.js";
import { ReceiptCodec } from "../../src/queue/receipt.js";
import { accept } from "../../src/queue/rejections.js";
import type { CallContext, MessageStream } from "../../src/rpc/call.js";
import { createConsumeHandler } from "../../src/rpc/consume-stream.js";
import { handleBytes } from "../../src/rpc/handler-context.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { turns } from "../support/scenario.js";

type Request = Parameters<typeof ConsumeRequest.fromPartial>[0]["request"];

/** The far end of a stream, with no transport between. */
class FakeStream implements MessageStream<ConsumeRequest, ConsumeResponse>, CallContext {
  readonly deadline = undefined;
  readonly responses: ConsumeResponse[] = [];
  isCancelled = false;
  isPaused = false;
  end_: unknown = "open";
  #receive: (request: ConsumeRequest) => void = () => undefined;
  #cancelled: () => void = () => undefined;

  ask(request: Request): void {
    this.#receive(ConsumeRequest.fromPartial({ request }));
  }
  cancel(): void {
    this.isCancelled = true;
    this.#cancelled();
  }
  /** What became of handles so far, in order. */
  get results(): string[] {
    return this.responses.flatMap(({ response }) =>
      response?.$case === "results"
        ? response.value.results.map(({ result }) => result?.$case ?? "nothing")
        : [],
    );
  }
  get handles(): string[] {
    return this.responses.flatMap(({ response }) =>
      response?.$case === "messages"
        ? response.value.messages.map(({ receiptHandle }) => receiptHandle)
        : [],
    );
  }

  onRequest(receive: (request: ConsumeRequest) => void): void {
    this.#receive = receive;
  }
  onRequestsEnd(): void {
    // Not in these tests.
  }
  onCancelled(react: () => void): void {
    this.#cancelled = react;
  }
  metadata(): undefined {
    return undefined;
  }
  pauseRequests(): void {
    this.isPaused = true;
  }
  resumeRequests(): void {
    this.isPaused = false;
  }
  write(response: ConsumeResponse): boolean {
    this.responses.push(response);
    return true;
  }
  async drained(): Promise<void> {
    await Promise.resolve();
  }
  end(): void {
    this.end_ = "OK";
  }
  fail(error: unknown): void {
    this.end_ = error;
  }
}

/** A server, or the next one over the same engine. */
async function harness(before?: { readonly store: MemoryStore; readonly engine: EngineHarness }) {
  const store = before?.store ?? new MemoryStore();
  const engine = before?.engine ?? (await EngineHarness.start({ store }));
  if (before === undefined) await engine.createQueue("orders");
  const draining = new AbortController();
  const handle = createConsumeHandler({
    engine: engine.engine,
    clock: engine.clock,
    namespace: "default" as Namespace,
    receipts: new ReceiptCodec(store.secret),
    draining: draining.signal,
  });
  const commands: { readonly name: string; readonly handleCount: number }[] = [];
  const execute = engine.engine.execute.bind(engine.engine);
  engine.engine.execute = (command) => {
    commands.push({ name: command.name, handleCount: command.bytes / handleBytes });
    return execute(command as Command<never, never>);
  };
  const open = async (messages: number, seconds = 30n, keepLeases = false): Promise<FakeStream> => {
    const stream = new FakeStream();
    handle(stream, stream);
    stream.ask({
      $case: "start",
      value: {
        queue: "orders",
        visibilityTimeout: { seconds, nanos: 0 },
        credit: { messages, bytes: 1_000_000n },
        keepLeases,
      },
    });
    await turns(20);
    return stream;
  };
  const send = async (count: number): Promise<void> => {
    await engine.send("orders", ...Array.from({ length: count }, () => "m"));
  };
  const inFlight = async () => (await engine.report("orders"))?.counters.inFlight;
  return { store, engine, draining, commands, open, send, inFlight };
}

const named = (commands: readonly { readonly name: string }[], name: string) =>
  commands.filter((command) => command.name === name);

test("a receive that cannot be given back because the disk is full hurts nobody", async () => {
  const { store, open, send, inFlight, engine } = await harness();
  await send(1);
  store.mode = "held";
  const stream = await open(10);
  expect(store.isHolding).toBe(true);
  stream.cancel();
  // The record with the lease is stored; what gives it back finds no room, twice.
  store.mode = "at once";
  store.release();
  for (let turn = 0; !store.isHolding && turn < 5; turn += 1) await Promise.resolve();
  store.mode = "full";
  await turns(10);
  store.mode = "at once";
  expect(engine.failures).toEqual([]);
  // An unhandled rejection would fail this test. The lease ends by itself.
  await engine.clock.advance(30_000);
  expect(await inFlight()).toBe(0);
});

test("what streams held is given back a thousand at a time over all of them, turn by turn", async () => {
  const { store, draining, commands, open, send, inFlight } = await harness();
  await send(5_500);
  const streams = [await open(2_500), await open(1_500), await open(1_500)];
  for (const stream of streams) while (stream.handles.length % 500 !== 0) await turns();
  await turns(50);
  expect(await inFlight()).toBe(5_500);
  store.mode = "held";
  draining.abort();
  await turns(5);
  // What is decided before each commit: one slice of each stream in turn, small ones together.
  const decided: number[][] = [];
  let seenCount = 0;
  while (store.isHolding) {
    const releases = commands.filter(({ name }) => name === "ConsumeRelease");
    decided.push(releases.slice(seenCount).map(({ handleCount }) => handleCount));
    seenCount = releases.length;
    if (decided.length === 1) expect(streams.every(({ end_ }) => end_ === "open")).toBe(true);
    store.release();
    await turns(5);
  }
  expect(decided).toEqual([[1_000], [1_000], [1_000], [1_000], [500, 500], [500]]);
  store.mode = "at once";
  expect(await inFlight()).toBe(0);
  for (const { end_ } of streams) expect(end_).toMatchObject({ reason: "SHUTTING_DOWN" });
});

test("renewals do not pile up while the disk stalls", async () => {
  const { store, engine, commands, open, send } = await harness();
  await send(1);
  const stream = await open(1, 3n);
  expect(stream.handles).toHaveLength(1);
  const renewals = () => named(commands, "ConsumeRenew").length;
  await engine.clock.advance(2_000);
  expect(renewals()).toBe(2);
  store.mode = "held";
  for (let round = 0; round < 5; round += 1) await engine.clock.advance(1_000);
  expect(renewals()).toBe(3);
  store.mode = "at once";
  store.release();
  await turns(10);
  await engine.clock.advance(1_000);
  expect(renewals()).toBe(4);
});

test("a caller that asks on while the disk stalls is not read from without end, refused or not", async () => {
  const { store, open, send } = await harness();
  await send(1);
  const stream = await open(10);
  store.mode = "held";
  stream.ask({ $case: "ack", value: { receiptHandles: stream.handles } });
  await turns(2);
  let askedCount = 0;
  for (; !stream.isPaused && askedCount < 100; askedCount += 1) {
    stream.ask({
      $case: "ack",
      value: { receiptHandles: Array.from({ length: 1_000 }, () => "x") },
    });
    await turns(1);
  }
  expect(askedCount).toBe(10);
  const before = stream.responses.length;
  store.mode = "at once";
  store.release();
  await turns(10);
  expect(stream.isPaused).toBe(false);
  expect(stream.responses.length).toBeGreaterThan(before);
});

test("an ack that is under way when the server stops is done, and what it keeps is as it was", async () => {
  const { store, draining, commands, open, send, inFlight } = await harness();
  await send(3);
  const stream = await open(3, 30n, true);
  const [a = "", b = ""] = stream.handles;
  store.mode = "held";
  stream.ask({ $case: "ack", value: { receiptHandles: [a] } });
  // Refused, as there is no dead-letter queue: what it leaves is kept, too.
  stream.ask({ $case: "reject", value: { receiptHandles: [b], reason: "bad", deadLetter: true } });
  draining.abort();
  await turns(5);
  expect(stream.end_).toBe("open");
  store.mode = "at once";
  store.release();
  await turns(10);
  expect(stream.results).toEqual(["deleted", "error"]);
  expect(stream.end_).toMatchObject({ reason: "SHUTTING_DOWN" });
  expect(named(commands, "ConsumeRelease")).toEqual([]);
  expect(await inFlight()).toBe(2);
});

test("a hold that was not answered when the stream broke gives back what it took over", async () => {
  const { store, engine, draining, open, send, inFlight } = await harness();
  await send(2);
  const first = await open(2, 30n, true);
  draining.abort();
  await turns(5);
  expect(await inFlight()).toBe(2);
  const { open: openAgain } = await harness({ store, engine });
  const second = await openAgain(0);
  store.mode = "held";
  second.ask({ $case: "hold", value: { receiptHandles: first.handles } });
  await turns(2);
  expect(second.isPaused).toBe(true);
  second.cancel();
  await turns(5);
  store.mode = "at once";
  store.release();
  await turns(20);
  expect(await inFlight()).toBe(0);
});

test("what a stream that broke has not given back yet may be held by another", async () => {
  const { store, open, send, inFlight } = await harness();
  await send(2_500);
  const first = await open(2_500);
  while (first.handles.length < 2_500) await turns();
  const second = await open(0);
  store.mode = "held";
  first.cancel();
  await turns(5);
  // The first thousand are under way; the last are not.
  const last = first.handles.slice(-600);
  second.ask({ $case: "hold", value: { receiptHandles: last } });
  second.ask({ $case: "hold", value: { receiptHandles: first.handles.slice(0, 400) } });
  store.mode = "at once";
  store.release();
  await turns(50);
  expect(second.results).toEqual([
    ...last.map(() => "leaseEndTime"),
    ...Array.from({ length: 400 }, () => "error"),
  ]);
  expect(await inFlight()).toBe(600);
  second.cancel();
  await turns(20);
  expect(await inFlight()).toBe(0);
});

test("a hold waits until the engine has room, and what it takes over is nobody else's meanwhile", async () => {
  const { engine, commands, open, send, inFlight } = await harness();
  await send(1);
  const first = await open(1);
  const second = await open(0);
  const { execute } = engine.engine;
  let refusals = 2;
  engine.engine.execute = (command) => {
    if (command.name !== "ConsumeHold" || refusals === 0)
      return execute(command as Command<never, never>);
    refusals -= 1;
    return Promise.reject(new EngineRefusal("commit_backlog", "busy", 100));
  };
  second.ask({ $case: "hold", value: { receiptHandles: first.handles } });
  await turns(10);
  expect(second.isPaused).toBe(true);
  first.cancel();
  await turns(10);
  expect(second.results).toEqual([]);
  await engine.clock.advance(200);
  expect(second.results).toEqual(["leaseEndTime"]);
  expect(second.isPaused).toBe(false);
  expect(named(commands, "ConsumeRelease")).toEqual([]);
  expect(await inFlight()).toBe(1);
});

test("a stream holds a bounded number of messages in this way", async () => {
  const { engine, open } = await harness();
  const stream = await open(0);
  // What becomes of a hundred thousand is no matter here, and takes a while.
  engine.engine.execute = () => Promise.resolve(accept([]) as never);
  const receiptHandles = Array.from({ length: 1_000 }, () => "x");
  for (let request = 0; request < 100; request += 1) {
    stream.ask({ $case: "hold", value: { receiptHandles } });
    await turns(1);
  }
  await turns(5);
  expect(stream.end_).toBe("open");
  stream.ask({ $case: "hold", value: { receiptHandles: ["x"] } });
  await turns(5);
  expect(stream.end_).toMatchObject({
    fields: { violations: [{ field: "hold.receipt_handles" }] },
  });
});
