// A program of its own around store and engine: what a test may kill, put on a full disk or give a failing one. It is told
// what to do over the channel to its parent, and says what became of it; it never says more than the engine has promised.
// `engine-client.ts` starts it.

import { randomBytes } from "node:crypto";
import { milliseconds } from "../../src/base/brands.js";
import { createSystemClock } from "../../src/base/clock.js";
import { createIds, systemRandom } from "../../src/base/ids.js";
import { EngineRefusal } from "../../src/engine/command.js";
import { Engine } from "../../src/engine/engine.js";
import { decideFindQueue, decideReportQueue } from "../../src/queue/administer-queue.js";
import { decideCreateQueue } from "../../src/queue/create-queue.js";
import { decideDeleteMessages } from "../../src/queue/delete-messages.js";
import type { Receipt } from "../../src/queue/receipt.js";
import { decideReceiveMessages } from "../../src/queue/receive-messages.js";
import { decideSendMessages } from "../../src/queue/send-message.js";
import { isExpectedStoreRejection } from "../../src/store/commit-fault.js";
import { openStore } from "../../src/store/environment.js";
import { addressOf, entryOf } from "./engine-entries.js";

/** How the program is started, as JSON in its first argument. */
export interface EngineProcessOptions {
  readonly directory: string;
  readonly mapSizeBytes: number;
  readonly storageReserveBytes: number;
}

/** What the parent asks for. Bodies are made of a name and as many bytes as asked for. */
export type Request =
  | { readonly call: "send"; readonly name: string; readonly sizeBytes: number }
  | { readonly call: "receive"; readonly countMax: number; readonly visibilityTimeoutMs: number }
  | { readonly call: "delete"; readonly receipts: readonly Receipt[] }
  | { readonly call: "report" }
  | { readonly call: "stop" };

export type Reply =
  | { readonly kind: "sent" }
  | {
      readonly kind: "received";
      readonly messages: readonly { readonly name: string; readonly receipt: Receipt }[];
    }
  | { readonly kind: "deleted"; readonly results: readonly string[] }
  | { readonly kind: "report"; readonly stored: number; readonly inFlight: number }
  | { readonly kind: "stopped" }
  | { readonly kind: "refused"; readonly reason: string };

/** What the program says of itself. */
export type Event =
  | { readonly event: "ready"; readonly openMs: number }
  | { readonly event: "storage"; readonly isFull: boolean }
  | { readonly event: "failed"; readonly message: string }
  | { readonly event: "reply"; readonly id: number; readonly reply: Reply };

/** With which the program ends when the engine says that it must. */
export const failedExitCode = 7;

const queueName = "orders";
const address = addressOf(queueName);

function tell(event: Event, sent: () => void = () => undefined): void {
  process.send?.(event, undefined, undefined, sent);
}

async function start(options: EngineProcessOptions): Promise<void> {
  process.on("unhandledRejection", (reason) => {
    if (!isExpectedStoreRejection(reason)) throw reason;
  });
  const startedAt = performance.now();
  const store = openStore({
    directory: options.directory,
    mapSizeBytes: options.mapSizeBytes,
    freshSecret: randomBytes(32),
  });
  const engine = await Engine.start({
    store,
    clock: createSystemClock(Engine.lastInstant(store)),
    ids: createIds(systemRandom),
    limits: {
      commandsPendingMax: 100_000,
      uncommittedBytesMax: 256 * 1_048_576,
      waitersMax: 100_000,
      commitAgeMsMax: 60_000,
      storageReserveBytes: options.storageReserveBytes,
    },
    observer: {
      recordCommitted: () => undefined,
      corruptRowPassed: () => undefined,
      storageChanged: (isFull) => tell({ event: "storage", isFull }),
      // As the server does: at once, with nothing answered any more.
      failed: (error) =>
        tell({ event: "failed", message: error.message }, () => process.exit(failedExitCode)),
    },
  });
  const openMs = performance.now() - startedAt;
  await engine.execute({
    name: "CreateQueue",
    bytes: 500,
    isGrowing: false,
    decide: (transaction, stamp) =>
      decideCreateQueue(
        transaction,
        { address, isFifo: false, settings: {}, tags: new Map(), isStrict: false },
        stamp,
      ),
  });
  const serve = async (id: number, request: Request): Promise<void> => {
    const reply = await answerOrRefuse(engine, request);
    if (reply.kind === "stopped") await store.close();
    tell({ event: "reply", id, reply }, () => {
      if (reply.kind === "stopped") process.exit(0);
    });
  };
  process.on("message", ({ id, request }: { id: number; request: Request }) => {
    void serve(id, request);
  });
  tell({ event: "ready", openMs });
}

