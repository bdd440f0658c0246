// Dead letters as the tests of them need them: a queue `orders` whose messages go to `dead` when they were delivered too
// often, messages that are there already, and a look at what a queue holds.

import type { PeekedMessage } from "../../src/gen/forebay/queue/v1/message.js";
import type { RequestPart } from "./queue-client.js";
import {
  type ListedTask,
  type QueueOptions,
  type Scenario,
  type ScenarioOptions,
  type SendOptions,
  scenario,
} from "./scenario.js";

export interface DeadLetterOptions extends QueueOptions {
  /** Deliveries before a message goes to the dead-letter queue; 1 if not given. */
  readonly after?: number;
  /** What differs in the dead-letter queue. */
  readonly dead?: QueueOptions;
  readonly config?: ScenarioOptions["config"];
}

/** `orders` with the options given and its dead-letter queue `dead`. */
export async function deadLetterScenario(options: DeadLetterOptions = {}): Promise<Scenario> {
  const { after = 1, dead = {}, config = {}, ...source } = options;
  const t = await scenario({ create: "none", config });
  await t.createQueue("dead", dead);
  await t.createQueue(t.queue, { ...source, redrive: { to: "dead", after } });
  return t;
}

/** `orders.fifo` and its dead-letter queue `dead.fifo`; neither needs deduplication ids as long as bodies differ. */
export async function fifoDeadLetterScenario(options: DeadLetterOptions = {}): Promise<Scenario> {
  const { after = 1, dead = {}, config = {}, ...source } = options;
  const t = await scenario({ create: "none", queue: "orders.fifo", config });
  const fifo = { type: "fifo", contentBasedDeduplication: true } as const;
  await t.createQueue("dead.fifo", { ...fifo, ...dead });
  await t.createQueue(t.queue, { ...fifo, ...source, redrive: { to: "dead.fifo", after } });
  return t;
}

/** Messages of a queue whose limit is one delivery, sent, delivered and gone to its dead-letter queue. */
export async function sendToDeath(
  t: Scenario,
  bodies: readonly (string | Uint8Array)[],
  options: SendOptions = {},
): Promise<void> {
  for (let from = 0; from < bodies.length; from += 10) {
    await t.sendBatch(bodies.slice(from, from + 10), options);
  }
  await wearOut(t, options.queue);
}

/** Delivers everything that is visible until it has gone to the dead-letter queue. */
export async function wearOut(t: Scenario, queue = t.queue): Promise<void> {
  for (let receive = 0; receive < 1_000; receive += 1) {
    const received = await t.receive({ queue, max: 10, visibilityTimeoutMs: 0 });
    if (received.length === 0) return;
  }
  throw new Error(`The messages of ${queue} do not go to their dead-letter queue.`);
}

/** Everything that a queue holds, in its order. */
export async function held(
  t: Scenario,
  queue: string,
  request: Omit<RequestPart<"peekMessages">, "queue" | "pageToken"> = {},
): Promise<PeekedMessage[]> {
  const all: PeekedMessage[] = [];
  let pageToken = "";
  do {
    const page = await t.call("peekMessages", { pageSize: 100, ...request, queue, pageToken });
    all.push(...page.messages);
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  return all;
}

/** The bodies that a queue holds, in its order; bytes as hex. */
export const heldBodies = async (t: Scenario, queue: string): Promise<string[]> =>
  (await held(t, queue)).map(({ body }) =>
    body?.$case === "data" ? Buffer.from(body.value).toString("hex") : (body?.value ?? ""),
  );

/** The one message that a queue holds. */
export async function heldOne(t: Scenario, queue: string): Promise<PeekedMessage> {
  const [message, ...others] = await held(t, queue);
  if (message === undefined || others.length > 0) {
    throw new Error(`Expected one message in ${queue}, there are ${message ? "more" : "none"}.`);
  }
  return message;
}

/** Receives that found no queue to move a message to, since the queue was created. */
export async function targetMissingCount(t: Scenario, queue = t.queue): Promise<number> {
  const { counters } = await t.call("getQueueAttributes", { queue });
  return Number(counters?.deadLetterTargetMissingCount);
}

/** Lets time pass until the newest move task of the source has ended; resolves with how. */
export async function moveEnded(t: Scenario, source = "dead"): Promise<ListedTask> {
  for (let step = 0; step < 1_000; step += 1) {
    const [task] = await t.moveTasks(source);
    if (task === undefined) throw new Error(`${source} has no move task.`);
    if (task.status !== "RUNNING" && task.status !== "CANCELLING") return task;
    await t.advance(50);
  }
  throw new Error(`The move task of ${source} does not end.`);
}
