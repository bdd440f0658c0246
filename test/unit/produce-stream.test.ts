// A producer that ends its side while the engine still decides, which a socket cannot show step by step: the handler over an
// engine whose decisions the test holds back.

import { expect, test } from "vitest";
import type { Namespace } from "../../src/base/brands.js";
import type { Command } from "../../src/engine/command.js";
import {
  type ProduceRequest,
  type ProduceResponse,
  SendMessageBatchRequestEntry,
} from "../../src/gen/forebay/queue/v1/queue_service.js";
import type { CallContext, MessageStream } from "../../src/rpc/call.js";
import { createProduceHandler } from "../../src/rpc/produce-stream.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { turns } from "../support/scenario.js";

/** The far end of a stream, with no transport between. */
class FakeStream implements MessageStream<ProduceRequest, ProduceResponse>, CallContext {
  readonly deadline = undefined;
  readonly isCancelled = false;
  readonly responses: ProduceResponse[] = [];
  ending: unknown = "open";
  ask: (request: ProduceRequest) => void = () => undefined;
  halfClose: () => void = () => undefined;

  onRequest(receive: (request: ProduceRequest) => void): void {
    this.ask = receive;
  }
  onRequestsEnd(react: () => void): void {
    this.halfClose = react;
  }
  onCancelled(): void {
    // Not in these tests.
  }
  metadata(): undefined {
    return undefined;
  }
  pauseRequests(): void {
    // Nothing more is asked here.
  }
  resumeRequests(): void {
    // Nothing more is asked here.
  }
  write(response: ProduceResponse): boolean {
    this.responses.push(response);
    return true;
  }
  async drained(): Promise<void> {
    await Promise.resolve();
  }
  end(): void {
    this.ending = "OK";
  }
  fail(error: unknown): void {
    this.ending = error;
  }
}

/** A stream whose first request the engine has not begun to decide; `decide` lets it. */
async function undecided(request: ProduceRequest) {
  const engine = await EngineHarness.start({ store: new MemoryStore() });
  await engine.createQueue("orders");
  let decide: () => void = () => undefined;
  const decided = new Promise<void>((resolve) => {
    decide = resolve;
  });
  const execute = engine.engine.execute.bind(engine.engine);
  engine.engine.execute = async (command) => {
    await decided;
    return execute(command as Command<never, never>);
  };
  const stream = new FakeStream();
  const handle = createProduceHandler({
    engine: engine.engine,
    namespace: "default" as Namespace,
    senderId: "test",
    draining: new AbortController().signal,
  });
  handle(stream, stream);
  stream.ask(request);
  return { stream, decide };
}

const entries: ProduceRequest["entries"] = [
  SendMessageBatchRequestEntry.fromPartial({ id: "1", body: { $case: "text", value: "m" } }),
];

test.each([
  { queue: "other", entries: [] },
  { queue: "other", entries },
])("that there is no such queue is told to a caller that has ended its side", async (request) => {
  const { stream, decide } = await undecided(request);
  stream.halfClose();
  await turns(5);
  expect(stream.ending).toBe("open");
  decide();
  await turns(20);
  expect(stream.ending).toMatchObject({ reason: "QUEUE_NOT_FOUND" });
  expect(stream.responses).toEqual([]);
});

test("what was read before the caller ended its side is answered, and the stream ends well", async () => {
  const { stream, decide } = await undecided({ queue: "orders", entries: [] });
  stream.halfClose();
  await turns(5);
  expect(stream.ending).toBe("open");
  decide();
  await turns(20);
  expect(stream.ending).toBe("OK");
});