async function answerOrRefuse(engine: Engine, request: Request): Promise<Reply> {
  try {
    return await answer(engine, request);
  } catch (error) {
    if (error instanceof EngineRefusal) return { kind: "refused", reason: error.kind };
    throw error;
  }
}

async function answer(engine: Engine, request: Request): Promise<Reply> {
  switch (request.call) {
    case "send": {
      const body = `${request.name} `.padEnd(request.sizeBytes, "x");
      await engine.execute({
        name: "SendMessage",
        bytes: request.sizeBytes,
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideSendMessages(transaction, { address, entries: [entryOf({ body })] }, stamp),
      });
      return { kind: "sent" };
    }
    case "receive":
      return await receive(engine, request.countMax, request.visibilityTimeoutMs);
    case "delete": {
      const decision = await engine.execute({
        name: "DeleteMessage",
        bytes: 100,
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideDeleteMessages(transaction, { address, receipts: request.receipts }, stamp),
      });
      if (decision.kind === "rejected") return { kind: "refused", reason: decision.rejection.kind };
      return { kind: "deleted", results: decision.outcome.map(({ kind }) => kind) };
    }
    case "report": {
      const decision = await engine.execute({
        name: "GetQueue",
        bytes: 0,
        isGrowing: false,
        decide: (transaction, stamp) => decideReportQueue(transaction, address, stamp),
      });
      if (decision.kind === "rejected") return { kind: "refused", reason: decision.rejection.kind };
      const { stored, inFlight } = decision.outcome.counters;
      return { kind: "report", stored, inFlight };
    }
    case "stop":
      await engine.stop();
      return { kind: "stopped" };
  }
}

async function receive(
  engine: Engine,
  countMax: number,
  visibilityTimeoutMs: number,
): Promise<Reply> {
  const { decision } = engine.executeOrWait({
    name: "ReceiveMessage",
    bytes: 1_000,
    isGrowing: false,
    locate: (transaction) => {
      const found = decideFindQueue(transaction, address);
      return found.kind === "rejected"
        ? found
        : { kind: "accepted", outcome: { queue: found.outcome.number, waitMs: 0 } };
    },
    decide: (transaction, stamp, { queue }) =>
      decideReceiveMessages(
        transaction,
        {
          address,
          countMax,
          bytesMax: 4_000_000,
          visibilityTimeoutMs: milliseconds(visibilityTimeoutMs),
          isShortPoll: true,
        },
        stamp,
        queue,
      ),
    empty: () => undefined,
  });
  const decided = await decision;
  if (decided.kind === "rejected") return { kind: "refused", reason: decided.rejection.kind };
  const received = decided.outcome;
  return {
    kind: "received",
    messages:
      received?.messages.map(({ message, delivery }) => ({
        name: message.content.body.toString("utf8").split(" ")[0] ?? "",
        receipt: {
          queue: received.queue.number,
          segment: received.queue.segment,
          sequence: message.sequence,
          ordinal: delivery.ordinal,
        },
      })) ?? [],
  };
}

const [, , options] = process.argv;
if (options !== undefined && process.send !== undefined)
  await start(JSON.parse(options) as EngineProcessOptions);
