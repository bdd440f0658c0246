// Load through @forebay/client, as an application makes it.

import { ForebayClient, type Queue } from "@forebay/client";
import { type LoadResult, runLoad, type Until } from "./load-run.js";
import { answerOrders } from "./orders.js";

export interface ClientSendOrder {
  readonly queue: string;
  readonly bodyBytes: number;
  /** Whether the client joins sends made at the same time, as it does unless told otherwise. */
  readonly isBatching: boolean;
  /** Sends awaited at the same time. */
  readonly inFlight: number;
  readonly until: Until;
}

export interface CycleOrder {
  readonly queue: string;
  readonly bodyBytes: number;
  readonly messageCount: number;
  /** Sent and not yet acknowledged, at most. */
  readonly sendsInFlight: number;
  /** Received and not yet deleted, at most. */
  readonly receivesInFlight: number;
  /** FIFO queues: message groups, each of which gets one message in turn. */
  readonly groupCount?: number;
}

export interface ScheduleOrder {
  readonly queue: string;
  readonly bodyBytes: number;
  readonly messageCount: number;
  /** From now to the first one's time, and from each one's to the next one's, in milliseconds. */
  readonly firstMs: number;
  readonly stepMs: number;
}

let clients: { readonly batching: ForebayClient; readonly single: ForebayClient } | undefined;

function queueOf(name: string, isBatching: boolean): Queue {
  if (clients === undefined) throw new Error("connect first");
  return (isBatching ? clients.batching : clients.single).queue(name);
}

export const textOf = (bytes: number): string => "x".repeat(bytes);

function send(order: ClientSendOrder): Promise<LoadResult> {
  const queue = queueOf(order.queue, order.isBatching);
  const body = textOf(order.bodyBytes);
  return runLoad(
    (settle) => {
      queue.send(body).then(
        () => settle(1),
        (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
      );
    },
    order.inFlight,
    order.until,
  );
}

/** Sends and consumes so many messages at the same time; the time until the last delete is durable. */
async function cycle(order: CycleOrder): Promise<{ readonly elapsedMs: number }> {
  const queue = queueOf(order.queue, true);
  const startedMs = performance.now();
  await Promise.all([sendAll(queue, order), consumeAll(queue, order)]);
  return { elapsedMs: performance.now() - startedMs };
}

/** Cycles so far: no deduplication id is used by two. */
let cycleCount = 0;

async function sendAll(queue: Queue, order: CycleOrder): Promise<void> {
  const body = textOf(order.bodyBytes);
  const sends: Promise<unknown>[] = [];
  await using producer = queue.producer({ maxInFlight: order.sendsInFlight });
  cycleCount += 1;
  for (let sent = 0; sent < order.messageCount; sent += 1) {
    await producer.ready();
    const ids =
      order.groupCount === undefined
        ? {}
        : { groupId: `group-${sent % order.groupCount}`, dedupId: `${cycleCount}-${sent}` };
    sends.push(producer.send(body, ids));
  }
  await Promise.all(sends);
}

async function consumeAll(queue: Queue, order: CycleOrder): Promise<void> {
  const acks: Promise<unknown>[] = [];
  for await (const message of queue.consume({ maxMessages: order.receivesInFlight })) {
    if (message.body.length !== order.bodyBytes) throw new Error("a message came back changed");
    acks.push(message.ack());
    if (acks.length === order.messageCount) break;
  }
  for (const outcome of await Promise.all(acks)) {
    if (outcome !== "DELETED") throw new Error(`a message was ${String(outcome)}`);
  }
}

/** Sends messages for times to come, each `stepMs` after the one before. */
async function schedule(order: ScheduleOrder): Promise<void> {
  const queue = queueOf(order.queue, true);
  const body = textOf(order.bodyBytes);
  const firstMs = Date.now() + order.firstMs;
  await using producer = queue.producer({ maxInFlight: 2_000 });
  const sends: Promise<unknown>[] = [];
  for (let sent = 0; sent < order.messageCount; sent += 1) {
    await producer.ready();
    const deliverTime = new Date(firstMs + sent * order.stepMs);
    sends.push(
      producer.send(body, { deliverTime, attributes: { due: String(deliverTime.getTime()) } }),
    );
  }
  await Promise.all(sends);
}

/** Receives so many scheduled messages; how late each came, in milliseconds. */
async function lateness(order: { readonly queue: string; readonly messageCount: number }) {
  const late: number[] = [];
  for await (const message of queueOf(order.queue, true).consume({ maxMessages: 1_000 })) {
    late.push(Date.now() - Number(message.attributes["due"]?.value));
    await message.ack();
    if (late.length === order.messageCount) break;
  }
  return late;
}

const handlers = {
  createFifoQueue: async ({ queue }: { readonly queue: string }): Promise<void> => {
    await clients?.single.createQueue(queue, { attributes: { fifoQueue: true } });
  },
  schedule,
  lateness,
  connect: async ({ address, queue }: { readonly address: string; readonly queue: string }) => {
    clients = {
      batching: new ForebayClient({ endpoint: address }),
      single: new ForebayClient({ endpoint: address, batching: false }),
    };
    await clients.single.createQueue(queue);
  },
  send,
  cycle,
};

export type ClientHandlers = typeof handlers;

answerOrders(handlers);
