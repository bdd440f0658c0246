// Move tasks without the wire: an engine in this process with a dead-letter queue `dead`, whose steps a test takes one by one.

import { expect } from "vitest";
import type { QueueName, Sequence } from "../../src/base/brands.js";
import { decideMoveStep, type MoveStepped } from "../../src/queue/move-step.js";
import type { MoveEdit, MoveFilter, MoveTask, MoveTaskId } from "../../src/queue/move-task.js";
import { decideListMoves, decideStartMove, type StartMove } from "../../src/queue/move-tasks.js";
import { addressOf, type Sent } from "./engine-entries.js";
import { EngineHarness, type HarnessOptions } from "./engine-harness.js";

export const noFilter: MoveFilter = {
  messageIds: [],
  attributes: new Map(),
  rejectionReason: undefined,
  deadLetterSource: undefined,
  groupId: undefined,
  bodyContains: Buffer.alloc(0),
  ageMsMin: undefined,
  ageMsMax: undefined,
};

export const noEdit: MoveEdit = {
  setAttributes: [],
  removeAttributes: [],
  body: undefined,
  groupId: undefined,
};

/** Of a queue that messages were sent to straight, in batches. */
export async function sendAll(
  harness: EngineHarness,
  queue: string,
  messages: readonly (Sent | string)[],
): Promise<void> {
  for (let from = 0; from < messages.length; from += 100) {
    await harness.send(queue, ...messages.slice(from, from + 100));
  }
}

/** An engine with `orders`, whose dead letters go to `dead`. */
export async function movingHarness(
  options: HarnessOptions & { readonly suffix?: ".fifo" } = {},
): Promise<EngineHarness> {
  const { suffix = "", ...rest } = options;
  const harness = await EngineHarness.start(rest);
  await makeDead(harness, suffix);
  return harness;
}

/** Creates `dead`, and `orders` whose dead letters go there. */
export async function makeDead(harness: EngineHarness, suffix: "" | ".fifo" = ""): Promise<void> {
  await harness.createQueue(`dead${suffix}`);
  const redrive = { deadLetterQueue: `dead${suffix}` as QueueName, receiveCountMax: 1 };
  await harness.createQueue(`orders${suffix}`, { redrive });
}

/** Starts a task out of `dead`, to `orders` unless told otherwise. */
export async function startMove(
  harness: EngineHarness,
  options: Partial<Omit<StartMove, "source" | "destination">> & {
    readonly source?: string;
    readonly destination?: string | undefined;
  } = {},
): Promise<MoveTaskId> {
  const { source = "dead", perSecondMax, filter, edit } = options;
  const destination = "destination" in options ? options.destination : "orders";
  const decision = await harness.run(
    "StartMessageMoveTask",
    (transaction, stamp) =>
      decideStartMove(
        transaction,
        {
          source: addressOf(source),
          destination: destination === undefined ? undefined : addressOf(destination),
          perSecondMax,
          filter,
          edit,
        },
        stamp,
      ),
    true,
  );
  if (decision.kind === "rejected") throw new Error(`Not started: ${decision.rejection.kind}.`);
  return decision.outcome;
}

export async function step(harness: EngineHarness, id: MoveTaskId): Promise<MoveStepped> {
  const decision = await harness.run(
    "MoveMessages",
    (transaction, stamp) => decideMoveStep(transaction, id, stamp),
    true,
  );
  if (decision.kind === "rejected") throw new Error("A step is never rejected.");
  return decision.outcome;
}

/** Steps until the task has ended; what each of them moved. */
export async function stepsToEnd(harness: EngineHarness, id: MoveTaskId): Promise<number[]> {
  const moved: number[] = [];
  for (let count = 0; count < 1_000; count += 1) {
    const { movedCount, next } = await step(harness, id);
    moved.push(movedCount);
    if (next.kind === "ended") return moved;
    if (next.at !== undefined) harness.clock.advanceAtOnce(next.at - harness.clock.now());
  }
  throw new Error("The task does not end.");
}

export async function taskOf(harness: EngineHarness, id: MoveTaskId): Promise<MoveTask> {
  let found: MoveTask | undefined;
  await harness.run("GetMove", (transaction) => {
    found = transaction.moveTask(id);
    return { kind: "accepted", outcome: undefined };
  });
  if (found === undefined) throw new Error("There is no such task.");
  return found;
}

/** Visible tasks of a source, newest first, as a list shows them. */
export async function listMoves(harness: EngineHarness, source = "dead") {
  const decision = await harness.run("ListMoves", (transaction) =>
    decideListMoves(transaction, {
      source: addressOf(source),
      before: undefined,
      countMax: 100,
      bytesMax: 1_000_000_000,
    }),
  );
  if (decision.kind === "rejected") throw new Error("There is no such source.");
  return decision.outcome.moves;
}

/** The first word of each stored message, in the order of their places. */
export async function namesIn(harness: EngineHarness, queue: string): Promise<string[]> {
  const names: string[] = [];
  await harness.run("ListMessages", (transaction) => {
    const { namespace, name } = addressOf(queue);
    const found = transaction.findQueue(namespace, name);
    expect(found).toBeDefined();
    if (found !== undefined) {
      for (const { head } of transaction.messageHeadsFrom(found, 0 as Sequence)) {
        const message = transaction.message(found, head.sequence);
        names.push(message?.content.body.toString("utf8").split(" ")[0] ?? "");
      }
    }
    return { kind: "accepted", outcome: undefined };
  });
  return names;
}

export const numbered = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `m${index}`);
