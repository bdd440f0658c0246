// A receive with a request id whose caller is gone by the time its leases are durable. He may be back under the same id
// before that: then the messages are his, and nothing is undone. If not they go back as they were, and the id is free.
// Between the two lies one commit, which the store in memory holds.

import { expect, test } from "vitest";
import { seconds } from "../../src/base/brands.js";
import { MessageSystemAttributeName } from "../../src/gen/forebay/queue/v1/message.js";
import { ReceiveMessageRequest } from "../../src/gen/forebay/queue/v1/queue_service.js";
import { ReceiptCodec } from "../../src/queue/receipt.js";
import type { CallContext } from "../../src/rpc/call.js";
import { PageTokens } from "../../src/rpc/page-token.js";
import { createReceiveHandlers } from "../../src/rpc/receive-handlers.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { turns } from "../support/scenario.js";

/** A call whose caller can go away. */
class Caller implements CallContext {
  readonly deadline = undefined;
  isCancelled = false;
  readonly #reactions: (() => void)[] = [];

  onCancelled(react: () => void): void {
    this.#reactions.push(react);
  }
  metadata(): undefined {
    return undefined;
  }
  goAway(): void {
    this.isCancelled = true;
    for (const react of this.#reactions) react();
  }
}

async function heldReceive() {
  const store = new MemoryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  await harness.send("orders", "a");
  const { receiveMessage } = createReceiveHandlers({
    engine: harness.engine,
    clock: harness.clock,
    receipts: new ReceiptCodec(store.secret),
    pageTokens: new PageTokens(store.secret),
    isStrictTiming: false,
    requestKeepMs: seconds(300),
    draining: new AbortController().signal,
  });
  const receive = async (caller: Caller = new Caller()) => {
    const { messages, replayed } = await receiveMessage(
      ReceiveMessageRequest.fromPartial({
        queue: "orders",
        systemAttributeNames: [MessageSystemAttributeName.ALL],
        requestId: "r1",
      }),
      caller,
    );
    return {
      replayed,
      counts: messages.map(({ systemAttributes }) => systemAttributes?.receiveCount),
    };
  };
  store.mode = "held";
  const gone = new Caller();
  const received = receive(gone);
  await turns();
  expect(store.isHolding).toBe(true);
  gone.goAway();
  const letGo = async (): Promise<void> => {
    store.mode = "at once";
    store.release();
    await turns(10);
  };
  return { harness, receive, received, letGo };
}

test("a receive that was given again to its caller is not undone for the call he gave up", async () => {
  const { harness, receive, received, letGo } = await heldReceive();
  const repeat = receive();
  await letGo();
  expect(await received).toEqual({ replayed: false, counts: [] });
  expect(await repeat).toEqual({ replayed: true, counts: [1] });
  expect(await harness.report("orders")).toMatchObject({
    counters: { stored: 1, inFlight: 1, received: 1 },
  });
  // Nor for the next.
  expect(await receive()).toEqual({ replayed: true, counts: [1] });
  await harness.check();
});

test("a receive that nobody came back for is undone, and its id may be used again", async () => {
  const { harness, receive, received, letGo } = await heldReceive();
  await letGo();
  expect(await received).toEqual({ replayed: false, counts: [] });
  expect(await harness.report("orders")).toMatchObject({
    counters: { stored: 1, inFlight: 0, received: 0 },
  });
  expect(await receive()).toEqual({ replayed: false, counts: [1] });
  expect(await harness.report("orders")).toMatchObject({ counters: { inFlight: 1, received: 1 } });
  await harness.check();
});

test("a receive that was undone leaves its message to those who wait", async () => {
  const { harness, letGo } = await heldReceive();
  const other = harness.receiveOrWait("orders", { waitMs: 20_000 });
  await letGo();
  expect(await other.received).toMatchObject({ messages: [{ body: "a", receiveCount: 1 }] });
});

test("a call given up after its lease was decided does not wait again when the disk had no room for it", async () => {
  const store = new MemoryStore();
  const harness = await EngineHarness.start({ store });
  await harness.createQueue("orders");
  await harness.send("orders", "a");
  store.mode = "held";
  const waiting = harness.receiveOrWait("orders", { waitMs: 20_000 });
  await turns();
  expect(store.isHolding).toBe(true);
  // Decided, so it waits no more; what it was given is not durable yet.
  expect(waiting.cancel()).toBe(false);
  store.mode = "full";
  store.release();
  await Promise.resolve();
  await Promise.resolve();
  store.mode = "at once";
  await turns(10);
  expect(await waiting.received).toMatchObject({ messages: [] });
  expect(harness.engine.waiterCount).toBe(0);
  expect(await harness.receiveAll("orders")).toMatchObject([{ body: "a", receiveCount: 1 }]);
  await harness.check();
});
